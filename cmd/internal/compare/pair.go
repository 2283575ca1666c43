package compare

import (
	"fmt"
	"hash/fnv"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
	"divvy/router"
)

// pair is a candidate that is compared with stable.
type pair struct {
	id      id
	since   time.Time
	count   count
	retired count         // what counted before, for requests that were in flight then
	others  *stats.Ledger // what other recorders have counted
	splits  []split       // under which it was counted, the newest last
	config  *router.Config
	rivals  int // candidates of the service

	service           *router.Service // as it was in the latest table
	stable, candidate router.Holding
	ordinal           uint32 // of the latest restart

	rests time.Time // since when it is not under way, zero if it is
	over  bool      // its stable version is not stable any more

	saved   saved     // what was stored last
	stored  time.Time // when that was
	merged  time.Time // when others were last heard to have counted more
	pace    pace
	judged  judged
	verdict admin.Verdict // that was told of last
	told    time.Time     // when that was
}

// saved is what makes it necessary to store a comparison when it becomes another.
type saved struct {
	counted uint64
	over    bool
	verdict admin.Verdict
}

// count is a recorder, and who that is among all that count a comparison.
type count struct {
	recorder *stats.Recorder // nil: there is none
	origin   stats.Origin
}

// retire has another recorder count from now on: each has room for so many
// weights.
func (p *pair) retire(next count) {
	if p.retired.recorder != nil {
		p.others.Put(p.retired.origin, p.retired.recorder.Sums())
	}
	p.retired, p.count = p.count, next
	if p.ordinal > 0 {
		p.count.recorder.Restart(p.ordinal)
	}
}

// id says what is counted of whom. What differs in any of it is never added up.
type id struct {
	stats.Key
	counts string // see whatCounts
}

// whatCounts says in a few digits what is counted by a configuration: who is a unit,
// what is an error, and which goals there are.
func whatCounts(c *router.Config) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %v %v", c.Sticky.By, c.Compare.Errors, c.Compare.NotErrors)
	for _, g := range c.Goals {
		fmt.Fprintf(h, " %q %q %v", g.Name, g.If, g.Status)
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// text names the comparison in the storage.
func (i id) text() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q", []string{i.Service, i.Stable.Image, i.Stable.Fingerprint, i.Candidate.Image, i.Candidate.Fingerprint, i.counts})
	return fmt.Sprintf("%016x", h.Sum64())
}

// split is the weights by which units were assigned to the two; see
// [router.Service.SplitID].
type split struct {
	ID        uint32 `json:"id"`
	Stable    uint32 `json:"stable"`
	Candidate uint32 `json:"candidate"`
}

// rememberedSplits bounds how many splits units that stay where they are can have
// been assigned by: each takes a stratum, and a recorder has 32.
const rememberedSplits = 8

// remember notes that a split is in force.
func (p *pair) remember(s split) {
	kept := p.splits[:0]
	for _, known := range p.splits {
		if known.ID != s.ID {
			kept = append(kept, known)
		}
	}
	p.splits = append(kept, s)
	p.splits = p.splits[max(0, len(p.splits)-rememberedSplits):]
}

// update notes who has which weight now.
func (p *pair) update(splitID uint32, stable, candidate router.Holding, now time.Time) {
	is := split{splitID, stable.Weight, candidate.Weight}
	edited := len(p.splits) > 0 && !p.splits[len(p.splits)-1].like(is)
	p.stable, p.candidate = stable, candidate
	p.remember(is)
	p.restart(now, edited)
}

// like reports whether another split has the same odds: 95 to 5 and 19 to 1 are the
// same.
func (s split) like(o split) bool {
	return uint64(s.Stable)*uint64(o.Candidate) == uint64(s.Candidate)*uint64(o.Stable)
}

// restartEvery is how often a comparison begins a scope, which finds what went wrong
// late. The moments are those of the wall clock, so that several proxies do it alike.
const restartEvery = 15 * time.Minute

// restart begins a scope if it is time, or if the weights have changed. Scopes are
// numbered by the quarters of an hour since the comparison began, twice: the first
// of the two begins with the quarter, the other with the first change of weights in
// it. So proxies that know nothing of each other number them alike. A number that
// is left out costs a little power and no validity.
func (p *pair) restart(now time.Time, edited bool) {
	quarter := func(t time.Time) int64 { return t.Unix() / int64(restartEvery/time.Second) }
	n := 2 * max(quarter(now)-quarter(p.since), 0)
	if edited {
		n++
	}
	if uint32(n) > p.ordinal {
		p.ordinal = uint32(n)
		p.count.recorder.Restart(p.ordinal)
	}
}

// ledger returns all that was counted, by everybody.
func (p *pair) ledger() *stats.Ledger {
	all := stats.NewLedger(p.id.Key)
	for o, s := range p.others.Entries {
		all.Put(o, s)
	}
	for _, c := range []count{p.retired, p.count} {
		if c.recorder != nil {
			all.Put(c.origin, c.recorder.Sums())
		}
	}
	return all
}

// pace is how many units come in a second, lately.
type pace struct {
	marks []mark // the newest last
}

type mark struct {
	at    time.Time
	units uint64
}

// paceWindow is how far back that is looked at.
const paceWindow = time.Minute

// add notes how many units there were at a moment, and returns how many come in a
// second; 0 if that is not known yet.
func (p *pace) add(at time.Time, units uint64) float64 {
	for len(p.marks) > 1 && at.Sub(p.marks[1].at) >= paceWindow {
		p.marks = p.marks[1:]
	}
	p.marks = append(p.marks, mark{at, units})
	first := p.marks[0]
	if d := at.Sub(first.at); d > 0 && units > first.units {
		return float64(units-first.units) / d.Seconds()
	}
	return 0
}
