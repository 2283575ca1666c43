package compare

import (
	"maps"
	"slices"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
	"divvy/router"
)

// judged is what a comparison came to when it was looked at last.
type judged struct {
	at        time.Time
	counted   uint64
	report    *stats.Report
	verdict   admin.Verdict
	reason    string
	perSecond float64
	proxies   []admin.Proxy

	config *router.Config // by which it was judged
	rivals int
}

// freshness is how old a judgement may be that somebody asks for.
const freshness = time.Second

// slot ends a slot of time in all comparisons.
func (m *Manager) slot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.underWay() {
		p.count.recorder.Slot()
	}
}

// judge judges all comparisons, and tells of verdicts that have become others. It
// takes m.mu for each by itself: a table may wait for it.
func (m *Manager) judge() {
	m.mu.Lock()
	all := m.underWay()
	m.mu.Unlock()
	for _, p := range all {
		if c, changed := m.judgeOne(p, time.Now()); changed {
			m.Changed(c)
		}
	}
}

func (m *Manager) judgeOne(p *pair, now time.Time) (c Change, changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !p.rests.IsZero() {
		return c, false
	}
	p.restart(now, false)
	p.look(now)
	if p.judged.verdict == p.verdict || p.judged.verdict != admin.Worse && now.Sub(p.told) < tellEvery {
		return c, false
	}
	c, p.verdict, p.told = p.change(), p.judged.verdict, now
	return c, true
}

// tellEvery is how often a verdict is told of that goes back and forth, as one does
// that is about to be reached.
const tellEvery = 30 * time.Second

// change returns what is told of a verdict that has become another.
func (p *pair) change() Change {
	c := p.comparison()
	return Change{
		Service: c.Service, Candidate: c.Candidate.Version, Stable: c.Stable.Version,
		Was: p.verdict, Is: c.Verdict, Reason: c.Reason, Finding: p.decisive(c),
	}
}

// decisive returns the sentence about what decided.
func (p *pair) decisive(c admin.Comparison) string {
	if f := c.Report.Finding(decide(c.Report).Metric); f != nil {
		return f.Sentence(c.Names())
	}
	return c.Sentences[0]
}

// look judges a comparison, if anything was counted since.
func (p *pair) look(now time.Time) {
	ledger := p.ledger()
	sums := ledger.Total()
	units := sums.Units()
	p.judged.perSecond = p.pace.add(now, units[stats.Stable]+units[stats.Candidate])
	p.judged.at = now
	n := counted(sums)
	if p.judged.report != nil && n == p.judged.counted && p.config == p.judged.config && p.rivals == p.judged.rivals {
		return
	}
	j := judge(p.config, p.rivals)
	if j.ByUnit {
		j.Copies = copies(ledger)
	}
	p.judged.counted, p.judged.config, p.judged.rivals = n, p.config, p.rivals
	p.judged.report = j.Examine(sums)
	p.judged.verdict, p.judged.reason = verdictOf(p.judged.report)
	p.judged.proxies = nil
	proxies := ledger.Proxies()
	for _, name := range slices.Sorted(maps.Keys(proxies)) {
		if len(proxies) > 1 {
			p.judged.proxies = append(p.judged.proxies, admin.Proxy{Name: name, Split: j.Split(proxies[name])})
		}
	}
}

// comparison returns the comparison as it was judged last.
func (p *pair) comparison() admin.Comparison {
	c := admin.Comparison{
		Service: p.id.Service, Since: p.since, Verdict: p.judged.verdict, Reason: p.judged.reason,
		PerSecond: p.judged.perSecond, Report: p.judged.report, Proxies: p.judged.proxies,
		Stable: p.compared(p.stable, p.id.Stable), Candidate: p.compared(p.candidate, p.id.Candidate),
	}
	c.Sentences = c.Report.Sentences(c.Names())
	return c
}

func (p *pair) compared(h router.Holding, v stats.Version) admin.Compared {
	identity := h.Version.Pool.Version
	return admin.Compared{
		Version: h.Version.Name, ImageID: identity.ImageID, Fingerprint: v.Fingerprint, Revision: identity.Revision,
		Created: identity.Created, Weight: float64(h.Weight),
		Share: p.service.Shares()[h.Version.Index].Share,
	}
}

// Comparisons returns those of a service that are under way, the candidate with most
// weight first. It does not wait for the storage.
func (m *Manager) Comparisons(service string) []admin.Comparison {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []admin.Comparison{}
	if s := m.services[service]; s != nil {
		now := time.Now()
		for _, p := range s.pairs {
			if now.Sub(p.judged.at) >= freshness || p.judged.report == nil {
				p.look(now)
			}
			all = append(all, p.comparison())
		}
	}
	return all
}
