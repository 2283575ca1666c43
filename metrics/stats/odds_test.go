package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// anyEvents returns one to four strata of a ramp with events in them.
func anyEvents(random *rand.Rand) []Events {
	events := make([]Events, 1+random.IntN(4))
	for i := range events {
		size := math.Exp(random.Float64() * 8)
		events[i] = Events{
			Odds:      math.Exp(random.Float64()*6 - 5),
			Candidate: uint64(random.Float64() * size),
			Stable:    uint64(random.Float64() * size),
		}
	}
	return events
}

// forAny calls f with many different events and the evidence in them.
func forAny(t *testing.T, f func(events []Events, e Evidence)) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		events := anyEvents(random)
		f(events, testErrors.Weigh(events))
	}
}

func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b), 1) || math.IsNaN(a) && math.IsNaN(b)
}

func TestTheIntervalContainsTheEstimateAndWidensWithConfidence(t *testing.T) {
	t.Parallel()
	forAny(t, func(events []Events, e Evidence) {
		r95, r99 := e.Ratio(0.05), e.Ratio(0.01)
		if r95.Lower > r95.Estimate || r95.Upper < r95.Estimate {
			t.Errorf("%v: the estimate is outside of %v", events, r95)
		}
		if r99.Lower > r95.Lower || r99.Upper < r95.Upper {
			t.Errorf("%v: 99 %% gives %v, 95 %% gives %v", events, r99, r95)
		}
	})
}

func TestTheIntervalShrinksWhenTheCountsDouble(t *testing.T) {
	t.Parallel()
	forAny(t, func(events []Events, e Evidence) {
		if e.l.candidate < 5 || e.l.stable < 5 {
			return // the prior has a word there
		}
		doubled := make([]Events, len(events))
		for i, x := range events {
			doubled[i] = Events{x.Odds, 2 * x.Candidate, 2 * x.Stable}
		}
		width := func(e Evidence) float64 { lower, upper := e.bounds(0.01); return upper - lower }
		if was, is := width(e), width(testErrors.Weigh(doubled)); is >= was {
			t.Errorf("%v: %v wide, doubled %v", events, was, is)
		}
	})
}

func TestSwappingTheVersionsMirrorsTheInterval(t *testing.T) {
	t.Parallel()
	forAny(t, func(events []Events, e Evidence) {
		swapped := make([]Events, len(events))
		for i, x := range events {
			swapped[i] = Events{1 / x.Odds, x.Stable, x.Candidate}
		}
		lower, upper := e.bounds(0.01)
		other, another := testErrors.Weigh(swapped).bounds(0.01)
		if !near(lower, -another) || !near(upper, -other) {
			t.Errorf("%v: %v to %v, swapped %v to %v", events, lower, upper, other, another)
		}
	})
}

func TestSplittingAStratumChangesNothing(t *testing.T) {
	t.Parallel()
	forAny(t, func(events []Events, e Evidence) {
		var split []Events
		for _, x := range events {
			split = append(split,
				Events{x.Odds, x.Candidate / 3, x.Stable / 5},
				Events{x.Odds, x.Candidate - x.Candidate/3, x.Stable - x.Stable/5})
		}
		if got, want := testErrors.Weigh(split).LogE(0), e.LogE(0); !near(got, want) {
			t.Errorf("%v: ln E is %v, split %v", events, want, got)
		}
	})
}

// A unit that is counted up to three times errs three times in one version.
func TestEvidenceDividedByTheCopiesIsNoBetterThanAFairBet(t *testing.T) {
	t.Parallel()
	const units, rho = 40, 0.05
	mean := func(phi float64) (sum float64) {
		for c := range uint64(units + 1) {
			k := float64(c)
			logP := -logBeta(k+1, units-k+1) - math.Log(units+1) + k*math.Log(rho) + (units-k)*math.Log1p(-rho)
			e := OddsTest{Tau: 1, Phi: phi}.Weigh([]Events{{rho / (1 - rho), 3 * c, 3 * (units - c)}})
			sum += math.Exp(logP + e.LogE(0))
		}
		return sum
	}
	if got := mean(3); got > 1 {
		t.Errorf("the mean of E is %v, want at most 1", got)
	}
	if got := mean(1); got < 2 {
		t.Errorf("the mean of E is %v if nothing is done about it: this tests nothing", got)
	}
}

func TestAVersionWithoutWeightSaysNothing(t *testing.T) {
	t.Parallel()
	f := func(odds float64) {
		t.Helper()
		e := testErrors.Weigh([]Events{{odds, 7, 9}})
		if e.LogE(0) != 0 || e.Ratio(0.01).Lower != 0 || !math.IsInf(e.Ratio(0.01).Upper, 1) {
			t.Errorf("odds of %v gave evidence of %v", odds, e.LogE(0))
		}
	}
	f(0)
	f(math.Inf(1))
	f(math.NaN())
}

func TestExtremeCountsStayFinite(t *testing.T) {
	t.Parallel()
	for _, events := range [][]Events{
		{{1e-6, 1 << 50, 1}},
		{{1e6, 1, 1 << 50}},
		{{1, 1 << 62, 1 << 62}},
		{{1e-6, 0, 1 << 50}},
	} {
		e := testErrors.Weigh(events)
		r := e.Ratio(0.01)
		if math.IsNaN(e.LogE(0)) || math.IsNaN(r.Lower) || math.IsNaN(r.Upper) || r.Lower > r.Upper {
			t.Errorf("%v: ln E %v, ratio %v", events, e.LogE(0), r)
		}
	}
}

func BenchmarkWeigh(b *testing.B) {
	for b.Loop() {
		testErrors.Weigh(rampEvents).LogE(0)
	}
}

func BenchmarkWeighWithInterval(b *testing.B) {
	for b.Loop() {
		testErrors.Weigh(rampEvents).Ratio(0.01)
	}
}

var rampEvents = []Events{{1.0 / 99, 3, 55}, {1.0 / 19, 11, 80}, {1.0 / 3, 60, 110}, {1, 200, 150}}
