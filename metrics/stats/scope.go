package stats

import "sync/atomic"

// scope counts units from one moment on: those of the whole rollout, or those
// since a restart, see [ScopeAlpha].
type scope struct {
	ordinal uint32
	tallies [maxStrata]Pair[striped[counters]]
	filter  *filter // which units were counted; nil: each request is a unit
}

// counters is a Tally that requests add to. It fills two lines of the cache,
// the pair that processors fetch together.
type counters [tallyLen]atomic.Uint64

func newScope(ordinal uint32, byUnit bool) *scope {
	s := &scope{ordinal: ordinal}
	if byUnit {
		s.filter = new(filter)
	}
	return s
}

// frozen reports whether the scope counts no more, because its filter is full.
// It stops in both versions at once, and a test that was stopped is valid.
func (s *scope) frozen() bool { return s.filter != nil && s.filter.full() }

// first reports whether it is the first time that a unit does something in
// this scope. A request without a unit is its own unit.
func (s *scope) first(unit uint64, what int) bool {
	return s.filter == nil || unit == 0 || s.filter.first(filterKey(unit, uint64(what)))
}

// tally returns what was counted of one version in a stratum.
func (s *scope) tally(l *lane, side Side) (t Tally) {
	for c := range s.tallies[l.index][side].all {
		for i := range c {
			t[i] += c[i].Load()
		}
	}
	return t
}

// sums returns what was counted.
func (s *scope) sums(strata []*lane) *ScopeSums {
	out := &ScopeSums{Full: s.frozen(), Tallies: make(map[Stratum]*Pair[Tally])}
	for _, l := range strata {
		pair := new(Pair[Tally])
		for side := range pair {
			pair[side] = s.tally(l, Side(side))
		}
		if *pair != (Pair[Tally]{}) {
			out.Tallies[l.Stratum] = pair
		}
	}
	return out
}
