package router

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"divvy/backends"
)

// The third promise of the design, whatever happens: who moves, moves to a
// version whose weight rose relative to that of the version they leave, where
// the weight of a version that cannot answer is none.
func TestWhateverHappensOnlyThoseMoveWhoseVersionLostShare(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newLife(t, seed).live() })
		})
	}
}

// How much happens in a life, and to how many.
const (
	lifeSteps    = 300
	lifeUnits    = 2000
	lifeVersions = 6
)

// life is a service to which things happen at random. Its proxy builds the
// service anew only when it must; another has just come.
type life struct {
	world
	rng     *rand.Rand
	units   []Query
	story   string // what happens now; with the seed it is repeatable
	changed <-chan struct{}
	service *Service // nil if it must be built anew

	split    split
	started  int                 // containers that ever were
	stopping map[string]bool     // those whose stop signal was sent, and that are listed still
	inFlight []*backends.Backend // one request each, though they drain
}

// split is the weights as set, which are the weights times the factor. They
// differ by a factor of 20 at most, so that every version has units enough for
// a chi-square test.
type split struct {
	weights map[string]int
	factor  int
}

// event is one thing that may happen. It returns how to undo it, nil if it could
// not happen. If it is still nobody may move, whatever the split is.
type event struct {
	name   string
	still  bool
	happen func(*life) (undo func())
}

func events() []event {
	return []event{
		{"an edit of one weight", false, (*life).editOne},
		{"an edit of all weights", false, (*life).editAll},
		{"the same split in other numbers", true, (*life).rescale},
		{"a container of any version", false, func(l *life) func() {
			return l.container("shop", func(string, string) bool { return true })
		}},
		{"a container beside another", true, func(l *life) func() {
			return l.container("shop", func(tag, id string) bool { return l.usable(tag, id) })
		}},
		{"a container without weight", true, func(l *life) func() {
			return l.container("shop", func(tag, _ string) bool { return l.split.weights[tag] == 0 })
		}},
		{"a container of another service", true, func(l *life) func() {
			return l.container("search", func(string, string) bool { return true })
		}},
		{"the end of what was stopped", true, (*life).bury},
	}
}

func newLife(t *testing.T, seed uint64) *life {
	l := &life{world: world{t: t}, rng: rand.New(rand.NewPCG(seed, 0)), stopping: map[string]bool{}}
	l.changed = l.registry.Changed()
	for i := range lifeUnits {
		l.units = append(l.units, anyUnit(i))
	}
	for v := range 4 {
		l.begin("shop", versionTag(v), backends.HealthPassing)
	}
	l.edit(split{map[string]int{"v0": 900, "v1": 100, "v2": 0}, 1})
	return l
}

// lifeSticky recognises the units of anyUnit, which are of four kinds.
var lifeSticky = Sticky{By: []string{"header:X-User", "query:user", "ip", "cookie"}}

func anyUnit(i int) Query {
	switch i % 4 {
	case 0:
		return user(i)
	case 1:
		return Query{Request: request{query: map[string]string{"user": fmt.Sprint(i)}}}
	case 2:
		return Query{Request: request{client: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}}
	default:
		return Query{Request: request{cookie: map[string]string{"divvy-shop": newUnit(uint64(i) << 32)}}}
	}
}

func (l *life) live() {
	moved, happened := 0, map[string]int{}
	was := l.assigned()
	for n := range lifeSteps {
		e := events()[l.rng.IntN(len(events()))]
		before := l.effective()
		undo := e.happen(l)
		if undo == nil {
			continue
		}
		l.story = fmt.Sprintf("step %d, %s: %v became %v", n, e.name, before, l.effective())
		is := l.assigned()
		l.fits(is)
		l.agrees(is)
		went := l.moved(was, is, before)
		if e.still && went > 0 {
			l.t.Fatalf("%s: %d units moved", l.story, went)
		}
		happened[e.name]++
		moved += went
		if l.rng.IntN(3) > 0 {
			was = is
			continue
		}
		undo()
		if !slices.Equal(l.assigned(), was) {
			l.t.Fatalf("%s, and was undone: not everybody came back", l.story)
		}
	}
	for _, e := range events() {
		if happened[e.name] < 10 {
			l.t.Errorf("%s happened %d times, which shows little", e.name, happened[e.name])
		}
	}
	if moved < 10*lifeUnits {
		l.t.Errorf("%d moves show little", moved)
	}
}

// assigned returns the tag of the version of each unit, "" for none.
func (l *life) assigned() []string {
	select {
	case <-l.changed:
		l.service = nil
	default:
	}
	if l.service == nil {
		l.service = l.world.service(l.config())
	}
	return assigned(l.service, l.units)
}

func assigned(s *Service, units []Query) []string {
	tags := make([]string, len(units))
	for i, q := range units {
		tags[i] = tagOf(s.Decide(q))
	}
	return tags
}

func (l *life) config() Config {
	c := Config{Weights: map[string]int{}, Sticky: lifeSticky}
	for tag, w := range l.split.weights {
		c.Weights[tag] = w * l.split.factor
	}
	return c
}

// effective returns the weight of each version that can answer.
func (l *life) effective() map[string]int {
	all := l.config().Weights
	maps.DeleteFunc(all, func(tag string, w int) bool { return w == 0 || !l.usable(tag, "") })
	return all
}

// usable reports whether a version has a container that can answer, besides one.
func (l *life) usable(tag, besides string) bool {
	return slices.ContainsFunc(l.found, func(e backends.Endpoint) bool {
		return e.Service == "shop" && e.Version.Tag == tag && e.ID != besides &&
			e.Health == backends.HealthPassing && !l.stopping[e.ID]
	})
}

// fits fails if the units are not divided as the effective weights say.
func (l *life) fits(is []string) {
	weights, counts := make([]int, lifeVersions), make([]int, lifeVersions)
	effective := l.effective()
	for i := range lifeVersions {
		weights[i] = effective[versionTag(i)]
	}
	for i, tag := range is {
		if (tag == "") != (len(effective) == 0) {
			l.t.Fatalf("%s: unit %d has %q", l.story, i, tag)
		}
		if tag != "" {
			counts[versionNumber(tag)]++
		}
	}
	if len(effective) == 0 {
		return
	}
	if p, ok := fits(counts, weights); !ok {
		l.t.Fatalf("%s: got %v, p = %v", l.story, counts, p)
	}
}

// agrees fails if a proxy that has just come disagrees. It knows the same of the
// versions, but by other containers, of other ages.
func (l *life) agrees(is []string) {
	other := &world{t: l.t}
	for _, v := range l.rng.Perm(lifeVersions) {
		tag := versionTag(v)
		usable := l.usable(tag, "")
		if (!usable || l.split.weights[tag] == 0) && l.rng.IntN(2) == 0 {
			continue // what gets nothing may be unknown
		}
		for range 1 + l.rng.IntN(2) {
			id := fmt.Sprint("other", len(other.found))
			other.start(id, versionImage(v), tag)
			if !usable {
				other.sicken(id)
			}
		}
	}
	for i, tag := range assigned(other.service(l.config()), l.units) {
		if tag != is[i] {
			l.t.Fatalf("%s: unit %d has %q, and %q by another proxy", l.story, i, is[i], tag)
		}
	}
}

// moved returns how many units moved, and fails if one did that had not to.
func (l *life) moved(was, is []string, before map[string]int) (n int) {
	after := l.effective()
	for i, to := range is {
		from := was[i]
		if from == to {
			continue
		}
		n++
		// to's weight rose relative to from's: after[to]/before[to] > after[from]/before[from].
		if from != "" && to != "" && after[to]*before[from] <= after[from]*before[to] {
			l.t.Fatalf("%s: unit %d moved from %s to %s", l.story, i, from, to)
		}
	}
	return n
}

func (l *life) edit(s split) (undo func()) {
	if !slices.ContainsFunc(slices.Collect(maps.Values(s.weights)), func(w int) bool { return w > 0 }) {
		return nil
	}
	was := l.split
	l.split, l.service = s, nil
	return func() { l.split, l.service = was, nil }
}

// editOne raises or lowers the weight of a version, gives it one, or takes it.
func (l *life) editOne() (undo func()) {
	s := split{maps.Clone(l.split.weights), l.split.factor}
	l.weigh(s.weights, l.rng.IntN(lifeVersions))
	return l.edit(s)
}

func (l *life) editAll() (undo func()) {
	s := split{map[string]int{}, 1}
	for v := range lifeVersions {
		l.weigh(s.weights, v)
	}
	return l.edit(s)
}

func (l *life) weigh(weights map[string]int, v int) {
	switch tag := versionTag(v); l.rng.IntN(8) {
	case 0:
		weights[tag] = 0
	case 1:
		delete(weights, tag)
	default:
		weights[tag] = 50 + l.rng.IntN(951)
	}
}

func (l *life) rescale() (undo func()) {
	return l.edit(split{l.split.weights, 1 + l.rng.IntN(MaxWeight/1000)})
}

// container lets a container begin, fail, recover or end, of those that are as
// they should be.
func (l *life) container(service string, fit func(tag, id string) bool) (undo func()) {
	if l.rng.IntN(2) == 0 {
		for _, v := range l.rng.Perm(lifeVersions) {
			if tag := versionTag(v); fit(tag, "") && len(l.found) < 20 {
				id := l.begin(service, tag, backends.HealthPassing)
				return func() { l.end(id) }
			}
		}
		return nil
	}
	var all []backends.Endpoint
	for _, e := range l.found {
		if e.Service == service && !l.stopping[e.ID] && fit(e.Version.Tag, e.ID) {
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		return nil
	}
	e := all[l.rng.IntN(len(all))]
	switch {
	case e.Health != backends.HealthPassing:
		l.heal(e.ID)
	case l.rng.IntN(3) == 0:
		l.sicken(e.ID)
	default:
		l.end(e.ID)
		return func() { l.begin(service, e.Version.Tag, e.Health) }
	}
	return func() { l.health(e.ID, e.Health) }
}

func versionTag(v int) string      { return fmt.Sprint("v", v) }
func versionNumber(tag string) int { return int(tag[1] - '0') }
func versionImage(v int) string    { return fmt.Sprintf("sha256:%064x", v*7919+1) }

func (l *life) begin(service, tag string, h backends.Health) (id string) {
	l.started++
	id = fmt.Sprint("c", l.started)
	l.found = append(l.found, backends.Endpoint{
		Service: service, ID: id, Name: id, Addr: id + ":80", Health: h,
		Version: backends.Version{ImageID: versionImage(versionNumber(tag)), Tag: tag},
		Created: time.Unix(int64(l.started)*3600, 0),
	})
	l.registry.Replace(l.found)
	return id
}

// end stops a container, at times while it answers a request: it is told to, and
// is listed still, or it is just gone.
func (l *life) end(id string) {
	if l.rng.IntN(2) == 0 {
		l.ask(id)
	}
	if l.rng.IntN(2) == 0 {
		l.stopping[id] = true
		l.registry.Stopping(id, "stop signal 15 was sent")
		return
	}
	l.found = slices.DeleteFunc(l.found, func(e backends.Endpoint) bool { return e.ID == id })
	l.registry.Replace(l.found)
}

// ask begins a request to a container, if it is ready. It ends with bury.
func (l *life) ask(id string) {
	tried := []*backends.Backend{nil} // not empty, so that no backend is picked at random
	for _, m := range l.registry.Members("shop") {
		for b := m.Acquire(tried); b != nil; b = m.Acquire(tried) {
			if b.ID == id {
				l.inFlight = append(l.inFlight, b)
				return
			}
			b.Release()
			tried = append(tried, b)
		}
	}
}

// bury ends the requests in flight, and lists no more what was stopped.
func (l *life) bury() (undo func()) {
	if len(l.stopping)+len(l.inFlight) == 0 {
		return nil
	}
	for _, b := range l.inFlight {
		b.Release()
	}
	l.found = slices.DeleteFunc(l.found, func(e backends.Endpoint) bool { return l.stopping[e.ID] })
	l.registry.Replace(l.found)
	synctest.Wait() // the registry forgets what has drained
	l.inFlight = nil
	clear(l.stopping)
	return func() {}
}
