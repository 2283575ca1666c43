package metrics

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Latencies are counts of durations by their length. Each octave, from one power of
// two nanoseconds to the next, has eight buckets of equal width, so that a bucket is
// at most an eighth wider than its lower end and found by shifting.
type Latencies [latencyBuckets]uint64

// What is shorter than 2^10 ns (1 µs) is in the first bucket, what takes 2^38 ns
// (275 s) or longer in the last.
const (
	shortest       = 10
	longest        = 38
	perOctave      = 8
	latencyBuckets = (longest - shortest) * perOctave
)

// latencyBucket returns the bucket that a duration is counted in.
func latencyBucket(d time.Duration) int {
	n := uint64(max(d, 0))
	octave := bits.Len64(n) - 1
	switch {
	case octave < shortest:
		return 0
	case octave >= longest:
		return latencyBuckets - 1
	}
	return (octave-shortest)*perOctave + int(n>>(octave-3)&(perOctave-1))
}

// latencyBound returns the lower end of a bucket.
func latencyBound(i int) time.Duration {
	octave := shortest + i/perOctave
	return time.Duration(uint64(perOctave+i%perOctave) << (octave - 3))
}

// Total returns how many there are.
func (l *Latencies) Total() (n uint64) {
	for _, c := range l {
		n += c
	}
	return n
}

// Quantile returns the duration that a fraction q of all are not longer than, read
// within its bucket as if all there were spread evenly; 0 if there are none.
func (l *Latencies) Quantile(q float64) time.Duration {
	total := l.Total()
	rank, below := q*float64(total), 0.0
	for i, c := range l {
		if next := below + float64(c); c > 0 && next >= rank {
			from, to := latencyBound(i), latencyBound(i+1)
			return from + time.Duration(float64(to-from)*(rank-below)/float64(c))
		}
		below += float64(c)
	}
	return 0
}

// latencyCounters are Latencies that requests add to.
type latencyCounters [latencyBuckets]atomic.Uint64

func (c *latencyCounters) observe(d time.Duration) { c[latencyBucket(d)].Add(1) }

func (c *latencyCounters) read() (l Latencies) {
	for i := range c {
		l[i] = c[i].Load()
	}
	return l
}

// Counts are what a [Meter] has counted so far.
type Counts struct {
	Requests uint64 // that ended
	Failures uint64 // see [Observation.Failed]
	Canceled uint64 // the client went away before an answer

	FirstByte Latencies // see [Observation.FirstByte]
}

// Counts returns what was counted of every version that has a Meter, those of
// requests without a version left out. It takes some microseconds for each.
func (p *Prometheus) Counts() map[Key]Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[Key]Counts, len(p.meters))
	for k, m := range p.meters {
		if k.Version != "" {
			all[k] = m.counts()
		}
	}
	return all
}

func (m *Meter) counts() Counts {
	return Counts{
		Requests: m.requests.total(), Failures: m.failed.Load(), Canceled: m.requests.of(canceledStatus),
		FirstByte: m.latency.read(),
	}
}

// canceledStatus is what is recorded of a request whose client went away before an
// answer.
const canceledStatus = 499
