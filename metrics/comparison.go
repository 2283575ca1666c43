package metrics

// ComparisonStatus is the present state of the comparison of a candidate with
// the stable version of its service.
type ComparisonStatus struct {
	Service, Stable, Candidate string // versions as in [Key]

	Findings []FindingStatus // each metric once
	Split    SplitStatus     // of all proxies together
	Proxies  []SplitStatus   // of each, where there are several
}

// FindingStatus is what was found about one metric. What is a rate is a
// fraction, what is a latency is in seconds. What is not known is NaN or
// infinite.
type FindingStatus struct {
	Metric     string     // "errors", "p95", "p99", "speed", "canceled", or the name of a goal
	Verdict    string     // one of Verdicts
	Ratio      [3]float64 // lower, estimate, upper
	Difference [3]float64
	Tolerated  float64 // the ratio at which it is too much
	ETA        float64 // seconds until a doubling would show; NaN if there is no telling

	Evidence map[string]Evidence // by scope

	// The grow-only counts of what is compared.
	StableEvents, CandidateEvents uint64
}

// Evidence is the log of the e-value against "no difference" in one scope, and
// where the alarm is raised.
type Evidence struct{ LogE, AlarmLine float64 }

// SplitStatus says whether the split that was seen is the one that was set.
type SplitStatus struct {
	Proxy              string // "" for all together
	Off                bool
	Evidence           Evidence
	Expected, Observed float64 // the candidate's share, 0 to 1
}
