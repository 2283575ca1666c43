package stats

import "math"

// RateInterval returns the rate of k events in n independent trials, with the
// range that is right at all looks together with confidence 1−α. It is for
// showing one version by itself: a comparison needs no rates.
//
// The bet is a mixture over Beta(½, ½), so that p is in the range as long as
//
//	ln B(½+k, ½+n−k) − ln B(½, ½) − k·ln p − (n−k)·ln(1−p) < ln(1/α)
//
// (Robbins 1970; Waudby-Smith and Ramdas, arXiv:2010.09686, section 2).
func RateInterval(k, n uint64, alpha float64) Interval {
	if n == 0 {
		return Interval{0, math.NaN(), 1}
	}
	k = min(k, n)
	hits, misses := float64(k), float64(n-k)
	bet := logBeta(0.5+hits, 0.5+misses) - logBeta(0.5, 0.5)
	holds := func(logit float64) bool {
		return bet+hits*softplus(-logit)+misses*softplus(logit) < -math.Log(alpha)
	}
	// On the scale of log odds both ends are as sharp near 0 and 1 as between.
	inside := math.Log((hits + 0.5) / (misses + 0.5))
	lower, upper := 0.0, 1.0
	if k > 0 {
		lower = sigmoid(leave(inside, -1, holds))
	}
	if k < n {
		upper = sigmoid(leave(inside, 1, holds))
	}
	return Interval{lower, hits / float64(n), upper}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func logBeta(a, b float64) float64 { return logGamma(a) + logGamma(b) - logGamma(a+b) }

func logGamma(x float64) float64 {
	value, _ := math.Lgamma(x)
	return value
}
