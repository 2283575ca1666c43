package stats

import "math"

// Events are the events of one stratum: requests that failed, units that
// arrived, whatever is compared. The odds are the weight of the candidate over
// that of stable while they happened.
type Events struct {
	Odds              float64
	Candidate, Stable uint64
}

// balanced reports whether an event could have happened in either version.
// Where it could not, it says nothing about them.
func (e Events) balanced() bool { return e.Odds > 0 && !math.IsInf(e.Odds, 1) }

// likelihood is the log likelihood of the log ratio δ between the event
// probabilities of candidate and stable, given the events. In a stratum with
// odds w an event is the candidate's with probability w·e^δ / (1 + w·e^δ),
// whatever the base rate is and however it drifts:
//
//	ℓ(δ) = Σ c·(ln w + δ) − (c+s)·ln(1 + w·e^δ),  divided by φ
//
// It is concave. Lindon and Malek, arXiv:2011.03567, have the case of one
// stratum; several with one common ratio stay a martingale, because the odds
// of each event are known before it happens.
type likelihood struct {
	strata            []term
	candidate, stable float64 // events in all strata
	phi               float64 // overdispersion by which the evidence is divided
}

// term is the share of one stratum in the sum.
type term struct{ logOdds, candidate, total float64 }

func newLikelihood(events []Events, phi float64) *likelihood {
	l := &likelihood{phi: max(phi, 1)}
	for _, e := range events {
		if !e.balanced() || e.Candidate == 0 && e.Stable == 0 {
			continue
		}
		c, s := float64(e.Candidate), float64(e.Stable)
		l.strata = append(l.strata, term{math.Log(e.Odds), c, c + s})
		l.candidate += c
		l.stable += s
	}
	return l
}

// empty reports whether there were no events.
func (l *likelihood) empty() bool { return l.candidate == 0 && l.stable == 0 }

// at returns ℓ(δ).
func (l *likelihood) at(delta float64) float64 {
	sum := 0.0
	for _, t := range l.strata {
		x := t.logOdds + delta
		sum += t.candidate*x - t.total*softplus(x)
	}
	return sum / l.phi
}

// slope returns the derivative of ℓ, which falls, and how steeply it does.
func (l *likelihood) slope(delta float64) (slope, curvature float64) {
	for _, t := range l.strata {
		p := 1 / (1 + math.Exp(-t.logOdds-delta))
		slope += t.candidate - t.total*p
		curvature += t.total * p * (1 - p)
	}
	return slope / l.phi, curvature / l.phi
}

// peak returns the δ̂ that makes the events most likely: the one at which as
// many of them are expected in the candidate as were seen. It is infinite if
// one version had none, and NaN if neither had.
func (l *likelihood) peak() float64 {
	switch {
	case l.empty():
		return math.NaN()
	case l.candidate == 0:
		return math.Inf(-1)
	case l.stable == 0:
		return math.Inf(1)
	}
	return root(l.slope, 0)
}

// softplus returns ln(1 + e^x) without overflow.
func softplus(x float64) float64 {
	if x > 0 {
		return x + math.Log1p(math.Exp(-x))
	}
	return math.Log1p(math.Exp(x))
}
