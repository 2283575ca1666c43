package compare

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
	"divvy/router"
	"divvy/router/state"
)

// Manager keeps the comparisons of all services. Its exported fields are set before
// it is used.
type Manager struct {
	Storage state.Storage
	Where   string // names the storage for people

	// Proxy names this proxy among those that share the storage.
	Proxy string

	// Identify returns what a version is: its image, and the fingerprint of what
	// else shapes what it does. It must not block.
	Identify func(*router.Version) stats.Version

	// Rebuild has the table built anew, and Look called. It is called from Run.
	Rebuild func()

	// Changed is called when a verdict has become another, from Run.
	Changed func(Change)

	Log *slog.Logger

	mu       sync.Mutex // guards the fields below; not held while the storage is asked
	services map[string]*service
	pairs    map[id]*pair      // under way, or resting for a while
	shelf    map[id]*record    // what was counted of all others
	files    map[string]seen   // that were read
	told     map[string]string // what is wrong with files, and was said
	again    time.Time         // when a table is to be built because somebody was away for long; zero: never
	crowded  bool              // that there are too many was said
}

// Change is a verdict that has become another.
type Change struct {
	Service   string        `json:"-"`
	Candidate string        `json:"candidate"`
	Stable    string        `json:"stable"`
	Was       admin.Verdict `json:"was"`
	Is        admin.Verdict `json:"is"`
	Reason    string        `json:"reason"`
	Finding   string        `json:"finding"` // the most important sentence
}

// service is what is compared of a service now.
type service struct {
	stable string    // the image that is stable, "" if none is
	away   time.Time // since when that does not run; zero if it does
	pairs  []*pair   // candidates, the heaviest first
}

// Subject is a service in a table, and its configuration.
type Subject struct {
	*router.Service
	Config router.Config
}

// Look chooses anew who is compared, and has the services, which are not used yet,
// count. A partial table may lack services and versions: what is under way goes on,
// and nothing begins that would not if all were known. Look does not block.
func (m *Manager) Look(all []Subject, partial bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	present := map[string]bool{}
	m.again = time.Time{}
	for i := range all {
		present[all[i].Name] = true
		m.look(&all[i], partial, now)
	}
	for name, s := range m.services {
		if !present[name] && !partial {
			s.become(nil, now)
			delete(m.services, name)
		}
	}
}

// look is Look for one service. m.mu is held.
func (m *Manager) look(s *Subject, partial bool, now time.Time) {
	is := m.services[s.Name]
	if is == nil {
		is = &service{stable: m.stableOf(s.Name)}
		m.services[s.Name] = is
	}
	before, left := is.before(s.Service, now)
	if before == "" && is.stable != "" {
		m.dethrone(s.Name, is)
	}
	if left > 0 && (m.again.IsZero() || now.Add(left).Before(m.again)) {
		m.again = now.Add(left)
	}
	var pairs []*pair
	if chosen, ok := choose(s.Config.Compare, s.Holdings(), before); ok {
		pairs = m.choose(s, chosen, partial, now)
	}
	if len(pairs) > 0 {
		is.stable, is.away = pairs[0].id.Stable.Image, time.Time{}
	}
	is.become(pairs, now)
	arm(s.Service, pairs)
}

// choose returns the comparisons of those that were chosen. m.mu is held.
func (m *Manager) choose(s *Subject, c choice, partial bool, now time.Time) (pairs []*pair) {
	stable := m.Identify(c.stable.Version)
	for _, candidate := range c.candidates {
		key := stats.Key{Service: s.Name, Stable: stable, Candidate: m.Identify(candidate.Version)}
		id := id{key, whatCounts(&s.Config)}
		if !m.may(id, partial) {
			continue
		}
		p := m.pair(id, &s.Config, now)
		p.service, p.config, p.rivals = s.Service, &s.Config, len(c.candidates)
		if p.count.recorder.Crowded() {
			p.retire(m.count(p, p.config, m.latencies(p)))
		}
		p.update(s.SplitID(), c.stable, candidate, now)
		pairs = append(pairs, p)
	}
	return pairs
}

// maxPairs bounds the memory of all comparisons: with units, each takes some MiB.
const maxPairs = 128

// may reports whether a comparison may be under way. m.mu is held.
func (m *Manager) may(id id, partial bool) bool {
	if m.pairs[id] != nil || m.shelf[id] != nil && len(m.pairs) < maxPairs {
		return true
	}
	if len(m.pairs) >= maxPairs && !m.crowded {
		m.crowded = true
		m.Log.Warn("too many versions are compared, others are not: switch some off (compare.off)",
			"service", id.Service, "most", maxPairs)
	}
	return !partial && len(m.pairs) < maxPairs
}

// awayTime is how long a stable version that does not run stays stable, and nothing
// is compared with another: as long as it takes to replace its containers.
const awayTime = 5 * time.Minute

// before returns the image that stays stable, "" if another one may be: it has lost
// its weight, or is gone. Left is how long a version that is away is waited for yet.
func (is *service) before(s *router.Service, now time.Time) (image string, left time.Duration) {
	holds := slices.ContainsFunc(s.Holdings(), func(h router.Holding) bool { return h.Version.Key() == is.stable })
	runs := slices.ContainsFunc(s.Versions, func(v *router.Version) bool { return v.Key() == is.stable && v.Pool.Present() })
	switch {
	case is.stable == "" || holds:
		is.away = time.Time{}
		return is.stable, 0
	case runs:
		return "", 0
	case is.away.IsZero():
		is.away = now
	}
	if left = awayTime - now.Sub(is.away); left > 0 {
		return is.stable, left
	}
	return "", 0
}

// dethrone notes that what was stable in a service is not any more: another may be,
// also after a restart. m.mu is held.
func (m *Manager) dethrone(name string, is *service) {
	for id, p := range m.pairs {
		p.over = p.over || id.Service == name && id.Stable.Image == is.stable
	}
	for id, r := range m.shelf {
		r.Over = r.Over || id.Service == name && id.Stable.Image == is.stable
	}
	is.stable = ""
}

// become makes these the comparisons of a service; the others rest.
func (is *service) become(pairs []*pair, now time.Time) {
	for _, p := range is.pairs {
		p.rests = now
	}
	for _, p := range pairs {
		p.rests, p.over = time.Time{}, false
	}
	is.pairs = pairs
}

// stableOf returns which image was stable in a service when its comparisons were
// counted last. m.mu is held.
func (m *Manager) stableOf(service string) (image string) {
	latest := time.Time{}
	for id, r := range m.shelf {
		if id.Service == service && !r.Over && r.Saved.After(latest) {
			image, latest = id.Stable.Image, r.Saved
		}
	}
	for id, p := range m.pairs {
		if id.Service == service && !p.over && p.rests.After(latest) {
			image, latest = id.Stable.Image, p.rests
		}
	}
	return image
}

// pair returns the comparison of two versions: the one that is under way or rests,
// or one that goes on where it was left, or a new one. m.mu is held.
func (m *Manager) pair(id id, c *router.Config, now time.Time) *pair {
	if p := m.pairs[id]; p != nil {
		return p
	}
	p := &pair{id: id, since: now.UTC(), others: stats.NewLedger(id.Key), verdict: admin.CannotTell}
	if r := m.shelf[id]; r != nil {
		p.since, p.splits, p.others, p.verdict = r.Since, r.Splits, r.ledger, r.Verdict
		delete(m.shelf, id)
	}
	p.count = m.count(p, c, m.latencies(p))
	m.pairs[id] = p
	return p
}

// count returns what counts a comparison from now on.
func (m *Manager) count(p *pair, c *router.Config, past *stats.Histogram) count {
	return count{stats.NewRecorder(p.id.Key, byUnit(c), past), stats.Origin{Proxy: m.Proxy, Boot: rand.Text()[:12]}}
}

// latencies returns how long stable took before a comparison, nil if nobody knows:
// what this comparison has counted already, or else the latest other one in which it
// was stable. m.mu is held.
func (m *Manager) latencies(p *pair) *stats.Histogram {
	if l := p.ledger(); len(l.Entries) > 0 {
		return l.Total().Latencies(stats.Stable)
	}
	latest, found := time.Time{}, (*stats.Histogram)(nil)
	for id, r := range m.shelf {
		if id.Service == p.id.Service && id.Stable == p.id.Stable && r.Saved.After(latest) {
			latest, found = r.Saved, r.ledger.Total().Latencies(stats.Stable)
		}
	}
	for id, other := range m.pairs {
		if id.Service == p.id.Service && id.Stable == p.id.Stable {
			found = other.ledger().Total().Latencies(stats.Stable)
		}
	}
	return found
}

// underWay returns the comparisons that do not rest. m.mu is held.
func (m *Manager) underWay() []*pair {
	var all []*pair
	for _, name := range slices.Sorted(maps.Keys(m.services)) {
		all = append(all, m.services[name].pairs...)
	}
	return all
}

// lookAgain has the table built anew if it is time.
func (m *Manager) lookAgain() {
	m.mu.Lock()
	due := !m.again.IsZero() && !time.Now().Before(m.again)
	if due {
		m.again = time.Time{}
	}
	m.mu.Unlock()
	if due {
		m.Rebuild()
	}
}

// How often what is done by Run.
const (
	judgeEvery = 2 * time.Second
	slotEvery  = 5 * time.Second
	storeEvery = 5 * time.Second
	shareEvery = 5 * time.Second
	pruneEvery = time.Hour
)

// Run judges, restarts and stores, until ctx ends; then it stores once more.
func (m *Manager) Run(ctx context.Context) error {
	judge, slot, store := time.NewTicker(judgeEvery), time.NewTicker(slotEvery), time.NewTicker(storeEvery)
	share, prune := time.NewTicker(shareEvery), time.NewTicker(pruneEvery)
	for _, t := range []*time.Ticker{judge, slot, store, share, prune} {
		defer t.Stop()
	}
	for {
		select {
		case <-ctx.Done():
			m.judge()
			m.store(context.WithoutCancel(ctx))
			return nil
		case <-judge.C:
			m.judge()
			m.lookAgain()
		case <-slot.C:
			m.slot()
		case <-store.C:
			m.store(ctx)
		case <-share.C:
			m.share(ctx)
		case <-prune.C:
			m.prune(ctx)
		}
	}
}
