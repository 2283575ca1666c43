package stats

import (
	"math"
	"sort"
)

// LatencyStratum holds the latencies of both versions in one stratum, and the
// edge, a bucket index, beyond which stable's are slow. The edge must have
// been fixed before any of them was seen.
type LatencyStratum struct {
	Odds              float64
	Edge              int
	Candidate, Stable *Histogram
}

// QuantileRatio compares a quantile of two versions, the one at which the
// edges sit: by what factor must the candidate's latencies be divided to have
// as many slow ones as stable? To divide by 2^(j/32) is to shift the histogram
// by j buckets, and each shift is one exact odds test of "now they are equal".
// Those that are not rejected are the interval.
//
// Both versions are compared at the same time with known odds, so a load that
// drifts while weights change does no harm, as it does to any test of two
// pooled samples.
type QuantileRatio struct {
	test   OddsTest
	strata []tails
}

// tails is a stratum made ready: how many of the candidate's latencies are
// beyond each bucket, and how many of stable's beyond the edge.
type tails struct {
	odds      float64
	edge      int
	candidate [buckets + 1]uint64
	stable    uint64
}

// CompareLatencies prepares the comparison.
func (t OddsTest) CompareLatencies(strata []LatencyStratum) *QuantileRatio {
	q := &QuantileRatio{test: t, strata: make([]tails, len(strata))}
	for i, s := range strata {
		out := &q.strata[i]
		out.odds, out.edge, out.stable = s.Odds, s.Edge, s.Stable.Above(s.Edge)
		for b := buckets - 1; b >= 0; b-- {
			out.candidate[b] = out.candidate[b+1] + s.Candidate.counts[b]
		}
	}
	return q
}

// Events returns what is slow if the candidate's latencies are divided by
// 2^(shift/32).
func (q *QuantileRatio) Events(shift int) []Events {
	events := make([]Events, len(q.strata))
	for i := range q.strata {
		s := &q.strata[i]
		beyond := min(max(s.edge+shift+1-firstBucket, 0), buckets)
		events[i] = Events{s.odds, s.candidate[beyond], s.stable}
	}
	return events
}

// Interval returns the ratio, candidate over stable, with its interval of
// confidence 1−α: the shifts that are not rejected and, because latencies are
// known to a bucket only, one bucket more on each side.
func (q *QuantileRatio) Interval(alpha float64) Interval {
	if newLikelihood(q.Events(0), 1).empty() {
		return Interval{0, math.NaN(), math.Inf(1)}
	}
	// The further the shift, the fewer are slow. Up to the balance there are
	// more than the odds would have it, from there on fewer.
	balance := q.balance()
	down := q.accepted(balance-1, -1, alpha)
	up := q.accepted(balance, 1, alpha)

	ratio := Interval{0, BucketEnd(balance), math.Inf(1)}
	if down < shifts {
		ratio.Lower = BucketEnd(balance - down - 1)
	}
	if up < shifts {
		ratio.Upper = BucketEnd(balance + up)
	}
	return ratio
}

// shifts is how many there are in each direction that make a difference.
const shifts = buckets

// balance returns the first shift at which the candidate has no longer too many
// slow requests.
func (q *QuantileRatio) balance() int {
	return sort.Search(2*shifts, func(i int) bool {
		slope, _ := newLikelihood(q.Events(i-shifts), 1).slope(0)
		return slope <= 0
	}) - shifts
}

// accepted returns how many shifts in a row, from the given one on in the given
// direction, are not rejected. They are few as a rule, so the search begins at
// the near end, in steps that double.
func (q *QuantileRatio) accepted(from, direction int, alpha float64) int {
	rejected := func(n int) bool {
		return q.test.Weigh(q.Events(from+direction*n)).LogE(0) >= -math.Log(alpha)
	}
	known, limit := 0, 1
	for limit < shifts && !rejected(limit-1) {
		known, limit = limit, 2*limit
	}
	return known + sort.Search(limit-known, func(i int) bool { return rejected(known + i) })
}
