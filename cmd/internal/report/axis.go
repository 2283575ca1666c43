package report

import (
	"math"
	"time"
)

// axis turns values into heights. It begins and ends at ticks.
type axis struct {
	low, high float64
	log       bool
	ticks     []float64
}

// linear returns an axis from nought to what is at least high, with about five ticks.
func linear(high float64) axis {
	if !(high > 0) {
		high = 1
	}
	step := rounded(high / 5)
	a := axis{high: step * math.Ceil(high/step-1e-9)}
	for i := 0; float64(i)*step <= a.high*(1+1e-9); i++ {
		a.ticks = append(a.ticks, float64(i)*step)
	}
	return a
}

// logarithmic returns an axis of powers from low to high, both above nought.
func logarithmic(low, high float64) axis {
	a := axis{log: true}
	mantissas := []float64{1, 2, 5}
	if high/low > 1e3 {
		mantissas = mantissas[:1]
	}
	for e := math.Floor(math.Log10(low)) - 1; e <= math.Log10(high)+1; e++ {
		for _, m := range mantissas {
			a.ticks = append(a.ticks, m*math.Pow(10, e))
		}
	}
	from, to := 0, len(a.ticks)-1
	for from+1 < len(a.ticks) && a.ticks[from+1] <= low*(1+1e-9) {
		from++
	}
	for to > from+1 && a.ticks[to-1] >= high*(1-1e-9) {
		to--
	}
	a.ticks = a.ticks[from : to+1]
	a.low, a.high = a.ticks[0], a.ticks[len(a.ticks)-1]
	return a
}

// fitting returns the axis for values above nought: logarithmic if they are so far
// apart that the small ones would lie on the ground.
func fitting(low, high float64) axis {
	if low > 0 && high/low > 10 {
		return logarithmic(low, high)
	}
	return linear(high)
}

// part returns how far up a value is, 0 to 1.
func (a axis) part(x float64) float64 {
	if a.log {
		if x <= 0 {
			return 0
		}
		return math.Log(x/a.low) / math.Log(a.high/a.low)
	}
	return (x - a.low) / (a.high - a.low)
}

// rounded returns the next number of 1, 2 and 5 times a power of ten.
func rounded(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= x*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// clock is a tick of time.
type clock struct {
	at    time.Time
	label string
}

// clocks returns the ticks of a span in UTC: each first of a day says which.
func (s span) clocks() (all []clock) {
	const most = 8
	step, day := s.step(most), ""
	for t := s.from.UTC().Truncate(step); !t.After(s.to); t = t.Add(step) {
		if t.Before(s.from) {
			continue
		}
		label := t.Format("15:04")
		switch date := t.Format("Jan 2"); {
		case step >= 24*time.Hour:
			label = date
		case date != day:
			label, day = date+" "+label, date
		}
		all = append(all, clock{t, label})
	}
	return all
}

// times returns the axis with its numbers in another unit.
func (a axis) times(x float64) axis {
	a.low, a.high = a.low*x, a.high*x
	for i := range a.ticks {
		a.ticks[i] *= x
	}
	return a
}
