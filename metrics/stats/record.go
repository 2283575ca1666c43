package stats

import (
	"slices"
	"sync/atomic"
)

// Arrive counts a request of one side when it is assigned, and notes in x
// whether it is the first of its unit. Arrivals are counted by themselves
// because what is still under way belongs to the split: a version that is slow
// does not get less.
//
// Like [Split.Record] it is called in the request's goroutine: it neither
// blocks nor allocates, except for the first few requests of a stratum.
func (s *Split) Arrive(side Side, x *Sample) {
	l := s.stratum()
	if l == nil {
		return
	}
	x.First = l.once(*s.recorder.scopes.Load(), side, s.recorder.stripe(x), x.Unit, countUnits) != nil
}

// Record counts what became of a request, when it ends.
func (s *Split) Record(side Side, x *Sample) {
	l := s.stratum()
	if l == nil {
		if s != nil {
			s.recorder.lost.Add(1)
		}
		return
	}
	stripe := s.recorder.stripe(x)
	t := measure(x)
	l.requests[side].at(stripe).record(x, t)
	l.count(*s.recorder.scopes.Load(), side, stripe, x, t)
}

// stratum returns where requests are recorded; nil if that is nowhere.
func (s *Split) stratum() *lane {
	if s == nil {
		return nil
	}
	return s.lane.Load()
}

func (r *Recorder) stripe(x *Sample) uint32 { return stripeOf(x) & r.mask }

// timing is the latency of a request, ready to be counted.
type timing struct {
	known  bool
	bucket int // where it is counted from firstBucket on
	log    uint64
}

func measure(x *Sample) timing {
	if x.Latency <= 0 {
		return timing{}
	}
	seconds := float64(x.Latency) / 1e9
	return timing{true, bucketOf(seconds), logOf(seconds)}
}

func (c *requestCounters) record(x *Sample, t timing) {
	if t.known {
		c.latency[t.bucket-firstBucket].Add(1)
		c.nanoseconds.Add(uint64(x.Latency))
	} else {
		c.silent.Add(1)
	}
	addIf(&c.failed, x.Failed)
	addIf(&c.elsewhere, x.Elsewhere)
	if x.Bytes > 0 {
		c.bytes.Add(x.Bytes)
	}
}

// count adds to each scope what the unit of x has not done in it before.
func (l *lane) count(scopes []*scope, side Side, stripe uint32, x *Sample, t timing) {
	once := func(what int) *counters { return l.once(scopes, side, stripe, x.Unit, what) }
	if all := scopes[0]; x.First && !all.frozen() {
		l.countFirst(all.tallies[l.index][side].at(stripe), side, stripe, x, t)
	}
	if x.Failed {
		once(countFailed)
	}
	if x.Canceled {
		once(countCanceled)
	}
	if t.known && l.Slow95 != NoEdge && t.bucket > int(l.Slow95) {
		once(countSlow95)
		if t.bucket > int(l.Slow99) {
			once(countSlow99)
		}
	}
	for goals, what := x.Goals, countGoals; goals > 0; goals, what = goals>>1, what+1 {
		if goals&1 > 0 {
			once(what)
		}
	}
}

// once counts something in the scopes in which the unit does it for the first
// time. It returns the counters of the scope of the whole rollout if that is
// among them, and nil otherwise.
//
// The newest scope comes first: what a unit has done in it, it has done in all
// that are older, and most requests are of units that were seen before.
func (l *lane) once(scopes []*scope, side Side, stripe uint32, unit uint64, what int) *counters {
	for _, s := range slices.Backward(scopes) {
		if s.frozen() {
			continue
		}
		if !s.first(unit, what) {
			return nil
		}
		c := s.tallies[l.index][side].at(stripe)
		c[what].Add(1)
		if s.ordinal == 0 {
			return c
		}
	}
	return nil
}

// countFirst adds the latency of a unit's first request. If the client did not
// wait for the answer it is known only that it was longer: enough to be slow,
// but nothing to take a mean of.
func (l *lane) countFirst(c *counters, side Side, stripe uint32, x *Sample, t timing) {
	if t.known && l.byUnit {
		l.firsts[side].at(stripe)[t.bucket-firstBucket].Add(1)
	}
	if !t.known || x.Canceled {
		return
	}
	c[countMeasured].Add(1)
	c[countLogs].Add(t.log)
	c[countSquares].Add(squareOf(t.log))
}

func addIf(c *atomic.Uint64, yes bool) {
	if yes {
		c.Add(1)
	}
}
