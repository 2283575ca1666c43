package stats

import (
	"math"
	"slices"
)

// Judge says what is compared and what is tolerated. Its verdicts are pure
// functions of sums: all proxies that have the same sums come to the same.
type Judge struct {
	// ByUnit says that units, not requests, were counted.
	ByUnit bool

	// Alpha bounds the chance of a false alarm of one metric over all looks:
	// one half is for the rollout as a whole, one for what is found late. With
	// several candidates at a time, each gets its part.
	Alpha      float64
	SplitAlpha float64 // of the alarm that the split is off
	Candidates int

	// Copies is how often units were counted: once, unless they go to several
	// proxies, or to one before and after it was started anew, which count each for
	// itself. If they were counted unequally often it is Σm²/Σm over the counts m.
	Copies float64

	// Slots is how many slots of time it takes before latencies are judged: with
	// fewer it is not known whether slow requests come in bursts, see [Burst]. 0:
	// they are not looked for.
	Slots uint64

	Errors, Canceled, P95, P99, Speed Margin

	Goals []GoalMargin
}

// GoalMargin names a goal, in the order of the bits of [Sample.Goals].
type GoalMargin struct {
	Name   string
	Margin Margin // only Relative counts: 0.03 tolerates a ratio of 0.97
	Guard  bool
}

// DefaultJudge returns the judge that suits most services.
func DefaultJudge() Judge {
	return Judge{
		Alpha:      0.02,
		SplitAlpha: 0.001,
		Candidates: 1,
		Copies:     1,
		Errors:     Margin{Relative: 0.25, Absolute: 0.001},
		Canceled:   Margin{Relative: 0.25, Absolute: 0.001},
		P95:        Margin{Relative: 0.20, Early: 1, EarlyBelow: 0.25, Floor: 0.001},
		P99:        Margin{Relative: 0.20, Early: 1, EarlyBelow: 0.25, Floor: 0.001},
		Speed:      Margin{Relative: 0.05, Floor: 0.001},
	}
}

// Report is all that is to be said about a candidate.
type Report struct {
	Findings []Finding    `json:"findings"`
	Split    SplitFinding `json:"split"`
	ByUnit   bool         `json:"by_unit"`
	Full     bool         `json:"full"` // a filter of units is full: the findings stand, but do not grow
	Lost     uint64       `json:"lost"` // requests that found all strata taken

	Elsewhere Pair[uint64] `json:"elsewhere"` // requests of stable, of the candidate, that another version answered
}

// Examine judges a candidate by what was counted.
func (j Judge) Examine(s *Sums) *Report {
	c := j.court(s)
	r := &Report{Split: j.Split(s), ByUnit: j.ByUnit, Full: c.scopes[0].Full, Lost: s.Lost}
	for _, pair := range s.Strata {
		for side := range pair {
			r.Elsewhere[side] += pair[side].Elsewhere
		}
	}
	r.Findings = append(r.Findings,
		c.rate("errors", countFailed, j.Errors, true),
		c.latency("p95", 0.95, countSlow95, j.P95),
		c.latency("p99", 0.99, countSlow99, j.P99),
		c.speed("speed", j.Speed),
		c.rate("canceled", countCanceled, j.Canceled, false),
	)
	for i, g := range j.Goals[:min(len(j.Goals), MaxGoals)] {
		r.Findings = append(r.Findings, c.goal(g, countGoals+i))
	}
	return r
}

// Finding returns what was found about a metric; nil if it was not examined.
func (r *Report) Finding(metric string) *Finding {
	for i := range r.Findings {
		if r.Findings[i].Metric == metric {
			return &r.Findings[i]
		}
	}
	return nil
}

// Early reports whether too little time was seen to judge latencies by.
func (r *Report) Early() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Early })
}

// Sentences returns all that a person should read, the most important first:
// whether the split is off, then one sentence for each metric.
func (r *Report) Sentences(n Names) []string {
	var all []string
	if r.Split.Off {
		all = append(all, r.Split.Sentence(n))
	}
	for i := range r.Findings {
		all = append(all, r.Findings[i].Sentence(n))
	}
	return all
}

// court is what all findings of one examination are based on.
type court struct {
	sums     *Sums
	alpha    float64 // of a metric, in all scopes together
	copies   float64
	early    bool // it is not known yet whether latencies come in bursts
	scopes   []*ScopeSums
	numbers  []uint32 // of the scopes
	strata   []Stratum
	expected float64
}

func (j Judge) court(s *Sums) *court {
	c := &court{
		sums: s, numbers: s.watched(), copies: j.Copies,
		alpha: j.Alpha / float64(max(j.Candidates, 1)), early: s.Slots < j.Slots,
	}
	for _, number := range c.numbers {
		scope := s.Scopes[number]
		if scope == nil {
			scope = new(ScopeSums)
		}
		c.scopes = append(c.scopes, scope)
	}
	for stratum := range c.scopes[0].Tallies {
		c.strata = append(c.strata, stratum)
	}
	slices.SortFunc(c.strata, compareStrata) // sums of floats come out the same everywhere
	c.expected, _ = c.scopes[0].shares()
	return c
}

// begin returns a finding that has what all have.
func (c *court) begin(metric string, kind Kind, m Margin) Finding {
	return Finding{
		Metric: metric, Kind: kind, Margin: m, Guard: true, expected: c.expected,
		Alpha: ScopeAlpha(c.alpha, 0), Threshold: ScopeThreshold(c.alpha, 0), P: 1,
		Candidate: Number(math.NaN()), Stable: Number(math.NaN()), Own: Interval{0, math.NaN(), 1},
	}
}

// events returns what was counted in a scope.
func (s *ScopeSums) events(what int, in func(Stratum) bool) []Events {
	var all []Events
	for stratum, pair := range s.Tallies {
		if in(stratum) {
			all = append(all, Events{stratum.Odds(), pair[Candidate][what], pair[Stable][what]})
		}
	}
	slices.SortFunc(all, compareEvents)
	return all
}
