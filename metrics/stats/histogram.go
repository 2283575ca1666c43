package stats

import "math"

// Histogram counts latencies by bucket. The zero value is empty.
type Histogram struct {
	counts [buckets]uint64
}

// Add counts n latencies in the bucket of the given index.
func (h *Histogram) Add(index int, n uint64) {
	h.counts[min(max(index, firstBucket), lastBucket)-firstBucket] += n
}

// Merge adds the counts of o.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
}

// Total returns how many latencies were counted.
func (h *Histogram) Total() uint64 { return h.Above(firstBucket - 1) }

// Above returns how many latencies were longer than the end of a bucket.
func (h *Histogram) Above(index int) uint64 {
	var sum uint64
	for _, n := range h.counts[min(max(index+1-firstBucket, 0), buckets):] {
		sum += n
	}
	return sum
}

// All calls yield with each bucket that is not empty, in order, until it
// returns false: what a native histogram of Prometheus is made of.
func (h *Histogram) All(yield func(index int, n uint64) bool) {
	for i, n := range h.counts {
		if n > 0 && !yield(i+firstBucket, n) {
			return
		}
	}
}

// Edge returns the index of the bucket that holds quantile q: a share of at
// most 1−q is longer than its end. ok is false if nothing was counted.
func (h *Histogram) Edge(q float64) (index int, ok bool) {
	total := h.Total()
	if total == 0 {
		return 0, false
	}
	allowed := float64(total) * (1 - q)
	longer := uint64(0)
	for i := buckets - 1; ; i-- {
		longer += h.counts[i]
		if float64(longer) > allowed || i == 0 {
			return i + firstBucket, true
		}
	}
}

// mixed is a histogram whose counts were weighted: of stable, as if it had had
// the candidate's mix of strata.
type mixed struct {
	counts [buckets]float64
	total  float64
}

func (m *mixed) add(h *Histogram, weight float64) {
	for i, n := range h.counts {
		x := float64(n) * weight
		m.counts[i] += x
		m.total += x
	}
}

// quantile returns the latency in seconds that a share of q is not longer
// than, as exactly as a bucket allows; NaN if there is none.
func (m *mixed) quantile(q float64) float64 {
	want, below := q*m.total, 0.0
	for i, n := range m.counts {
		if n > 0 && below+n >= want {
			// Within the bucket, latencies are taken to be evenly spread on
			// the scale of logarithms.
			within := (want - below) / n
			return math.Exp2((float64(i+firstBucket-1) + within) / bucketsPerOctave)
		}
		below += n
	}
	return math.NaN()
}
