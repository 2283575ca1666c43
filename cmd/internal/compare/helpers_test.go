package compare

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"divvy/backends"
	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
	"divvy/router"
	"divvy/router/state"
)

// memory is a storage whose clock is the test's.
type memory struct {
	mu     sync.Mutex // guards the fields below
	values map[string][]byte
	times  map[string]time.Time
	stores int
	broken error
}

func newMemory() *memory { return &memory{values: map[string][]byte{}, times: map[string]time.Time{}} }

func (m *memory) Store(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	m.values[key], m.times[key] = bytes.Clone(value), time.Now()
	m.stores++
	return nil
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.values[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(value), m.broken
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
	return m.broken
}

func (m *memory) List(_ context.Context, folder string, _ bool) (keys []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.values {
		if strings.HasPrefix(key, folder+"/") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, m.broken
}

func (m *memory) Stat(_ context.Context, key string) (state.KeyInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return state.KeyInfo{Key: key, Modified: m.times[key], IsTerminal: true}, m.broken
}

func (m *memory) Exists(context.Context, string) bool  { return false }
func (m *memory) Lock(context.Context, string) error   { return nil }
func (m *memory) Unlock(context.Context, string) error { return nil }
func (m *memory) keys() (keys []string) {
	keys, _ = m.List(context.Background(), folder, true)
	return keys
}
func (m *memory) count() int     { m.mu.Lock(); defer m.mu.Unlock(); return m.stores }
func (m *memory) fail(err error) { m.mu.Lock(); defer m.mu.Unlock(); m.broken = err }

// world is what several proxies see: containers that the test starts and stops, and
// a storage.
type world struct {
	t        *testing.T
	registry backends.Registry
	found    []backends.Endpoint
	started  int
	storage  *memory
	config   router.Config
}

// newWorld returns one with the versions v1 to vn, and weights.
func newWorld(t *testing.T, n int, weights map[string]int) *world {
	w := &world{t: t, storage: newMemory(), config: router.Config{Name: "shop", Weights: weights}}
	for i := 1; i <= n; i++ {
		w.start(fmt.Sprintf("v%d", i), imageOf(i), "")
	}
	return w
}

func imageOf(i int) string { return fmt.Sprintf("sha256:%064x", i*7919+1) }

// start runs a container of an image with a tag, which is configured in some way.
// Each is created an hour after the one before it.
func (w *world) start(tag, image, fingerprint string) {
	w.started++
	id := fmt.Sprintf("c%d", w.started)
	w.found = append(w.found, backends.Endpoint{
		Service: "shop", ID: id, Name: id, Addr: id + ":80", Health: backends.HealthPassing, Fingerprint: fingerprint,
		Version: backends.Version{ImageID: image, Tag: tag}, Created: time.Unix(int64(w.started)*3600, 0),
	})
	w.registry.Replace(w.found)
}

// stop ends all containers of a tag.
func (w *world) stop(tag string) {
	w.found = slices.DeleteFunc(w.found, func(e backends.Endpoint) bool { return e.Version.Tag == tag })
	w.registry.Replace(w.found)
}

// proxy is one divvy, as far as comparisons go.
type proxy struct {
	*Manager
	w       *world
	service *router.Service
	end     func()

	mu      sync.Mutex // guards the fields below
	changes []Change
	rebuilt int
	log     bytes.Buffer
}

// newManager returns one that does not run.
func newManager(w *world) *Manager {
	m := &Manager{
		Storage: w.storage, Where: "memory", Proxy: "a", Identify: w.identify,
		Changed: func(Change) {}, Rebuild: func() {}, Log: slog.New(slog.DiscardHandler),
	}
	m.Open(w.t.Context())
	return m
}

// proxy starts a divvy, which runs until it is ended.
func (w *world) proxy(name string) *proxy {
	p := &proxy{w: w}
	p.Manager = &Manager{
		Storage: w.storage, Where: "memory", Proxy: name, Identify: w.identify,
		Changed: func(c Change) { p.mu.Lock(); defer p.mu.Unlock(); p.changes = append(p.changes, c) },
		Rebuild: func() { p.mu.Lock(); defer p.mu.Unlock(); p.rebuilt++ },
		Log:     slog.New(slog.NewTextHandler(p, nil)),
	}
	p.Open(w.t.Context())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = p.Run(ctx) }()
	p.end = func() { stop(); <-ended }
	p.look()
	return p
}

// Write takes the log.
func (p *proxy) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *proxy) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (w *world) identify(v *router.Version) stats.Version {
	return stats.Version{Image: v.Key(), Fingerprint: w.registry.Backends(v.Pool)[0].Fingerprint}
}

// table builds a table of what runs.
func (w *world) table() *router.Table {
	c := w.config
	if err := c.Validate(); err != nil {
		w.t.Fatal(err)
	}
	return router.Build([]router.Input{{Config: c, Members: w.registry.Members("shop"), Keys: testKeys}})
}

var testKeys = router.NewKeyring([]router.Key{{ID: "k3y1", Secret: []byte("a secret of 32 bytes or even more")}})

// look has the proxy see what is so now.
func (p *proxy) look() *router.Service { return p.lookAt(false) }

func (p *proxy) lookAt(partial bool) *router.Service {
	p.service = p.w.table().Services[0]
	p.Look([]Subject{{p.service, p.w.config}}, partial)
	return p.service
}

// weigh sets the weights, and has the proxies see them.
func (w *world) weigh(weights map[string]int, proxies ...*proxy) {
	w.config.Weights = weights
	for _, p := range proxies {
		p.look()
	}
}

// who says who is compared: "v1: v2 v3".
func (p *proxy) who() string {
	all := p.Comparisons("shop")
	if len(all) == 0 {
		return ""
	}
	tag := func(c admin.Compared) string { name, _, _ := strings.Cut(c.Version, "@"); return name }
	text := tag(all[0].Stable) + ":"
	for _, c := range all {
		text += " " + tag(c.Candidate)
	}
	return text
}

// units returns how many units of stable and of the candidate were counted.
func (p *proxy) units(candidate int) stats.Pair[uint64] {
	p.w.t.Helper()
	time.Sleep(freshness) // so that they are counted anew
	all := p.Comparisons("shop")
	if len(all) <= candidate {
		p.w.t.Fatalf("there are %d comparisons", len(all))
	}
	return all[candidate].Report.Split.Units
}

// total returns how many units of both were counted in the first comparison.
func (p *proxy) total() int {
	p.w.t.Helper()
	u := p.units(0)
	return int(u[0] + u[1])
}

// request is one that has nothing but perhaps a user and a cookie.
type request struct{ user, cookie string }

func (r request) Header(name string) string {
	if name == "X-User" {
		return r.user
	}
	return ""
}
func (r request) Cookie(name string) string {
	if name == "divvy-shop" {
		return r.cookie
	}
	return ""
}
func (r request) Query(string) string { return "" }
func (r request) Client() netip.Addr  { return netip.Addr{} }
func (r request) Certificate() string { return "" }
func (r request) Method() string      { return "GET" }
func (r request) Path() string        { return "/" }

// tally has a request counted, whatever becomes of it.
func tally(s *router.Service, d *router.Decision, x stats.Sample) {
	x.Unit = d.Assigned.Unit
	for _, arm := range s.Arms(d.Assigned) {
		x.First = false
		arm.Split.Arrive(arm.Side, &x)
		arm.Split.Record(arm.Side, &x)
	}
}

// send sends requests without a unit, of which a part fails by tag of the version.
func (p *proxy) send(n int, random *rand.Rand, failing map[string]float64) {
	for range n {
		d := p.service.Decide(router.Query{Request: request{}, Random: random.Uint64(), Now: time.Now()})
		tag := d.Version.Pool.Version.Tag
		tally(p.service, &d, stats.Sample{
			Latency: time.Duration(1e6 * (5 + random.ExpFloat64())), Failed: random.Float64() < failing[tag],
		})
	}
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
