package router

import (
	"fmt"
	"slices"
	"strings"
)

// Notes returns what people should know about the split: tags that moved, and
// weights that nobody has. Each is a sentence.
func (s *Service) Notes() []string {
	var notes []string
	for _, key := range s.idle {
		notes = append(notes, fmt.Sprintf("weights.%s names no version that runs", key))
	}
	for _, tag := range s.tags() {
		if all := s.withTag(tag); len(all) > 1 {
			notes = append(notes, s.movedTag(tag, all))
		}
	}
	for _, v := range s.Versions {
		if v.RolledBack && v.Pool.Present() {
			notes = append(notes, fmt.Sprintf("%s was rolled back: it gets no weight until an edit gives it some", v.Name))
		}
	}
	hold := func(sh share) bool { return sh.holder() != nil }
	if len(s.Versions) > 0 && !slices.ContainsFunc(s.shares, hold) {
		notes = append(notes, "no version that runs has weight, so nobody is answered")
	}
	return notes
}

// movedTag says who has the weight of a tag that several versions run under.
func (s *Service) movedTag(tag string, all []*Version) string {
	holder := all[0]
	for i := range s.shares {
		if h := s.shares[i].holder(); slices.Contains(s.shares[i].names, tag) && h != nil {
			holder = h
		}
	}
	others := slices.DeleteFunc(slices.Clone(all), func(v *Version) bool { return v == holder })
	note := fmt.Sprintf("the tag %s has moved: %s has what weight the tag has, %s does not", tag, holder.Name, strings.Join(names(others), ", "))
	if holder != all[len(all)-1] {
		note += fmt.Sprintf(" (divvy adopt %s %s gives it to the newest)", s.Name, tag)
	}
	return note
}

// tags returns all tags of the service's versions, once each.
func (s *Service) tags() []string {
	var all []string
	for _, v := range s.Versions {
		for _, t := range v.Tags {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// withTag returns the versions that run under a tag.
func (s *Service) withTag(tag string) []*Version {
	var all []*Version
	for _, v := range s.Versions {
		if slices.Contains(v.Tags, tag) && v.Pool.Present() {
			all = append(all, v)
		}
	}
	return all
}

func names(versions []*Version) []string {
	var all []string
	for _, v := range versions {
		all = append(all, v.Name)
	}
	return all
}

// idleWeights returns the keys of weights above zero that name no version.
func idleWeights(weights map[string]int, versions []*Version) []string {
	var idle []string
	for _, key := range sorted(weights) {
		named := slices.ContainsFunc(versions, func(v *Version) bool { return v.Is(key) })
		if !named && weights[key] > 0 {
			idle = append(idle, key)
		}
	}
	return idle
}
