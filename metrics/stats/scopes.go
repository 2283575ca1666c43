package stats

import "math"

// A test over a whole rollout is slow to notice what goes wrong late: a leak,
// a cache that decays. So there are further tests, which start afresh now and
// then. Each of them, a scope, has its own share of the alarms that a metric
// may raise falsely, and the shares add up: half goes to the scope of the
// whole rollout, number 0, and half to all restarts together, for
// Σ 1/k(k+1) = 1.

// keptRestarts is how many restarts are looked at. To drop one is
// conservative: it can raise no alarm any more.
const keptRestarts = 3

// ScopeAlpha returns the share of alpha that belongs to a scope.
func ScopeAlpha(alpha float64, scope uint32) float64 {
	if scope == 0 {
		return alpha / 2
	}
	k := float64(scope)
	return alpha / 2 / (k * (k + 1))
}

// ScopeThreshold returns the log e-value at which a scope raises the alarm.
func ScopeThreshold(alpha float64, scope uint32) float64 {
	return -math.Log(ScopeAlpha(alpha, scope))
}
