package stats

import "math"

// root finds where a falling function is zero: f returns its value and how
// steeply it falls there. Newton's steps are taken as long as they stay inside
// what is known to hold the root, which is halved otherwise.
func root(f func(float64) (value, fall float64), x float64) float64 {
	lo, hi := math.Inf(-1), math.Inf(1)
	for range 200 {
		value, fall := f(x)
		switch {
		case value > 0:
			lo = x
		case value < 0:
			hi = x
		default:
			return x
		}
		next := x + value/fall
		switch {
		case lo < next && next < hi && math.Abs(next-x) <= 8: // e^8 times is as far as one step may go
		case math.IsInf(lo, 0) || math.IsInf(hi, 0):
			next = x + math.Copysign(2, value)
		default:
			next = (lo + hi) / 2
		}
		if math.Abs(next-x) <= 1e-15*math.Abs(x) || next == lo || next == hi {
			return next
		}
		x = next
	}
	return x
}

// leave returns where f, walked from inside by the first step and then by ever
// longer ones, ceases to hold; it is infinite if it holds as far as e^700,
// which is all that a float64 can tell apart.
func leave(inside, step float64, holds func(float64) bool) float64 {
	outside := inside + step
	for holds(outside) {
		inside, step = outside, 2*step
		outside = inside + step
		if math.Abs(outside) > 700 {
			return math.Inf(int(math.Copysign(1, step)))
		}
	}
	for range 60 {
		middle := (inside + outside) / 2
		if middle == inside || middle == outside {
			break
		}
		if holds(middle) {
			inside = middle
		} else {
			outside = middle
		}
	}
	return (inside + outside) / 2
}
