package compare

import (
	"cmp"
	"slices"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
	"divvy/router"
)

// goalTolerance is the part of a goal's rate that a candidate may lose, unless the
// goal says otherwise.
const goalTolerance = 0.03

// burstTime is how long a comparison lasts before latencies are judged: so long it takes
// to see whether slow requests come in bursts.
const burstTime = time.Minute

// judge returns who judges a service's candidates, of which there are so many.
func judge(c *router.Config, candidates int) stats.Judge {
	j := stats.DefaultJudge()
	j.ByUnit = byUnit(c)
	j.Candidates = candidates
	j.Slots = uint64(burstTime / slotEvery)
	for metric, margin := range map[string]*stats.Margin{"errors": &j.Errors, "canceled": &j.Canceled, "p95": &j.P95, "p99": &j.P99, "speed": &j.Speed} {
		t := c.Compare.Tolerate[metric]
		if t.Relative != nil {
			margin.Relative = *t.Relative
		}
		switch {
		case t.Absolute == nil:
		case margin.Floor > 0:
			margin.Floor = *t.Absolute
		default:
			margin.Absolute = *t.Absolute
		}
	}
	for _, g := range c.Goals {
		m := stats.GoalMargin{Name: g.Name, Guard: g.Guard, Margin: stats.Margin{Relative: goalTolerance}}
		if g.Tolerate != nil {
			m.Margin.Relative = *g.Tolerate
		}
		j.Goals = append(j.Goals, m)
	}
	return j
}

// byUnit reports whether what a unit does counts once: whether units are recognised.
func byUnit(c *router.Config) bool { return len(c.Sticky.By) > 0 }

// copies returns how often a unit was counted at most, in the mean over what was
// counted, if each origin counted it once: it may go to several proxies, and a
// proxy that is started anew has forgotten whom it saw. It is the bound of
// Σm²/Σm, the inflation of the variance, over all ways in which the units of the
// origins may be the same: those of the smaller are taken for those of the larger.
func copies(l *stats.Ledger) float64 {
	var counts []float64
	for _, s := range l.Entries {
		n := s.Units()
		counts = append(counts, float64(n[stats.Stable]+n[stats.Candidate]))
	}
	slices.SortFunc(counts, func(a, b float64) int { return cmp.Compare(b, a) })
	weighted, all := 0.0, 0.0
	for i, n := range counts {
		weighted += float64(2*i+1) * n
		all += n
	}
	if all == 0 {
		return 1
	}
	return weighted / all
}

// verdictOf returns what a report comes to: may the candidate have all of the
// traffic?
func verdictOf(r *stats.Report) (admin.Verdict, string) {
	d := decide(r)
	switch d.Action {
	case stats.RollBack:
		return admin.Worse, d.Reason
	case stats.Advance:
		return admin.NoWorse, d.Reason
	default:
		return admin.CannotTell, d.Reason
	}
}

func decide(r *stats.Report) stats.Decision {
	return r.Decide(stats.Stage{Next: 1}, stats.Patience{Longest: forever})
}

// forever is longer than any comparison lasts: there is no step that could be over.
const forever = 100 * 365 * 24 * time.Hour
