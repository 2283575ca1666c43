package stats

import "math"

// Forecast says how many events it takes until a ratio is about to show.
type Forecast struct {
	Ratio  float64
	Share  float64 // of the candidate, between 0 and 1
	Events float64 // of both versions together; infinite if it can never show
	Gain   float64 // evidence per event: the Kullback-Leibler divergence
}

// EventsNeeded returns when t shows ratio at level α if the candidate has the
// given share, in the mean, by the asymptotics of a mixture: the events n at
// which
//
//	n·KL = ln(1/α) + ½·ln(1 + n·ρ(1−ρ)·τ²) + (ln R)²/2τ²
//
// Simulated medians agree within a fifth.
func (t OddsTest) EventsNeeded(ratio, share, alpha float64) Forecast {
	f := Forecast{Ratio: ratio, Share: share, Events: math.Inf(1)}
	seen := share * ratio / (1 - share + share*ratio) // of the events in the candidate
	f.Gain = seen*math.Log(seen/share) + (1-seen)*math.Log((1-seen)/(1-share))
	if !(f.Gain > 0) {
		return f
	}
	spread := share * (1 - share) * t.Tau * t.Tau
	fixed := math.Pow(math.Log(ratio)/t.Tau, 2)/2 - math.Log(alpha)
	// The right side is concave and starts above the left, so that to go from
	// one to the other again and again climbs to where they meet; Newton's
	// step gets there sooner.
	f.Events = root(func(n float64) (value, fall float64) {
		n = max(n, 0)
		return fixed + math.Log1p(n*spread)/2 - n*f.Gain, f.Gain - spread/(1+n*spread)/2
	}, fixed/f.Gain)
	return f
}

// Requests returns in how many requests so many events happen, if stable has
// one at the given rate and the candidate ratio times as often.
func (f Forecast) Requests(stableRate float64) float64 {
	return f.Events / (stableRate * (1 - f.Share + f.Share*f.Ratio))
}
