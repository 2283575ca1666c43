package stats

import "slices"

// Sums are what was counted, all of it: verdicts are computed from sums alone.
// They add up, in any order: that is how several proxies are judged as one.
type Sums struct {
	Strata map[Stratum]*Pair[Requests]
	Scopes map[uint32]*ScopeSums // by number; 0 is the whole rollout
	Lost   uint64                // requests that found all strata taken

	Slots  uint64 // of time that were looked at by themselves
	Bursts map[Stratum]*Bursts

	Revision uint64 // grows each time that a recorder is read
}

// Requests are the requests of one version in one stratum.
type Requests struct {
	Silent      uint64 // without a latency
	Errors      uint64
	Elsewhere   uint64 // answered by another version
	Bytes       uint64
	Nanoseconds uint64 // sum of the latencies

	Latency Histogram // of all requests
	Firsts  Histogram // of the first request of each unit
}

// ScopeSums are the units counted in one scope.
type ScopeSums struct {
	Full    bool // it counts no more
	Tallies map[Stratum]*Pair[Tally]
}

// NewSums returns sums of nothing.
func NewSums() *Sums {
	return &Sums{Strata: make(map[Stratum]*Pair[Requests]), Scopes: make(map[uint32]*ScopeSums), Bursts: make(map[Stratum]*Bursts)}
}

// Count returns how many requests there were.
func (r *Requests) Count() uint64 { return r.Latency.Total() + r.Silent }

// Merge adds o, which is not changed.
func (s *Sums) Merge(o *Sums) {
	s.Lost += o.Lost
	s.Slots += o.Slots
	for stratum, bursts := range o.Bursts {
		into := entry(s.Bursts, stratum)
		for i := range bursts {
			into[i].merge(&bursts[i])
		}
	}
	s.Revision = max(s.Revision, o.Revision)
	for stratum, pair := range o.Strata {
		into := entry(s.Strata, stratum)
		for side := range pair {
			into[side].merge(&pair[side])
		}
	}
	for number, theirs := range o.Scopes {
		into := s.scope(number)
		into.Full = into.Full || theirs.Full
		for stratum, pair := range theirs.Tallies {
			ours := entry(into.Tallies, stratum)
			for side := range pair {
				ours[side].merge(&pair[side])
			}
		}
	}
}

func (r *Requests) merge(o *Requests) {
	r.Silent += o.Silent
	r.Errors += o.Errors
	r.Elsewhere += o.Elsewhere
	r.Bytes += o.Bytes
	r.Nanoseconds += o.Nanoseconds
	r.Latency.Merge(&o.Latency)
	r.Firsts.Merge(&o.Firsts)
}

// scope returns the sums of a scope, which are made if need be.
func (s *Sums) scope(number uint32) *ScopeSums {
	out := s.Scopes[number]
	if out == nil {
		out = &ScopeSums{Tallies: make(map[Stratum]*Pair[Tally])}
		s.Scopes[number] = out
	}
	return out
}

// watched returns the scopes that are judged: the whole rollout and the last
// restarts.
func (s *Sums) watched() []uint32 {
	var restarts []uint32
	for number := range s.Scopes {
		if number > 0 {
			restarts = append(restarts, number)
		}
	}
	slices.Sort(restarts)
	return append([]uint32{0}, restarts[max(0, len(restarts)-keptRestarts):]...)
}

// Units returns how many units of stable and of the candidate were counted on the
// whole.
func (s *Sums) Units() (all Pair[uint64]) {
	if scope := s.Scopes[0]; scope != nil {
		for _, pair := range scope.Tallies {
			for side := range pair {
				all[side] += pair[side].Units()
			}
		}
	}
	return all
}

// Latencies returns those of all requests of one version.
func (s *Sums) Latencies(side Side) *Histogram {
	h := new(Histogram)
	for _, pair := range s.Strata {
		h.Merge(&pair[side].Latency)
	}
	return h
}

func entry[K comparable, V any](m map[K]*V, k K) *V {
	v := m[k]
	if v == nil {
		v = new(V)
		m[k] = v
	}
	return v
}

// Sums returns what was counted so far. It is called every few seconds, and
// also sees to it that what is slow becomes known.
func (r *Recorder) Sums() *Sums {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fixEdges()
	s := NewSums()
	r.revision++
	s.Revision, s.Lost, s.Slots = r.revision, r.lost.Load(), r.slots
	for _, scope := range *r.scopes.Load() {
		s.Scopes[scope.ordinal] = scope.sums(r.strata)
	}
	for _, l := range r.strata {
		s.Strata[l.Stratum] = l.sums()
		if l.bursts != (Bursts{}) {
			bursts := l.bursts
			s.Bursts[l.Stratum] = &bursts
		}
	}
	return s
}

func (l *lane) sums() *Pair[Requests] {
	pair := new(Pair[Requests])
	for side := range pair {
		out := &pair[side]
		for c := range l.requests[side].all {
			out.Silent += c.silent.Load()
			out.Errors += c.failed.Load()
			out.Elsewhere += c.elsewhere.Load()
			out.Bytes += c.bytes.Load()
			out.Nanoseconds += c.nanoseconds.Load()
			c.latency.addTo(&out.Latency)
		}
		if !l.byUnit {
			out.Firsts = out.Latency
		}
		for c := range l.firsts[side].all {
			c.addTo(&out.Firsts)
		}
	}
	return pair
}
