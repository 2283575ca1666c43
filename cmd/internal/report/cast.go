package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"divvy/cmd/internal/admin"
)

// mostDrawn is how many versions are drawn: stable, eight candidates, which are as
// many as are compared at a time, or whatever else has traffic.
const mostDrawn = 9

// member is a version that is drawn. Its class gives it a colour and a dash; the
// first is that of stable in every report.
type member struct {
	Name  string
	Short string // what stands beside its lines
	Role  string
	Class string

	points []admin.Point // those of the span
}

// cast is who is drawn.
type cast struct {
	members []member
	undrawn []string
}

// newCast chooses who is drawn: what is compared, what has weight, and what had
// traffic in the span.
func newCast(d *Data, s span) *cast {
	c := &cast{}
	for _, x := range d.Comparisons {
		c.add(x.Stable.Version, "stable")
	}
	for _, x := range d.Comparisons {
		c.add(x.Candidate.Version, "candidate")
	}
	weighing, busy := "not compared", "not compared"
	if len(d.Comparisons) == 0 {
		weighing, busy = "has weight", "had traffic"
	}
	weighted := slices.Clone(d.Service.Versions)
	slices.SortStableFunc(weighted, func(a, b admin.Version) int { return cmp.Compare(b.Share, a.Share) })
	for _, v := range weighted {
		if v.Weight > 0 {
			c.add(v.Name, weighing)
		}
	}
	for _, v := range d.Timeline.Versions {
		if slices.ContainsFunc(v.Points, func(p admin.Point) bool { return p.Requests > 0 && s.shows(&p) }) {
			c.add(v.Version, busy)
		}
	}
	for i := range c.members {
		m := &c.members[i]
		m.Class, m.points = "v"+strconv.Itoa(i), s.points(d, m.Name)
	}
	c.shorten()
	return c
}

func (c *cast) add(name, role string) {
	is := func(m member) bool { return m.Name == name }
	switch {
	case name == "" || slices.ContainsFunc(c.members, is) || slices.Contains(c.undrawn, name):
	case len(c.members) == mostDrawn:
		c.undrawn = append(c.undrawn, name)
	default:
		c.members = append(c.members, member{Name: name, Role: role})
	}
}

// shorten finds names that fit beside lines: tags, where they tell versions apart.
func (c *cast) shorten() {
	for i := range c.members {
		tag, digest, _ := strings.Cut(c.members[i].Name, "@")
		for j := range c.members {
			if other, _, _ := strings.Cut(c.members[j].Name, "@"); j != i && other == tag {
				tag = cut(tag, 7) + "@" + cut(digest, 4)
				break
			}
		}
		c.members[i].Short = cut(tag, 13)
	}
}

// cut shortens text to n characters.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// class returns how a version is drawn, "" if it is not.
func (c *cast) class(name string) string {
	for _, m := range c.members {
		if m.Name == name {
			return m.Class
		}
	}
	return ""
}

// points returns what a version did in the span.
func (s span) points(d *Data, version string) (all []admin.Point) {
	for _, v := range d.Timeline.Versions {
		if v.Version != version {
			continue
		}
		for _, p := range v.Points {
			if s.shows(&p) {
				all = append(all, p)
			}
		}
	}
	return all
}
