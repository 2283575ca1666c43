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
	Start    int64    `json:"t"` // Unix seconds
	Requests uint64   `json:"n"`
	Failures uint64   `json:"f,omitempty"`
	Canceled uint64   `json:"c,omitempty"`
	Weight   float64  `json:"w"`
	Share    float64  `json:"s"`
	Latency  []uint64 `json:"l,omitempty"` // bucket and count, in turn, of those in use
}

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
		start := at.Truncate(l.span).Unix()
		list := s.Levels[i]
		if len(list) == 0 || list[len(list)-1].Start != start {
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
	all := p.latencies()
	for i, n := range x.FirstByte {
		all[i] += n
	}
	p.set(&all)
}

// set makes a histogram that of the point.
func (p *point) set(all *metrics.Latencies) {
	p.Latency = p.Latency[:0]
	for i, n := range all {
		if n > 0 {
			p.Latency = append(p.Latency, uint64(i), n)
		}
	}
}

// latencies returns the histogram of a point.
func (p *point) latencies() (all metrics.Latencies) {
	for i := 0; i+1 < len(p.Latency); i += 2 {
		if bucket := p.Latency[i]; bucket < uint64(len(all)) {
			all[bucket] = p.Latency[i+1]
		}
	}
	return all
}

// shown returns the points of a version since a moment for people, the finest that
// there are of each moment. Where a level ends the next goes on with the point that
// begins there or before, so that none is shown twice and there is no gap.
func (s *series) shown(since time.Time) admin.VersionTimeline {
	out := admin.VersionTimeline{Version: s.Version}
	var whole point
	var latencies metrics.Latencies
	until := int64(math.MaxInt64) // what is shown already begins there
	for i, l := range levels {
		list := s.Levels[i]
		from := int64(math.MinInt64) // a level that is not full has all that there is
		if len(list) == l.most && i+1 < len(levels) {
			from = roundUp(list[0].Start, levels[i+1].span)
		}
		for _, p := range slices.Backward(list) {
			if p.Start >= from && p.Start < until && p.Start >= since.Add(-l.span).Unix() {
				out.Points = append(out.Points, p.shown(l.span))
				whole.count(p, &latencies)
			}
		}
		if from == math.MinInt64 {
			break
		}
		until = from
	}
	slices.Reverse(out.Points)
	if n := len(out.Points); n > 0 {
		first, last := out.Points[0], out.Points[n-1]
		whole.Start, whole.Weight, whole.Share = first.Start.Unix(), last.Weight, last.Share
		whole.set(&latencies)
		out.Whole = whole.shown(last.Start.Sub(first.Start) + time.Duration(last.Seconds)*time.Second)
	}
	return out
}

// count adds what another point has counted.
func (p *point) count(o *point, all *metrics.Latencies) {
	p.Requests += o.Requests
	p.Failures += o.Failures
	p.Canceled += o.Canceled
	for i, n := range o.latencies() {
		all[i] += n
	}
}

func roundUp(t int64, span time.Duration) int64 {
	seconds := int64(span / time.Second)
	return (t + seconds - 1) / seconds * seconds
}

// shown returns a point for people.
func (p *point) shown(span time.Duration) admin.Point {
	l := p.latencies()
	return admin.Point{
		Start: time.Unix(p.Start, 0).UTC(), Seconds: span.Seconds(), Requests: p.Requests, Failures: p.Failures, Canceled: p.Canceled,
		P50: l.Quantile(0.5).Seconds(), P95: l.Quantile(0.95).Seconds(), P99: l.Quantile(0.99).Seconds(),
		Weight: p.Weight, Share: p.Share,
	}
}

// last returns when the series was added to last, in Unix seconds.
func (s *series) last() int64 {
	if list := s.Levels[0]; len(list) > 0 {
		return list[len(list)-1].Start
	}
	return 0
}
