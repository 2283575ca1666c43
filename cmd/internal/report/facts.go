package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"divvy/cmd/internal/admin"
	"divvy/router/state"
)

// fact is a name and what is so.
type fact struct{ Name, Text string }

// factsOf says what the report is about.
func factsOf(d *Data) []fact {
	s := d.Service
	all := []fact{
		{"Service", s.Name},
		{"Made", moment(d.Now) + " by divvy " + d.Divvy},
		{"Answers to", cmp.Or(strings.Join(s.Hosts, " "), "any host") + where(s.Paths)},
		{"Assigned by", cmp.Or(strings.Join(s.Sticky, ", "), "request")},
	}
	if len(s.Rules) > 0 {
		all = append(all, fact{"Rules", strings.Join(s.Rules, ", ")})
	}
	return append(all, fact{"Split now", splitNow(&d.Split)})
}

func where(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	return " at " + strings.Join(paths, " ")
}

// splitNow says who gets what, and which revision that is.
func splitNow(s *admin.Split) string {
	var parts []string
	for _, v := range s.Shares {
		if v.Weight == 0 && v.Share == 0 {
			continue
		}
		text := fmt.Sprintf("%s: weight %s, %s", v.Version, digits(v.Weight, 10), percent(v.Share))
		if !v.Runs {
			text += " (does not run)"
		}
		parts = append(parts, text)
	}
	text := cmp.Or(strings.Join(parts, "; "), "nobody gets anything")
	if s.Revision > 0 {
		text += ", revision " + strconv.FormatUint(s.Revision, 10)
	}
	return text
}

// version is a version that runs.
type version struct {
	Class, Name, Tags, Weight, Share, Image, Revision, Created, Backends string
	RolledBack                                                           bool
	Mutations                                                            []string
}

func versionsOf(d *Data, c *cast) (all []version) {
	for _, v := range d.Service.Versions {
		states := map[string]int{}
		mutations := map[string]bool{}
		for _, m := range v.Mutations {
			mutations[m.Detail] = true
		}
		for _, b := range v.Backends {
			states[string(b.State)]++
			for _, m := range b.Mutations {
				mutations[b.Name+": "+m.Detail] = true
			}
		}
		var backends []string
		for _, state := range slices.Sorted(maps.Keys(states)) {
			backends = append(backends, fmt.Sprintf("%d %s", states[state], state))
		}
		weight := digits(v.Weight, 10)
		if v.Weight == 0 {
			weight = "dark"
		}
		all = append(all, version{
			Class: c.class(v.Name), Name: v.Name, Tags: strings.Join(v.Tags, ", "), Weight: weight, Share: percent(v.Share),
			Image: v.ImageID, Revision: v.Revision, Created: v.Created, Backends: cmp.Or(strings.Join(backends, ", "), "none"),
			RolledBack: v.RolledBack, Mutations: slices.Sorted(maps.Keys(mutations)),
		})
	}
	return all
}

// rolledBack is an image that gets no weight by itself.
type rolledBack struct{ Name, Image, Time string }

func rolledBackOf(d *Data) (all []rolledBack) {
	for _, r := range d.Split.RolledBack {
		all = append(all, rolledBack{r.Name, r.Image, moment(r.Time)})
	}
	return all
}

// edit is an edit of the split.
type edit struct{ Revision, Time, Kind, From, To, Who, Via, Why string }

func historyOf(d *Data) (all []edit) {
	for _, e := range d.History {
		kind, from, to := string(e.Kind), telling(e.From, e.To), telling(e.To, e.From)
		if e.Undone > 0 {
			kind += fmt.Sprintf(" of #%d", e.Undone)
		}
		all = append(all, edit{
			"#" + strconv.FormatUint(e.Revision, 10), moment(e.Time), kind,
			cut(from.Text(to), mostSplit), cut(to.Text(from), mostSplit), e.Who, e.Via, e.Why,
		})
	}
	return all
}

// mostSplit bounds the text of a split.
const mostSplit = 400

// telling returns a split without what has no weight in it nor in the other.
func telling(s, other state.Split) state.Split {
	weights := maps.Clone(s.Weights)
	maps.DeleteFunc(weights, func(name string, w int) bool { return w == 0 && other.Weights[name] == 0 })
	if len(weights) > 0 {
		s.Weights = weights
	}
	return s
}
