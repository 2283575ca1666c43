package stats

import "math"

// mixture is the likelihood averaged over all log ratios, those near zero more
// than those far away:
//
//	M = ∫ e^ℓ(δ) · N(δ; 0, τ²) dδ
//
// To bet on a mixture instead of one ratio is what makes the test good at
// finding small and large differences alike (Robbins 1970).
type mixture struct {
	logM  float64 // ln M
	mode  float64 // where the integrand is largest
	width float64 // about how wide its peak is
}

// mix integrates by the trapezoid rule, outwards from the mode until nothing
// is left. For an analytic integrand that falls off on both sides it converges
// geometrically (Trefethen and Weideman, SIAM Review 56, 2014): steps of half
// the peak's width are good for ten digits.
func mix(l *likelihood, tau float64) mixture {
	precision := 1 / (tau * tau)
	if l.empty() {
		return mixture{width: tau}
	}
	mode := root(func(x float64) (value, fall float64) {
		slope, curvature := l.slope(x)
		return slope - x*precision, curvature + precision
	}, 0)
	_, curvature := l.slope(mode)
	width := 1 / math.Sqrt(curvature+precision)

	integrand := func(x float64) float64 { return l.at(x) - x*x*precision/2 }
	top := integrand(mode)
	step := min(width/2, 0.5)
	sum := 1.0
	for _, direction := range []float64{-step, step} {
		for i := 1.0; ; i++ {
			fallen := integrand(mode+i*direction) - top
			if !(fallen > -45) { // e^-45 of the peak; NaN ends it too
				break
			}
			sum += math.Exp(fallen)
		}
	}
	return mixture{top + math.Log(sum*step/(tau*math.Sqrt(2*math.Pi))), mode, width}
}
