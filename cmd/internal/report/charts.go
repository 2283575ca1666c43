package report

import (
	"slices"
	"time"

	"divvy/cmd/internal/admin"
)

// mostDots is about how many stretches rates are added up in: fewer requests in each
// would show chance.
const mostDots = 60

// leastRate is how far up an axis of rates goes at least: where nothing fails, a
// hundred percent would tell nothing.
const leastRate = 0.001

// lowShare is a share below which candidates are drawn without stable, whose share
// would press theirs to the ground.
const lowShare = 0.3

// chartsOf returns the charts of a report, none if there is nothing to draw.
func chartsOf(d *Data, s span, c *cast) []chart {
	if !slices.ContainsFunc(c.members, func(m member) bool { return len(m.points) > 0 }) {
		return nil
	}
	marks := marksOf(d, s)
	return []chart{
		splitChart(s, c, marks),
		ratesChart(s, c, marks, "Error rate", "Requests that failed, of all: answers of 5xx and failed calls of gRPC.", percent,
			func(p *admin.Point, _ time.Duration) (float64, bool) {
				return float64(p.Failures) / float64(p.Requests), p.Requests > 0
			}),
		latencyChart(s, c, marks, "p50 of the time to the first byte", "Half of the requests had the first byte of the answer sooner.", func(p *admin.Point) float64 { return p.P50 }),
		latencyChart(s, c, marks, "p95 of the time to the first byte", "19 of 20 requests had it sooner.", func(p *admin.Point) float64 { return p.P95 }),
		latencyChart(s, c, marks, "p99 of the time to the first byte", "99 of 100 requests had it sooner.", func(p *admin.Point) float64 { return p.P99 }),
		ratesChart(s, c, marks, "Requests per second", "Requests that ended.", func(x float64) string { return digits(x, 3) },
			func(p *admin.Point, took time.Duration) (float64, bool) {
				return float64(p.Requests) / took.Seconds(), true
			}),
	}
}

// ratesChart draws what can be added up.
func ratesChart(s span, c *cast, marks []tick, title, about string, unit func(float64) string, rate func(*admin.Point, time.Duration) (float64, bool)) chart {
	var traces []trace
	high := 0.0
	for i := range c.members {
		t := trace{of: &c.members[i]}
		for _, x := range sums(t.of.points, s.step(mostDots)) {
			if value, ok := rate(&x.Point, x.end.Sub(x.start)); ok {
				t.dots = append(t.dots, dot{x.start, x.end, value})
				high = max(high, value)
			}
		}
		traces = append(traces, t)
	}
	return plot(s, title, about, linear(max(high, leastRate)), unit, traces, marks)
}

// latencyChart draws quantiles, which cannot be added up: of those that would lie on
// one another the middle one is drawn.
func latencyChart(s span, c *cast, marks []tick, title, about string, quantile func(*admin.Point) float64) chart {
	var traces []trace
	low, high, all := 0.0, 0.0, true
	for i := range c.members {
		t := trace{of: &c.members[i]}
		var dots []dot
		for _, p := range t.of.points {
			if x := quantile(&p); x > 0 {
				dots = append(dots, dot{p.Start, p.Start.Add(length(&p)), x})
			}
		}
		t.dots = middles(dots, s.step(2*mostDots))
		all = all && len(t.dots) == len(dots)
		for _, d := range t.dots {
			if high = max(high, d.value); low == 0 || d.value < low {
				low = d.value
			}
		}
		traces = append(traces, t)
	}
	a := axis{}
	if high < 1 {
		a = fitting(1000*low, 1000*high).times(0.001) // so that ticks are round in milliseconds
	} else {
		a = fitting(low, high)
	}
	if !all {
		about += " Of values close to one another the middle one is drawn."
	}
	if a.log {
		about += " The axis is logarithmic."
	}
	return plot(s, title, about, a, latencyTick, traces, marks)
}

// middles returns one dot for each step, which has the median of the values in it.
func middles(dots []dot, step time.Duration) (all []dot) {
	for len(dots) > 0 {
		first := dots[0]
		n := 1
		for n < len(dots) && dots[n].start.Truncate(step).Equal(first.start.Truncate(step)) && !dots[n].start.After(dots[n-1].end) {
			n++
		}
		values := make([]float64, n)
		for i, d := range dots[:n] {
			values[i] = d.value
		}
		slices.Sort(values)
		all = append(all, dot{first.start, dots[n-1].end, values[n/2]})
		dots = dots[n:]
	}
	return all
}

// latencyTick is latency on an axis, where nought is known.
func latencyTick(x float64) string {
	if x == 0 {
		return "0"
	}
	return latency(x)
}

// splitChart draws which part of the requests each version got, and was to get.
func splitChart(s span, c *cast, marks []tick) chart {
	const title = "Split"
	step := s.step(mostDots)
	parts := partsOf(c, step)
	members, about := c.members, "The part of the requests that each version got. The wide pale lines are the shares as set."
	if highest := highestPart(c.members, parts); len(members) > 1 && highest < lowShare {
		about += " " + members[0].Short + " has the rest, and is not drawn."
		members = members[1:]
	}
	var traces []trace
	high := 0.0
	for i := range members {
		seen, set := trace{of: &members[i]}, trace{of: &members[i], wide: true}
		for _, x := range sums(members[i].points, step) {
			if part, ok := parts[members[i].Name][x.start]; ok {
				seen.dots = append(seen.dots, dot{x.start, x.end, part})
				high = max(high, part)
			}
		}
		for _, p := range members[i].points {
			set.dots = append(set.dots, dot{p.Start, p.Start.Add(length(&p)), p.Share})
			high = max(high, p.Share)
		}
		traces = append(traces, seen, set)
	}
	return plot(s, title, about, linear(min(high, 1)), percent, traces, marks)
}

// partsOf returns which part of all requests each version got, by the start of the
// stretch.
func partsOf(c *cast, step time.Duration) map[string]map[time.Time]float64 {
	all := map[time.Time]uint64{}
	for i := range c.members {
		for _, x := range sums(c.members[i].points, step) {
			all[x.start.Truncate(step)] += x.Requests
		}
	}
	parts := map[string]map[time.Time]float64{}
	for i := range c.members {
		of := map[time.Time]float64{}
		for _, x := range sums(c.members[i].points, step) {
			if n := all[x.start.Truncate(step)]; n > 0 {
				of[x.start] = float64(x.Requests) / float64(n)
			}
		}
		parts[c.members[i].Name] = of
	}
	return parts
}

// highestPart returns the highest share of any version but the first.
func highestPart(members []member, parts map[string]map[time.Time]float64) (highest float64) {
	for i := range members {
		if i == 0 {
			continue
		}
		for _, x := range parts[members[i].Name] {
			highest = max(highest, x)
		}
		for _, p := range members[i].points {
			highest = max(highest, p.Share)
		}
	}
	return highest
}
