package compare

import (
	"divvy/metrics/stats"
	"divvy/router"
)

// arm tells a service where its requests are counted: those of stable in every
// comparison, those of a candidate in its own.
func arm(s *router.Service, pairs []*pair) {
	if len(pairs) == 0 {
		return
	}
	c := router.Counting{Now: make([][]router.Arm, len(s.Versions)), Then: map[uint32][][]router.Arm{}}
	for _, p := range pairs {
		p.join(c.Now, p.stable.Weight, p.candidate.Weight)
		for _, then := range p.splits {
			if then.ID == s.SplitID() || !p.config.Sticky.Pins() {
				continue
			}
			if c.Then[then.ID] == nil {
				c.Then[then.ID] = make([][]router.Arm, len(s.Versions))
			}
			p.join(c.Then[then.ID], then.Stable, then.Candidate)
		}
	}
	s.Count(c)
}

// join adds the arms of a pair for certain weights.
func (p *pair) join(arms [][]router.Arm, stable, candidate uint32) {
	split := p.count.recorder.Split(stable, candidate)
	for side, v := range []*router.Version{stats.Stable: p.stable.Version, stats.Candidate: p.candidate.Version} {
		arms[v.Index] = append(arms[v.Index], router.Arm{Split: split, Side: stats.Side(side)})
	}
}
