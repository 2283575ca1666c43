package stats

import "math"

// OddsTest compares two versions by nothing but the odds at which each event
// could have happened in either. It is exact for any number of events, may be
// looked at after each of them, and neither weights that change nor base rates
// that drift mislead it.
type OddsTest struct {
	// Tau says which ratios are looked for: half of the bet is on those within
	// e^±0.67τ.
	Tau float64

	// Phi divides the evidence if a unit may have been counted more than once.
	// With Phi at least the number of times it stays exact: a unit that is
	// counted m times wins its likelihood ratio to the power of m/φ ≤ 1, and
	// by Jensen's inequality that is no better than a fair bet. 0 is 1.
	Phi float64
}

// The tests in use. Errors may multiply, conversions never do, and a split
// that is off is off by little.
var (
	testErrors      = OddsTest{Tau: 1}
	testSlow        = OddsTest{Tau: 1}
	testConversions = OddsTest{Tau: 0.25}
	testSplit       = OddsTest{Tau: 0.1}
)

func (t OddsTest) tempered(phi float64) OddsTest {
	t.Phi = phi
	return t
}

// Evidence is what the events say about the ratio of their probabilities,
// candidate over stable.
type Evidence struct {
	l *likelihood
	m mixture
}

// Weigh returns the evidence of events.
func (t OddsTest) Weigh(events []Events) Evidence {
	l := newLikelihood(events, t.Phi)
	return Evidence{l, mix(l, t.Tau)}
}

// LogE returns the log of the e-value against a log ratio of delta: how much
// has been won by betting against it. If it is true, the chance that LogE ever
// reaches ln(1/α), at any look, is at most α (Ville's inequality).
func (e Evidence) LogE(delta float64) float64 { return e.m.logM - e.l.at(delta) }

// P returns the p-value of "no difference", valid however often it is read.
func (e Evidence) P() float64 { return chance(e.LogE(0)) }

// Ratio returns the ratio with its interval of confidence 1−α, which covers
// the true ratio at all looks together with at least that probability.
func (e Evidence) Ratio(alpha float64) Interval {
	lower, upper := e.bounds(alpha)
	return Interval{math.Exp(lower), math.Exp(e.l.peak()), math.Exp(upper)}
}

// bounds returns the ends of the interval for δ: where ℓ(δ), which is concave,
// falls below ln M − ln(1/α). The mode of the integrand is always inside: the
// integrand falls off from it no more slowly than the prior does from zero, so
// that ln M ≤ ℓ(mode).
func (e Evidence) bounds(alpha float64) (lower, upper float64) {
	floor := e.m.logM + math.Log(alpha)
	holds := func(delta float64) bool { return e.l.at(delta) >= floor }
	lower, upper = math.Inf(-1), math.Inf(1)
	if e.l.candidate > 0 {
		lower = leave(e.m.mode, -e.m.width, holds)
	}
	if e.l.stable > 0 {
		upper = leave(e.m.mode, e.m.width, holds)
	}
	return lower, upper
}

// leansUp reports whether the candidate had more events than the odds gave it.
func (e Evidence) leansUp() bool {
	slope, _ := e.l.slope(0)
	return slope > 0
}

// events returns how many events there were.
func (e Evidence) events() (candidate, stable uint64) {
	return uint64(e.l.candidate), uint64(e.l.stable)
}

// chance turns a log e-value into a p-value.
func chance(logE float64) float64 { return min(1, math.Exp(-logE)) }
