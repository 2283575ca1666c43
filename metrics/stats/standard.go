package stats

// Outcome is how often something happened in how many trials, in one stratum.
type Outcome struct {
	Events, Trials uint64
}

// OutcomePair is the outcome of both versions in one stratum.
type OutcomePair struct{ Candidate, Stable Outcome }

// Rates are the rates of two versions over the same traffic mix. Pooled rates
// must never be shown: if the base rate falls while the candidate's weight
// rises, equal versions look 62 % apart (Simpson's paradox).
type Rates struct {
	Candidate, Stable float64
}

// Standardise returns the candidate's rate as it is, and stable's in each
// stratum weighted by the candidate's trials there:
//
//	p̃ = Σ n_c,g/n_c · k_s,g/n_s,g
//
// Strata in which stable had no trial are left out of both.
func Standardise(strata []OutcomePair) Rates {
	var events, trials, expected float64
	for _, s := range strata {
		if s.Stable.Trials == 0 || s.Candidate.Trials == 0 {
			continue
		}
		n := float64(s.Candidate.Trials)
		events += float64(s.Candidate.Events)
		trials += n
		expected += n * float64(s.Stable.Events) / float64(s.Stable.Trials)
	}
	if trials == 0 {
		return Rates{}
	}
	return Rates{events / trials, expected / trials}
}

// Difference returns by how much the candidate's rate is above stable's, in
// the interval that the ratio implies.
func (r Rates) Difference(ratio Interval) Interval {
	return Interval{r.Stable * (ratio.Lower - 1), r.Candidate - r.Stable, r.Stable * (ratio.Upper - 1)}
}

// standardMeans returns the means of both versions over the candidate's traffic
// mix; NaN if no stratum has enough of both.
func standardMeans(strata []MeanStratum) (candidate, stable float64) {
	n := 0.0
	for _, s := range strata {
		if s.enough() {
			n += s.Candidate.N
			candidate += s.Candidate.Sum
			stable += s.Candidate.N * s.Stable.mean()
		}
	}
	return candidate / n, stable / n
}
