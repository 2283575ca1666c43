package stats

import (
	"encoding/binary"
	"maps"
	"slices"
)

// encoder writes what codec.go draws.
type encoder struct{ out []byte }

func (e *encoder) number(n uint64) { e.out = binary.AppendUvarint(e.out, n) }

func (e *encoder) texts(all ...string) {
	for _, s := range all {
		e.number(uint64(len(s)))
		e.out = append(e.out, s...)
	}
}

func (e *encoder) sums(s *Sums) {
	e.number(s.Revision)
	e.number(s.Lost)
	e.number(uint64(len(s.Strata)))
	for _, stratum := range slices.SortedFunc(maps.Keys(s.Strata), compareStrata) {
		e.stratum(stratum)
		for side := range s.Strata[stratum] {
			e.requests(&s.Strata[stratum][side])
		}
	}
	e.number(uint64(len(s.Scopes)))
	for _, number := range slices.Sorted(maps.Keys(s.Scopes)) {
		e.number(uint64(number))
		e.scope(s.Scopes[number])
	}
	e.number(s.Slots)
	e.number(uint64(len(s.Bursts)))
	for _, stratum := range slices.SortedFunc(maps.Keys(s.Bursts), compareStrata) {
		e.stratum(stratum)
		for i := range s.Bursts[stratum] {
			e.burst(&s.Bursts[stratum][i])
		}
	}
}

func (e *encoder) burst(b *Burst) {
	for _, n := range []uint64{b.Slots, b.Events, b.MM, b.UU} {
		e.number(n)
	}
	e.out = binary.AppendVarint(binary.AppendVarint(e.out, b.U), b.UM)
}

func (e *encoder) scope(s *ScopeSums) {
	full := uint64(0)
	if s.Full {
		full = 1
	}
	e.number(full)
	e.number(uint64(len(s.Tallies)))
	for _, stratum := range slices.SortedFunc(maps.Keys(s.Tallies), compareStrata) {
		e.stratum(stratum)
		for side := range s.Tallies[stratum] {
			e.number(tallyLen)
			for _, n := range s.Tallies[stratum][side] {
				e.number(n)
			}
		}
	}
}

func (e *encoder) stratum(s Stratum) {
	e.number(uint64(s.Stable))
	e.number(uint64(s.Candidate))
	e.number(uint64(uint16(s.Slow95)))
	e.number(uint64(uint16(s.Slow99)))
}

func (e *encoder) requests(r *Requests) {
	for _, n := range r.scalars() {
		e.number(*n)
	}
	e.histogram(&r.Latency)
	e.histogram(&r.Firsts)
}

func (e *encoder) histogram(h *Histogram) {
	used := 0
	for range h.All {
		used++
	}
	e.number(uint64(used))
	last := firstBucket
	for index, n := range h.All {
		e.number(uint64(index - last))
		e.number(n)
		last = index
	}
}
