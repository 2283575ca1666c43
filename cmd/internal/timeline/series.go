package timeline

import (
	"math"
	"slices"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics"
)

// level is one series of a version: how long a point spans, and how many are kept.
type level struct {
	span time.Duration
	most int
}

var levels = [...]level{{time.Minute, 120}, {10 * time.Minute, 144}, {time.Hour, 336}}

// point is what a version did in a span of time.
type point struct {
	Start    int64     `json:"t"` // Unix seconds
	Requests uint64    `json:"n"`
	Failures uint64    `json:"f,omitempty"`
	Canceled uint64    `json:"c,omitempty"`
	Weight   float64   `json:"w"`
	Share    float64   `json:"s"`
	Latency  histogram `json:"l,omitempty"`
}

// pointBytes is about what a point takes besides its histogram.
const pointBytes = 96

// series is a version over time.
type series struct {
	Version string                `json:"version"`
	Levels  [len(levels)][]*point `json:"levels"` // the newest last
}

// sample is what a version did since the sample before.
type sample struct {
	metrics.Counts
	Weight, Share float64
}

// add notes a sample at a moment.
func (s *series) add(at time.Time, x *sample) {
	for i, l := range levels {
		start, list := at.Truncate(l.span).Unix(), s.Levels[i]
		for len(list) > 0 && list[len(list)-1].Start > start+int64(l.span/time.Second) {
			list = list[:len(list)-1] // the clock was wrong
		}
		if len(list) == 0 || list[len(list)-1].Start < start {
			list = append(list, &point{Start: start})
			list = slices.Delete(list, 0, max(0, len(list)-l.most))
		}
		list[len(list)-1].add(x)
		s.Levels[i] = list
	}
}

func (p *point) add(x *sample) {
	p.Requests += x.Requests
	p.Failures += x.Failures
	p.Canceled += x.Canceled
	p.Weight, p.Share = x.Weight, x.Share
	all := x.FirstByte
	p.Latency.addTo(&all)
	p.Latency = pack(&all)
}

// bytes returns about how much memory it takes.
func (s *series) bytes() (n int) {
	for _, list := range s.Levels {
		for _, p := range list {
			n += pointBytes + cap(p.Latency)
		}
	}
	return n
}

// shown returns the points of a version since a moment for people, at each time of the
// finest level that reaches back to it. The levels meet where a point of the coarser one
// begins, at the same time for all versions, so that what they did can be compared.
func (s *series) shown(since, now time.Time) admin.VersionTimeline {
	out := admin.VersionTimeline{Version: s.Version}
	var whole point
	var latencies metrics.Latencies
	until := int64(math.MaxInt64) // what is shown already begins there
	for i, l := range levels {
		from := int64(math.MinInt64)
		if i+1 < len(levels) {
			from = roundUp(now.Add(-l.span*time.Duration(l.most-1)).Unix(), levels[i+1].span)
		}
		for _, p := range slices.Backward(s.Levels[i]) {
			if p.Start >= from && p.Start < until && p.Start >= since.Add(-l.span).Unix() {
				out.Points = append(out.Points, p.shown(l.span))
				whole.count(p, &latencies)
			}
		}
		until = from
	}
	slices.Reverse(out.Points)
	if n := len(out.Points); n > 0 {
		first, last := out.Points[0], out.Points[n-1]
		whole.Start, whole.Weight, whole.Share = first.Start.Unix(), last.Weight, last.Share
		whole.Latency = pack(&latencies)
		out.Whole = whole.shown(last.Start.Sub(first.Start) + time.Duration(last.Seconds)*time.Second)
	}
	return out
}

// count adds what another point has counted.
func (p *point) count(o *point, all *metrics.Latencies) {
	p.Requests += o.Requests
	p.Failures += o.Failures
	p.Canceled += o.Canceled
	o.Latency.addTo(all)
}

func roundUp(t int64, span time.Duration) int64 {
	seconds := int64(span / time.Second)
	return (t + seconds - 1) / seconds * seconds
}

// shown returns a point for people.
func (p *point) shown(span time.Duration) admin.Point {
	var l metrics.Latencies
	p.Latency.addTo(&l)
	return admin.Point{
		Start: time.Unix(p.Start, 0).UTC(), Seconds: span.Seconds(), Requests: p.Requests, Failures: p.Failures, Canceled: p.Canceled,
		P50: l.Quantile(0.5).Seconds(), P95: l.Quantile(0.95).Seconds(), P99: l.Quantile(0.99).Seconds(),
		Weight: p.Weight, Share: p.Share,
	}
}
