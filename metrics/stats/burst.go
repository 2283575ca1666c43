package stats

import "math"

// Slow requests come in bursts: when a container stalls for a moment, all that it
// has are slow, and they are one event rather than many. Which of two versions that
// are equal stalls is chance, and without regard for bursts it would look like a
// difference that nobody could have by chance.
//
// So time is cut into slots, and it is looked at how much the candidate's part of the
// events varies from slot to slot. If it varies more than the parts of independent
// events would, by a factor V, the evidence is divided by it:
//
//	V = B/(B−1) · Σ (U − Ū·m/m̄)² / Σ m·p(1−p)
//
// with m the events of a slot, U by how many more of them were the candidate's than
// the weights mean, and p the candidate's part of all. That is the variance that
// quasi-likelihood takes (McCullagh and Nelder, Generalized Linear Models, section
// 4.5), about the ratio that was seen, so that a true difference is not taken for
// variation.

// Burst are the sums over slots from which V is computed. They add up, like all else.
type Burst struct {
	Slots  uint64 // in which there were events
	Events uint64 // Σ m
	MM     uint64 // Σ m²
	UU     uint64 // Σ u², with u = U in 1/burstUnit
	U, UM  int64  // Σ u, Σ u·m
}

// burstUnit is how finely U is kept.
const burstUnit = 16

// burstOf are the counts whose bursts are looked at, as indices of a Tally.
var burstOf = [...]int{countSlow95, countSlow99}

// Bursts has the sums of each of them.
type Bursts [len(burstOf)]Burst

func (b *Burst) merge(o *Burst) {
	b.Slots += o.Slots
	b.Events += o.Events
	b.MM += o.MM
	b.UU += o.UU
	b.U += o.U
	b.UM += o.UM
}

// add adds a slot in which so many events of both versions were counted.
func (b *Burst) add(s Stratum, stable, candidate uint64) {
	m := stable + candidate
	if m == 0 {
		return
	}
	u := int64(math.Round(burstUnit * (float64(candidate) - float64(m)*s.Share())))
	b.Slots++
	b.Events += m
	b.MM += m * m
	b.UU += uint64(u * u)
	b.U += u
	b.UM += u * int64(m)
}

// variation returns Σ (U − Ū·m/m̄)² and Σ m·p(1−p).
func (b *Burst) variation(s Stratum) (seen, expected float64) {
	if b.Events == 0 {
		return 0, 0
	}
	n := float64(b.Events)
	mean := float64(b.U) / burstUnit / n
	seen = float64(b.UU)/burstUnit/burstUnit - 2*mean*float64(b.UM)/burstUnit + mean*mean*float64(b.MM)
	p := min(max(s.Share()+mean, 0), 1)
	return max(seen, 0), n * p * (1 - p)
}

// Slot ends a slot of time: what was counted since the one before is looked at by
// itself, see [Judge.Slots]. It is called every few seconds.
func (r *Recorder) Slot() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slots++
	whole := (*r.scopes.Load())[0]
	for _, l := range r.strata {
		now := Pair[Tally]{}
		for side := range now {
			now[side] = whole.tally(l, Side(side))
		}
		for i, what := range burstOf {
			l.bursts[i].add(l.Stratum, now[Stable][what]-l.slot[Stable][what], now[Candidate][what]-l.slot[Candidate][what])
		}
		l.slot = now
	}
}

// burstiness returns V of a count, at least 1.
func (s *Sums) burstiness(what int) float64 {
	seen, expected, slots := 0.0, 0.0, 0.0
	for stratum, bursts := range s.Bursts {
		for i, counted := range burstOf {
			if counted == what {
				a, b := bursts[i].variation(stratum)
				seen, expected, slots = seen+a, expected+b, slots+float64(bursts[i].Slots)
			}
		}
	}
	if slots < 2 || expected == 0 {
		return 1
	}
	return max(1, slots/(slots-1)*seen/expected)
}
