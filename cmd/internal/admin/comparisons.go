package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"divvy/backends"
	"divvy/metrics/stats"
	"divvy/router"
	"divvy/router/state"
)

// NoCandidate is a version that nothing is compared of. Its text says which
// candidates there are, or why there is none.
type NoCandidate struct{ Text string }

// Error implements error.
func (e *NoCandidate) Error() string { return e.Text }

// Names returns what sentences about the comparison call things by.
func (c *Comparison) Names() stats.Names {
	n := stats.Names{Candidate: c.Candidate.Version, Stable: c.Stable.Version, PerSecond: c.PerSecond, Trial: "requests"}
	if c.Report != nil && c.Report.ByUnit {
		n.Trial = "units"
	}
	return n
}

// Worst returns what several comparisons come to together: worse if any is, no
// worse if all are. Of none there is no telling.
func Worst(all []Comparison) Verdict {
	if slices.ContainsFunc(all, func(c Comparison) bool { return c.Verdict == Worse }) {
		return Worse
	}
	if len(all) == 0 || slices.ContainsFunc(all, func(c Comparison) bool { return c.Verdict != NoWorse }) {
		return CannotTell
	}
	return NoWorse
}

// comparisons answers with the comparisons of all candidates; there may be none.
func (s *Server) comparisons(w http.ResponseWriter, r *http.Request) {
	all, err := s.Control.Comparisons(r.PathValue("service"))
	if all == nil {
		all = []Comparison{}
	}
	s.answerOr(w, r, all, err)
}

// comparison answers with the comparison of one candidate.
func (s *Server) comparison(w http.ResponseWriter, r *http.Request) {
	service, name := r.PathValue("service"), r.PathValue("candidate")
	all, err := s.Control.Comparisons(service)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found := slices.DeleteFunc(slices.Clone(all), func(c Comparison) bool { return !s.names(service, name, c.Candidate) })
	switch len(found) {
	case 0:
		s.fail(w, r, s.noCandidate(service, name, all))
	case 1:
		s.answer(w, found[0])
	default:
		s.fail(w, r, &state.InvalidError{Text: fmt.Sprintf("%.64s names more than one candidate: use one of %s", name, candidatesOf(found))})
	}
}

// names reports whether a name is that of a version: as in the split, a tag, or a
// tag and the first digits of the image ID.
func (s *Server) names(service, name string, v Compared) bool {
	tag, _, _ := strings.Cut(v.Version, "@")
	tags := []string{tag}
	for _, known := range s.Control.Status().Services {
		for _, version := range known.Versions {
			if known.Name == service && version.Name == v.Version {
				tags = append(tags, version.Tags...)
			}
		}
	}
	return name == v.Version || router.Fits(name, tags, backends.Version{ImageID: v.ImageID}.Digest())
}

// noCandidate says why there is no comparison of what has a name.
func (s *Server) noCandidate(service, name string, all []Comparison) error {
	if len(all) == 0 {
		split, err := s.Control.Split(service)
		if err != nil {
			return err
		}
		return &NoCandidate{split.Uncompared()}
	}
	stable := all[0].Stable
	if s.names(service, name, stable) {
		return &NoCandidate{fmt.Sprintf("%.64s is what the candidates are compared with: there are %s", name, candidatesOf(all))}
	}
	return &NoCandidate{fmt.Sprintf("%.64s is no candidate of %s: there are %s, compared with %s", name, service, candidatesOf(all), stable.Version)}
}

func candidatesOf(all []Comparison) string {
	var names []string
	for _, c := range all {
		names = append(names, c.Candidate.Version)
	}
	return strings.Join(names, ", ")
}

// Uncompared says why no versions of a service are compared: mostly because not
// two of them run and have weight.
func (s *Split) Uncompared() string {
	var weighted []string
	for _, v := range s.Shares {
		if v.Runs && v.Weight > 0 {
			weighted = append(weighted, v.Version)
		}
	}
	switch len(weighted) {
	case 0:
		return fmt.Sprintf("service %s has no candidate: no version that runs has weight", s.Service)
	case 1:
		return fmt.Sprintf("service %s has no candidate: %s has all the weight, so there is nothing to compare it with; give another version some", s.Service, weighted[0])
	default:
		return fmt.Sprintf("service %s has no candidate: %s have weight, but none of them is compared", s.Service, strings.Join(weighted, ", "))
	}
}

// Comparisons returns the comparisons of all candidates of a service with its
// stable version; there may be none.
func (c Client) Comparisons(ctx context.Context, service string) ([]Comparison, error) {
	all, err := ask[[]Comparison](ctx, c, http.MethodGet, pathOf(service, "/comparisons"), nil)
	if err != nil {
		return nil, err
	}
	return *all, nil
}

// Comparison returns the comparison of one candidate, named as in a split. A name
// that fits none is [Refused] with the status 404, one that fits several with 422.
func (c Client) Comparison(ctx context.Context, service, candidate string) (*Comparison, error) {
	return ask[Comparison](ctx, c, http.MethodGet, pathOf(service, "/comparisons/"+url.PathEscape(candidate)), nil)
}
