package stats

// Margin says how much worse a candidate may be. The ratio it may have at
// weight r is
//
//	T(r) = 1 + max(Relative, Absolute / (r·p̃))
//
// with p̃ the rate of stable. T(1) is the promise "no worse than". T(r) bounds
// the harm on the way there: even at the bad end of the interval, a candidate
// with weight r adds at most Absolute to the rate of all traffic. So small
// steps need little evidence, and the last needs the full promise.
type Margin struct {
	Relative float64 `json:"relative"`           // 0.25: a quarter more often
	Absolute float64 `json:"absolute,omitempty"` // 0.001: 0.1 points

	// Early takes the place of Relative below the weight EarlyBelow, for what
	// has no rate: latencies.
	Early      float64 `json:"early,omitempty"`
	EarlyBelow float64 `json:"early_below,omitempty"`

	// Floor is a difference of latencies, in seconds, that is tolerated whatever
	// part it is of the whole: where answers take a fraction of a millisecond, a
	// version with less traffic is slower by some percent because its connections
	// and caches are colder, and that is nobody's fault.
	Floor float64 `json:"floor,omitempty"`
}

// ToleratedLatency returns T(weight) for a latency of stable in seconds; NaN if it is
// not known.
func (m Margin) ToleratedLatency(weight, stable float64) float64 {
	excess := m.Relative
	if weight < m.EarlyBelow {
		excess = m.Early
	}
	if m.Floor > 0 && stable > 0 {
		excess = max(excess, m.Floor/stable)
	}
	return 1 + excess
}

// Tolerated returns T(weight) for stable's rate in n trials. A rate that was
// not seen to be above zero is taken for half an event in n.
func (m Margin) Tolerated(weight, stableRate, n float64) float64 {
	excess := m.Relative
	if n > 0 {
		stableRate = max(stableRate, 0.5/n)
	}
	if m.Absolute > 0 && weight > 0 && stableRate > 0 {
		excess = max(excess, m.Absolute/(weight*stableRate))
	}
	return 1 + excess
}
