package proxy

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"divvy/backends"
	"divvy/metrics"
	"divvy/proxy/sockets"
	"divvy/router"
)

// patience is how long a test waits for what must happen. It is reached only
// when the test fails.
const patience = 20 * time.Second

// harness is a running proxy with one service, "shop". Its backends are real
// sockets. When the test ends, nothing may be in flight any more.
type harness struct {
	others   []router.Input // services beside its own
	t        testing.TB
	proxy    *Proxy
	meters   *metrics.Prometheus
	registry *backends.Registry
	log      *lines
	config   Config
	service  router.Config
	care     backends.Care // of the backends that are added from now on
	wire     backends.Wire // to the origins that are added from now on

	mu    sync.Mutex // guards found
	found []backends.Endpoint

	seen    chan metrics.Observation
	sockets *sockets.Set // of the server; nil for none that was given

	// Set by the door.
	secure    bool
	protocols []string // of a connection under TLS that a test uses itself
	server    *Server  // nil if the door has none of ours
	addr      string
	client    *http.Transport // nil if it speaks HTTP/3
	transport interface {
		http.RoundTripper
		CloseIdleConnections()
	}
	changed func(Config)          // takes over a changed configuration
	built   func(*router.Service) // called with the service before it is used, if set
	stop    func()                // stops gracefully, and returns when that is done
}

func newHarness(t testing.TB, open func(*harness)) *harness {
	h := &harness{
		t:        t,
		meters:   metrics.New(metrics.DefaultConfig()),
		registry: &backends.Registry{},
		log:      &lines{},
		config:   DefaultConfig(),
		service:  router.Config{Name: "shop"},
		care:     backends.DefaultCare(),
		seen:     make(chan metrics.Observation, 1<<12),
	}
	h.config.HTTP = "127.0.0.1:0"
	h.config.Timeouts.Shutdown = 5 * time.Second
	h.config.Timeouts.HalfClose = 50 * time.Millisecond
	h.proxy = &Proxy{
		Metrics: h.meters,
		Sink:    metrics.Sinks{h.meters, sink(func(o *metrics.Observation) { h.seen <- o.Clone() })},
		Log:     slog.New(slog.NewTextHandler(h.log, nil)),
	}
	h.publish()
	open(h)
	t.Cleanup(func() {
		h.transport.CloseIdleConnections()
		h.stop()
		h.nothingInFlight()
	})
	return h
}

// configure changes the configuration of the running proxy.
func (h *harness) configure(change func(*Config, *router.Config)) {
	h.t.Helper()
	change(&h.config, &h.service)
	if err := h.config.Validate(); err != nil {
		h.t.Fatal(err)
	}
	if err := h.service.Validate(); err != nil {
		h.t.Fatal(err)
	}
	h.publish()
	h.changed(h.config)
}

var keys = router.NewKeyring([]router.Key{{ID: "k3y1", Secret: []byte("a secret of 32 bytes or even more")}})

func (h *harness) publish() {
	own := router.Input{Config: h.service, Members: h.registry.Members("shop"), Keys: keys}
	table := router.Build(append(slices.Clip(h.others), own))
	if h.built != nil {
		h.built(table.Services[len(h.others)])
	}
	h.proxy.Publish(table, h.config)
}

// add adds a backend of a version that answers at addr, and returns its ID.
func (h *harness) add(version, addr string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := fmt.Sprintf("c%d", len(h.found)+1)
	care := h.care
	dialect := must(h.wire.Dialect([]string{"example.com"}))(h.t)
	h.found = append(h.found, backends.Endpoint{
		Service: "shop", ID: id, Name: id, Addr: addr, Health: backends.HealthPassing, Care: &care, Dialect: dialect,
		Version: backends.Version{Tag: version, ImageID: imageID(version)},
		Created: time.Unix(int64(len(h.found)), 0),
	})
	h.registry.Replace(h.found)
	h.publish()
	return id
}

// imageID returns the digest of a version of two letters in these tests, and
// named its name.
func imageID(version string) string {
	return "sha256:" + strings.Repeat(hex.EncodeToString([]byte(version)), 16)
}
func named(version string) string {
	return backends.Version{Tag: version, ImageID: imageID(version)}.String()
}

// origin adds a backend that serves with handler, and returns its ID.
func (h *harness) origin(version string, handler http.HandlerFunc) string {
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.Config.DisableGeneralOptionsHandler = true
	h.start(s)
	h.t.Cleanup(s.Close)
	return h.add(version, s.Listener.Addr().String())
}

// raw adds a backend that speaks for itself: serve gets each connection, in a
// goroutine of its own, and the connection ends when it returns. Where the harness's
// protocol is over TLS, serve speaks within it.
func (h *harness) raw(version string, serve func(c *wire)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	l = h.secured(l)
	over, end := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				defer context.AfterFunc(over, func() { c.Close() })()
				serve(newWire(c))
			})
		}
	})
	h.t.Cleanup(func() { end(); l.Close(); wg.Wait() })
	return h.add(version, l.Addr().String())
}

// refusing adds a backend whose port nobody listens on. Nobody else will: it is
// our end of a connection.
func (h *harness) refusing(version string) string {
	l := must(net.Listen("tcp", "127.0.0.1:0"))(h.t)
	c := must(net.Dial("tcp", l.Addr().String()))(h.t)
	h.t.Cleanup(func() { c.Close(); l.Close() })
	return h.add(version, c.LocalAddr().String())
}

// observed returns the next observation.
func (h *harness) observed() metrics.Observation {
	h.t.Helper()
	return receive(h.t, h.seen)
}

// unobserved drops what is observed, of which there will be more than is kept.
func (h *harness) unobserved() {
	go func() {
		for ctx := h.t.Context(); ctx.Err() == nil; {
			select {
			case <-h.seen:
			case <-ctx.Done():
			}
		}
	}()
}

// status returns what the registry says of a backend.
func (h *harness) status(id string) backends.Status {
	for _, m := range h.registry.Members("shop") {
		for _, s := range h.registry.Backends(m.Pool) {
			if s.ID == id {
				return s
			}
		}
	}
	h.t.Fatalf("no backend %s", id)
	return backends.Status{}
}

var inFlight = regexp.MustCompile(`(?m)^divvy_requests_in_flight\{.*\} ([1-9-].*)$`)

// nothingInFlight checks that whatever was taken was given back.
func (h *harness) nothingInFlight() {
	for _, m := range h.registry.Members("shop") {
		for _, s := range h.registry.Backends(m.Pool) {
			if s.InFlight != 0 {
				h.t.Errorf("backend %s still has %d requests in flight", s.ID, s.InFlight)
			}
		}
	}
	if left := inFlight.FindString(h.scrape()); left != "" {
		h.t.Errorf("still in flight: %s", left)
	}
}

// scrape returns all metrics.
func (h *harness) scrape() string {
	w := httptest.NewRecorder()
	h.meters.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// sink is a metrics.Sink made of a function.
type sink func(*metrics.Observation)

func (f sink) Observe(o *metrics.Observation) { f(o) }

// lines is a log that a test can read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// receive returns the next value of ch.
func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("waited in vain")
		panic("not reached")
	}
}

// eventually waits for what nothing signals.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// must returns v, and ends the test if there is an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// text reads all of r; what is missing at the end shows as an error.
func text(r io.Reader) string {
	b, err := io.ReadAll(r)
	if err != nil {
		return string(b) + "<" + err.Error() + ">"
	}
	return string(b)
}
