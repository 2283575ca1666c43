package stats

import "math"

// SplitFinding says whether the split that was seen is the one that was set
// (sample ratio mismatch). If it is not, something other than chance decides
// who gets which version, and no comparison can be trusted.
type SplitFinding struct {
	Off       bool         `json:"off"`
	Expected  Number       `json:"expected"` // the candidate's share by the weights
	Observed  Number       `json:"observed"`
	LogE      float64      `json:"evidence"`
	Threshold float64      `json:"alarm_line"`
	P         float64      `json:"p"`
	Units     Pair[uint64] `json:"units"`
}

// Split checks the split. It is also to be called with the sums of each proxy:
// one with old weights shows there first.
func (j Judge) Split(s *Sums) SplitFinding {
	f := SplitFinding{P: 1, Threshold: -math.Log(j.SplitAlpha / float64(max(j.Candidates, 1)))}
	scope := s.Scopes[0]
	if scope == nil {
		scope = new(ScopeSums)
	}
	events := scope.events(countUnits, everyStratum)
	for _, e := range events {
		f.Units[Candidate] += e.Candidate
		f.Units[Stable] += e.Stable
	}
	expected, observed := scope.shares()
	f.Expected, f.Observed = Number(expected), Number(observed)
	e := testSplit.tempered(j.Copies).Weigh(events)
	f.LogE, f.P = e.LogE(0), e.P()
	f.Off = f.LogE >= f.Threshold
	return f
}

// shares returns the candidate's share of the units, as the weights would have
// it and as it was.
func (s *ScopeSums) shares() (expected, observed float64) {
	var candidate, all float64
	for _, e := range s.events(countUnits, everyStratum) {
		n := float64(e.Candidate) + float64(e.Stable)
		all += n
		candidate += float64(e.Candidate)
		expected += n * e.Odds / (1 + e.Odds)
	}
	return expected / all, candidate / all
}
