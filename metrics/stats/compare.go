package stats

import (
	"cmp"
	"math"
)

// rate compares how often something undesired happens.
func (c *court) rate(metric string, what int, m Margin, guard bool) Finding {
	f := c.begin(metric, Rate, m)
	f.Guard = guard
	test := testErrors.tempered(c.copies)
	c.weigh(&f, test, what)
	f.Tolerated = f.tolerated(1)
	f.Word = classify(f.Ratio, f.Tolerated)
	c.late(&f, test, what, everyStratum)
	return f
}

// goal compares how often something desired happens.
func (c *court) goal(g GoalMargin, what int) Finding {
	f := c.begin(g.Name, Goal, g.Margin)
	f.Guard = g.Guard
	c.weigh(&f, testConversions.tempered(c.copies), what)
	f.Tolerated = 1 - g.Margin.Relative
	f.Word = classify(f.Ratio.inverse(), f.tolerated(1))
	return f
}

// weigh fills in what follows from counted events.
func (c *court) weigh(f *Finding, test OddsTest, what int) {
	var outcomes []OutcomePair
	for _, stratum := range c.strata {
		pair := c.scopes[0].Tallies[stratum]
		of := func(t *Tally) Outcome { return Outcome{t[what], t[countUnits]} }
		o := OutcomePair{of(&pair[Candidate]), of(&pair[Stable])}
		outcomes = append(outcomes, o)
		f.Events[Candidate] += o.Candidate.Events
		f.Events[Stable] += o.Stable.Events
		f.Trials[Candidate] += o.Candidate.Trials
		f.Trials[Stable] += o.Stable.Trials
	}
	e := test.Weigh(c.scopes[0].events(what, everyStratum))
	f.test, f.LogE, f.P, f.Ratio = test, e.LogE(0), e.P(), e.Ratio(f.Alpha)
	rates := Standardise(outcomes)
	f.Own = RateInterval(f.Events[Candidate], f.Trials[Candidate], f.Alpha)
	f.Difference = rates.Difference(f.Ratio)
	if math.IsNaN(f.Difference.Upper) { // any number of times nothing: no more than the candidate's rate
		f.Difference.Upper = f.Own.Upper
	}
	f.Candidate, f.Stable = Number(rates.Candidate), Number(rates.Stable)
}

// latency compares a quantile. That the candidate is slower is decided by how
// many units met a latency beyond stable's edge, and by how much from the
// histograms.
func (c *court) latency(metric string, q float64, what int, m Margin) Finding {
	f := c.begin(metric, Latency, m)
	f.Bursts = c.sums.burstiness(what)
	test := testSlow.tempered(max(c.copies, 1) * f.Bursts)
	e := test.Weigh(c.scopes[0].events(what, hasEdges))
	f.Events[Candidate], f.Events[Stable] = e.events()
	f.LogE, f.P = e.LogE(0), e.P()
	c.quantiles(&f, q)
	f.Tolerated = f.tolerated(1)
	f.Ratio = test.CompareLatencies(c.latencies(what)).Interval(f.Alpha)
	f.Difference = f.ratioOf()
	f.Word = classify(slower(f.Ratio, e.Ratio(f.Alpha).Lower > 1), f.Tolerated)
	c.late(&f, test, what, hasEdges)
	c.wait(&f)
	return f
}

// wait puts off the verdict on a latency while bursts cannot be told.
func (c *court) wait(f *Finding) {
	if f.Early = c.early; f.Early {
		f.Word, f.Late = Undecided, nil
	}
}

// quantiles fills in what a person wants to see: the quantile of all requests,
// stable's over the candidate's traffic mix.
func (c *court) quantiles(f *Finding, q float64) {
	var candidate, stable mixed
	for _, stratum := range c.strata {
		pair := c.sums.Strata[stratum]
		if pair == nil {
			continue
		}
		n, of := pair[Candidate].Latency.Total(), pair[Stable].Latency.Total()
		if n == 0 || of == 0 {
			continue
		}
		candidate.add(&pair[Candidate].Latency, 1)
		stable.add(&pair[Stable].Latency, float64(n)/float64(of))
		f.Trials[Candidate] += n
		f.Trials[Stable] += of
	}
	f.Candidate, f.Stable = Number(candidate.quantile(q)), Number(stable.quantile(q))
}

// latencies returns what the ratio of quantiles is computed from.
func (c *court) latencies(what int) (all []LatencyStratum) {
	for _, stratum := range c.strata {
		if pair := c.sums.Strata[stratum]; pair != nil && hasEdges(stratum) {
			all = append(all, LatencyStratum{
				stratum.Odds(), stratum.edge(what), &pair[Candidate].Firsts, &pair[Stable].Firsts,
			})
		}
	}
	return all
}

// slower returns the interval with its lower end on the side of 1 on which the
// odds test is. With each request its own unit it is there anyway, but for the
// rounding to buckets.
func slower(ratio Interval, yes bool) Interval {
	if yes {
		ratio.Lower = max(ratio.Lower, math.Nextafter(1, 2))
	} else {
		ratio.Lower = min(ratio.Lower, 1)
	}
	return ratio
}

// speed compares the geometric mean of the latencies of first requests.
func (c *court) speed(metric string, m Margin) Finding {
	f := c.begin(metric, Speed, m)
	var strata []MeanStratum
	for _, stratum := range c.strata {
		pair := c.scopes[0].Tallies[stratum]
		s := MeanStratum{pair[Candidate].logs(), pair[Stable].logs()}
		strata = append(strata, s)
		f.Trials[Candidate] += uint64(s.Candidate.N)
		f.Trials[Stable] += uint64(s.Stable.N)
	}
	d := CompareMeans(strata)
	f.Bursts = c.sums.burstiness(countSlow95) // what makes the slow ones slow moves the mean as well
	d.Error *= math.Sqrt(max(c.copies, 1) * f.Bursts)
	log := d.Interval(f.Alpha)
	f.LogE = d.LogE(f.Alpha)
	f.P = chance(f.LogE)
	f.Ratio = Interval{math.Exp(log.Lower), math.Exp(log.Estimate), math.Exp(log.Upper)}
	candidate, stable := standardMeans(strata)
	f.Candidate = Number(math.Ldexp(math.Exp(candidate), logOrigin))
	f.Stable = Number(math.Ldexp(math.Exp(stable), logOrigin))
	f.Difference = f.ratioOf()
	f.Tolerated = f.tolerated(1)
	f.Word = classify(f.Ratio, f.Tolerated)
	c.wait(&f)
	return f
}

// ratioOf returns the difference that the ratio implies.
func (f *Finding) ratioOf() Interval {
	return Rates{float64(f.Candidate), float64(f.Stable)}.Difference(f.Ratio)
}

// late looks at the restarts. For latencies the ratio is that of slow units,
// which grows faster than that of the quantiles.
func (c *court) late(f *Finding, test OddsTest, what int, in func(Stratum) bool) {
	for i := 1; i < len(c.scopes); i++ {
		alpha := ScopeAlpha(c.alpha, c.numbers[i])
		e := test.Weigh(c.scopes[i].events(what, in))
		if r := (Recent{e.LogE(0), -math.Log(alpha)}); f.Recent == nil || r.LogE-r.Threshold > f.Recent.LogE-f.Recent.Threshold {
			f.Recent = &r
		}
		if !e.leansUp() || e.LogE(0) < -math.Log(alpha) {
			continue
		}
		if ratio := e.Ratio(alpha); classify(ratio, f.Tolerated) == Worse {
			f.Late = append(f.Late, Late{c.numbers[i], ratio, e.LogE(0), -math.Log(alpha), alpha})
		}
	}
}

func everyStratum(Stratum) bool { return true }

func hasEdges(s Stratum) bool { return s.Slow95 != NoEdge }

func compareEvents(a, b Events) int {
	return cmp.Or(cmp.Compare(a.Odds, b.Odds), cmp.Compare(a.Candidate, b.Candidate), cmp.Compare(a.Stable, b.Stable))
}
