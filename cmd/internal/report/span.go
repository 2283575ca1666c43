package report

import (
	"time"

	"divvy/cmd/internal/admin"
)

// The least and the most time that charts show.
const (
	leastSpan = 10 * time.Minute
	mostSpan  = 14 * 24 * time.Hour
)

// span is the time that charts show.
type span struct{ from, to time.Time }

// spanOf returns the time since the first comparison began, and a little before it;
// without one, the last day. What comes before anything was noted is left out.
func spanOf(d *Data) span {
	s := span{d.Now.Add(-24 * time.Hour), d.Now}
	since := d.Now
	for _, c := range d.Comparisons {
		since = earlier(since, c.Since)
	}
	switch {
	case d.Back > 0:
		s.from = d.Now.Add(-min(max(d.Back, leastSpan), mostSpan))
		return s
	case since.Before(d.Now):
		age := d.Now.Sub(since)
		s.from = d.Now.Add(-min(age+max(age/10, leastSpan), mostSpan))
	}
	if first := firstPoint(&d.Timeline); first.After(s.from) && first.Before(s.to) {
		if first = earlier(since, first); first.After(s.from) {
			s.from = first
		}
	}
	if latest := s.to.Add(-leastSpan); s.from.After(latest) {
		s.from = latest
	}
	return s
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// firstPoint returns when anything was noted first.
func firstPoint(t *admin.Timeline) (first time.Time) {
	for _, v := range t.Versions {
		if len(v.Points) > 0 && (first.IsZero() || v.Points[0].Start.Before(first)) {
			first = v.Points[0].Start
		}
	}
	return first
}

func (s span) length() time.Duration { return s.to.Sub(s.from) }

// part returns where in the span a moment is, 0 to 1.
func (s span) part(t time.Time) float64 { return float64(t.Sub(s.from)) / float64(s.length()) }

func (s span) has(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// shows reports whether most of a point is within. One that began is, though it may
// end later: it was noted when divvy stopped.
func (s span) shows(p *admin.Point) bool {
	return !p.Start.Add(length(p)/2).Before(s.from) && p.Start.Before(s.to)
}

func length(p *admin.Point) time.Duration { return time.Duration(p.Seconds * float64(time.Second)) }

func (s span) text() string {
	return moment(s.from) + " to " + moment(s.to) + ", " + long(s.length())
}

// steps are lengths of time that people count in.
var steps = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour,
}

// step returns the shortest step of which no more than n make up the span.
func (s span) step(n int) time.Duration {
	for _, step := range steps {
		if s.length() <= time.Duration(n)*step {
			return step
		}
	}
	return steps[len(steps)-1]
}
