package stats

// Finding is the verdict on one metric with all its numbers. What is a rate is
// a fraction, what is a latency is in seconds; NaN, and null in JSON, where
// nothing is known.
type Finding struct {
	Metric string `json:"metric"` // "errors", "p95", "p99", "speed", "canceled", or the name of a goal
	Kind   Kind   `json:"kind"`
	Guard  bool   `json:"guard"` // a rollout depends on it
	Word   Word   `json:"verdict"`

	Candidate  Number   `json:"candidate"` // rate, quantile or typical latency
	Stable     Number   `json:"stable"`    // the same over the candidate's traffic mix
	Own        Interval `json:"own"`       // of the candidate's rate by itself
	Difference Interval `json:"difference"`
	Ratio      Interval `json:"ratio"`     // candidate over stable
	Tolerated  float64  `json:"tolerated"` // T(1): the ratio at which it is too much
	Margin     Margin   `json:"margin"`

	LogE      float64 `json:"evidence"`   // against "no difference"
	Threshold float64 `json:"alarm_line"` // of LogE
	P         float64 `json:"p"`          // of "no difference"
	Alpha     float64 `json:"alpha"`      // the interval is right with confidence 1−α

	Events Pair[uint64] `json:"events"` // stable, candidate
	Trials Pair[uint64] `json:"trials"`

	// Bursts is by what the evidence was divided because slow requests came in
	// bursts; 1 if they did not, 0 where it is not looked at. Early says that too
	// little time was seen to tell, and nothing is said until then.
	Bursts float64 `json:"bursts,omitempty"`
	Early  bool    `json:"early,omitempty"`

	// Recent is the restart with the most evidence, for its alarm line; nil if
	// there was none yet, or if restarts do not look at the metric.
	Recent *Recent `json:"recent,omitempty"`

	// Late is what restarts found that was worse than it is on the whole.
	Late []Late `json:"late,omitempty"`

	test     OddsTest
	expected float64 // the candidate's share by the weights
}

// Recent is the evidence of a scope, not that of the whole rollout, against "no
// difference".
type Recent struct {
	LogE      float64 `json:"evidence"`
	Threshold float64 `json:"alarm_line"`
}

// Late is a scope, not that of the whole rollout, in which a candidate is
// certainly worse by more than is tolerated.
type Late struct {
	Scope     uint32   `json:"scope"`
	Ratio     Interval `json:"ratio"`
	LogE      float64  `json:"evidence"`
	Threshold float64  `json:"alarm_line"`
	Alpha     float64  `json:"alpha"`
}

// Kind is what is compared.
type Kind string

// The kinds.
const (
	Rate    Kind = "rate"    // of what should be rare
	Latency Kind = "latency" // a quantile
	Speed   Kind = "speed"   // the geometric mean of latencies
	Goal    Kind = "goal"    // a rate of what should be frequent
)

// Worse reports whether the candidate is certainly worse by more than is
// tolerated, on the whole or since a restart.
func (f *Finding) Worse() bool { return f.Word == Worse || len(f.Late) > 0 }

// Allows reports whether this metric lets the candidate have a share of the
// traffic: even at the bad end of the interval the harm is tolerated there.
func (f *Finding) Allows(share float64) bool {
	upper, tolerated := f.Ratio.Upper, f.tolerated(share)
	if f.Kind == Goal {
		upper = 1 / f.Ratio.Lower
	}
	small := f.Kind == Rate && f.Margin.Absolute > 0 && share*f.Own.Upper <= f.Margin.Absolute
	return !f.Worse() && !f.Early && (f.Word.allows(upper, tolerated) || small)
}

// tolerated returns T(share), in the direction in which more is worse.
func (f *Finding) tolerated(share float64) float64 {
	switch f.Kind {
	case Goal:
		return 1 / (1 - f.Margin.Relative)
	case Rate:
		return f.Margin.Tolerated(share, float64(f.Stable), float64(f.Trials[Stable]))
	default:
		return f.Margin.ToleratedLatency(share, float64(f.Stable))
	}
}

// Forecast returns what it takes until a doubling shows, from the beginning.
func (f *Finding) Forecast() Forecast { return f.test.EventsNeeded(2, f.expected, f.Alpha) }

// More returns in how many more units of both versions together a doubling
// would show. ok is false if there is no telling, or if it should have shown.
func (f *Finding) More() (units float64, ok bool) {
	if f.test.Tau == 0 || !(f.Stable > 0) {
		return 0, false
	}
	forecast := f.Forecast()
	forecast.Events -= float64(f.Events[Stable] + f.Events[Candidate])
	units = forecast.Requests(float64(f.Stable))
	return units, units > 0 && units < 1e12
}
