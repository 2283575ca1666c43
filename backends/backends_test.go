package backends

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// endpoint returns a container of the service shop that passes its health
// check, the n-th to be created.
func endpoint(id, imageID, tag string, n int) Endpoint {
	return Endpoint{
		Service: "shop", ID: id, Name: id, Addr: id + ":80", Health: HealthPassing,
		Version: Version{ImageID: imageID, Tag: tag},
		Created: t0.Add(time.Duration(n) * time.Hour), Started: t0,
	}
}

func unchecked(e Endpoint) Endpoint {
	e.Health = HealthNone
	return e
}

// only returns the single version of the service.
func only(t *testing.T, r *Registry) Member {
	t.Helper()
	ms := r.Members("shop")
	if len(ms) != 1 {
		t.Fatalf("got %d versions, want 1", len(ms))
	}
	return ms[0]
}

func state(t *testing.T, r *Registry, id string) (State, string) {
	t.Helper()
	for _, m := range r.Members("shop") {
		for _, s := range r.Backends(m.Pool) {
			if s.ID == id {
				return s.State, s.Reason
			}
		}
	}
	return "", ""
}

// ports is a fake network: which addresses accept connections.
type ports struct {
	mu   sync.Mutex
	open map[string]bool
	n    int
}

func (p *ports) set(addr string, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open = map[string]bool{}
	}
	p.open[addr] = open
}

func (p *ports) dial(_ context.Context, addr string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	if !p.open[addr] {
		return errors.New("connecting: refused")
	}
	return nil
}

// run runs the registry until the test ends.
func run(t *testing.T, r *Registry) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	synctest.Wait()
}

func TestAPassingHealthCheckIsEnough(t *testing.T) {
	t.Parallel()
	f := func(e Endpoint, want State) {
		t.Helper()
		r := &Registry{}
		r.Replace([]Endpoint{e})
		got, reason := state(t, r, e.ID)
		if got != want || (got == StateReady) != (reason == "") {
			t.Errorf("%+v is %s (%s), want %s", e, got, reason, want)
		}
		if usable := only(t, r).Usable(); usable != (want == StateReady) {
			t.Errorf("%+v is usable: %v", e, usable)
		}
	}
	e := endpoint("c1", "sha256:aa", "v1", 0)
	f(e, StateReady)
	e.Health = HealthStarting
	f(e, StateStarting)
	e.Health = HealthUnhealthy
	f(e, StateUnhealthy)
	e.Health, e.Paused = HealthPassing, true
	f(e, StateUnhealthy)
	e.Paused, e.Problem = false, "it exposes two ports"
	f(e, StateInvalid)
	e.Problem, e.Health = "", HealthNone
	f(e, StateStarting)
}

func TestABackendWithoutHealthCheckIsReadyOnceItsPortAccepts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net ports
		r := &Registry{Dial: net.dial}
		r.Replace([]Endpoint{unchecked(endpoint("c1", "sha256:aa", "v1", 0))})
		run(t, r)
		time.Sleep(time.Minute)
		if got, reason := state(t, r, "c1"); got != StateStarting || reason != "connecting: refused" {
			t.Errorf("got %s (%s) while nobody listens", got, reason)
		}
		net.set("c1:80", true)
		time.Sleep(probeMax)
		if got, _ := state(t, r, "c1"); got != StateReady {
			t.Errorf("got %s after the port opened", got)
		}
		n := net.n
		time.Sleep(time.Hour)
		if net.n != n {
			t.Errorf("%d more connections to a backend that is ready", net.n-n)
		}
	})
}

func TestARefusedBackendLeavesUntilItsPortAcceptsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net ports
		r := &Registry{Dial: net.dial}
		// A passing health check is older news than a port that is closed now.
		r.Replace([]Endpoint{endpoint("c1", "sha256:aa", "v1", 0)})
		run(t, r)
		b := only(t, r).Acquire(nil)
		b.Refused(errors.New("connection refused"))
		b.Release()
		if got, reason := state(t, r, "c1"); got != StateUnhealthy || reason != "connection refused" {
			t.Errorf("got %s (%s)", got, reason)
		}
		time.Sleep(time.Minute)
		net.set("c1:80", true)
		time.Sleep(probeMax)
		if got, _ := state(t, r, "c1"); got != StateReady {
			t.Errorf("got %s after the port opened", got)
		}
	})
}

func TestAStopSignalDrainsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Registry{}
		list := []Endpoint{endpoint("c1", "sha256:aa", "v1", 0)}
		r.Replace(list)
		pool := only(t, r)
		b := pool.Acquire(nil)
		r.Stopping("c1", "stop signal 15 was sent")
		if pool.Usable() || pool.Present() || pool.Acquire(nil) != nil {
			t.Error("a draining backend is still handed out")
		}
		// The engine goes on listing it while it shuts down.
		r.Replace(list)
		if got, _ := state(t, r, "c1"); got != StateDraining {
			t.Errorf("a list brought it back: %s", got)
		}
		r.Replace(nil)
		if got, _ := state(t, r, "c1"); got != StateDraining {
			t.Errorf("got %q while a request is in flight", got)
		}
		b.Release()
		synctest.Wait()
		if ms := r.Members("shop"); len(ms) != 0 {
			t.Errorf("it is still known: %v", ms)
		}
	})
}

func TestARestartedContainerIsANewBackendOfTheSamePool(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	e := endpoint("c1", "sha256:aa", "v1", 0)
	r.Replace([]Endpoint{e})
	r.Stopping("c1", "stop signal 15 was sent")
	pool := only(t, r).Pool
	e.Started = t0.Add(time.Hour)
	r.Replace([]Endpoint{e})
	if got := only(t, r).Pool; got != pool {
		t.Error("the restart made another pool")
	}
	if !pool.Usable() {
		t.Error("the restarted container gets no traffic")
	}
}

func TestWhatIsKnownOfABackendSurvivesUnrelatedChanges(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	e := endpoint("c1", "sha256:aa", "v1", 0)
	r.Replace([]Endpoint{e})
	pool := only(t, r).Pool
	b := pool.Acquire(nil)
	e.Name = "renamed"
	r.Replace([]Endpoint{endpoint("c2", "sha256:bb", "v2", 1), e})
	if c := pool.Acquire(nil); c != b || b.InFlight() != 2 {
		t.Errorf("the backend was made anew")
	}
}

func TestVersionsAreOrderedByTheirFirstContainer(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	old, young := endpoint("c1", "sha256:aa", "v1", 0), endpoint("c2", "sha256:bb", "v1", 1)
	order := func(want ...string) {
		t.Helper()
		var got []string
		for _, m := range r.Members("shop") {
			got = append(got, m.Version.ImageID)
		}
		if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	r.Replace([]Endpoint{young, old})
	order("sha256:aa", "sha256:bb")
	// An older container that is found later makes its version the older one.
	r.Replace([]Endpoint{young, old, endpoint("c0", "sha256:bb", "v1", -1)})
	order("sha256:bb", "sha256:aa")
	r.Replace(nil)
	r.Replace([]Endpoint{young, old})
	// The old image's only container is replaced by a younger one: its version
	// still came first.
	r.Replace([]Endpoint{young, old, endpoint("c3", "sha256:aa", "v1", 2)})
	r.Replace([]Endpoint{young, endpoint("c3", "sha256:aa", "v1", 2)})
	order("sha256:aa", "sha256:bb")
}

func TestAVersionHasTheTagsOfItsContainers(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	f := func(want ...string) {
		t.Helper()
		if got := only(t, r).Tags; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	one, latest := endpoint("c1", "sha256:aa", "v1", 0), endpoint("c2", "sha256:aa", "latest", 1)
	r.Replace([]Endpoint{one, latest})
	f("v1", "latest")
	r.Replace([]Endpoint{latest})
	f("latest")
}

func TestAVersionThatCannotBeUsedIsNotPresent(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	e := endpoint("c1", "sha256:aa", "v1", 0)
	e.Problem = "it exposes two ports"
	r.Replace([]Endpoint{e})
	if only(t, r).Present() {
		t.Error("it is present, so it could hold a weight that nobody can use")
	}
}

func TestARenameIsShownEverywhere(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	var told []string
	r := &Registry{Log: slog.New(slog.NewTextHandler(&log, nil)), Observe: func(c Change) { told = append(told, c.Backend) }}
	e := endpoint("c1", "sha256:aa", "v1", 0)
	r.Replace([]Endpoint{e})
	b := only(t, r).Acquire(nil)
	done := make(chan struct{})
	go func() { // as a request does, without a lock
		defer close(done)
		for b.Name() != "renamed" {
			runtime.Gosched()
		}
	}()
	e.Name = "renamed"
	r.Replace([]Endpoint{e})
	<-done
	if got := r.Backends(b.pool)[0].Name; got != "renamed" {
		t.Errorf("the status says %s", got)
	}
	r.Stopping("c1", "test")
	if got := told[len(told)-1]; got != "renamed" {
		t.Errorf("the event says %s", got)
	}
	if !strings.Contains(log.String(), `msg="backend draining" service=shop version=v1@aa backend=renamed`) {
		t.Errorf("the log says\n%s", &log)
	}
	b.Release()
}

func TestAVersionsName(t *testing.T) {
	t.Parallel()
	f := func(v Version, want string) {
		t.Helper()
		if got := v.String(); got != want {
			t.Errorf("%+v: got %s, want %s", v, got, want)
		}
	}
	f(Version{Tag: "v1"}, "v1")
	f(Version{Tag: "v1", ImageID: "sha256:53bff4220f1e77"}, "v1@53bff422")
	f(Version{Tag: "v1", ImageID: "sha256:53bf"}, "v1@53bf")
	// An image without a tag goes by its short ID, once.
	f(Version{Tag: "53bff4220f1e", ImageID: "sha256:53bff4220f1e77"}, "53bff4220f1e")
}

func TestAcquireLeavesOutWhatWasTried(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	r.Replace([]Endpoint{endpoint("c1", "sha256:aa", "v1", 0), endpoint("c2", "sha256:aa", "v1", 0), endpoint("c3", "sha256:aa", "v1", 0)})
	pool := only(t, r)
	for range 100 {
		var tried []*Backend
		for range 3 {
			b := pool.Acquire(tried)
			if b == nil {
				t.Fatalf("nothing left after %d of 3", len(tried))
			}
			tried = append(tried, b)
		}
		if b := pool.Acquire(tried); b != nil {
			t.Fatalf("%s was handed out twice", b.ID)
		}
		for _, b := range tried {
			b.Release()
		}
	}
}

func TestLoadIsSpreadEvenly(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	var list []Endpoint
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		list = append(list, endpoint(id, "sha256:aa", "v1", 0))
	}
	r.Replace(list)
	pool := only(t, r)
	const each = 1000
	for range each * len(list) {
		pool.Acquire(nil)
	}
	for _, b := range pool.rotation.Load().full {
		if n := b.InFlight(); n < each-10 || n > each+10 {
			t.Errorf("%s has %d in flight, want about %d", b.ID, n, each)
		}
	}
}

// Requests that begin and end while everything else changes: nobody is handed
// a backend after its drain, somebody is handed to each, every count returns to
// zero, and nothing is left.
func TestAcquireAgainstDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Registry{}
		list := []Endpoint{endpoint("c1", "sha256:aa", "v1", 0), endpoint("c2", "sha256:aa", "v1", 0)}
		r.Replace(list)
		pool := only(t, r)
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					b := pool.Acquire(nil)
					if b == nil {
						t.Error("nobody was there, though one of two always is")
						return
					}
					b.Release()
				}
			})
		}
		for i := range 200 {
			e := &list[i%2]
			r.Stopping(e.ID, "test")
			e.Started = e.Started.Add(time.Second)
			r.Replace(list)
		}
		close(stop)
		wg.Wait()
		synctest.Wait()
		left := r.Backends(pool.Pool)
		if len(left) != 2 {
			t.Errorf("%d backends, want 2: %+v", len(left), left)
		}
		for _, s := range left {
			if s.InFlight != 0 || s.State != StateReady {
				t.Errorf("left over: %+v", s)
			}
		}
	})
}

func TestConnectionsCloseWhenTheBackendDrains(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	r.Replace([]Endpoint{endpoint("c1", "sha256:aa", "v1", 0)})
	b := only(t, r).Acquire(nil)
	c := new(conns)
	if b.Conns(opener{c}) != c || b.Conns(opener{new(conns)}) != c {
		t.Error("connections were opened twice")
	}
	r.Stopping("c1", "test")
	if c.closed != 1 {
		t.Errorf("idle connections closed %d times when the drain began, want 1", c.closed)
	}
}

// A request that is turned away asks who else there is. Were the one that drains
// still in rotation, it would be sent back rather than to another version.
func TestWhoDrainsLeavesTheRotationBeforeItTurnsRequestsAway(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	r.Replace([]Endpoint{endpoint("c1", "sha256:aa", "v1", 0)})
	pool := only(t, r)
	b := pool.Acquire(nil)
	defer b.Release()
	closing := new(conns)
	closing.closing = func() {
		if !b.Draining() || pool.Usable() {
			t.Errorf("while it drains (%v), its version is said to be usable (%v)", b.Draining(), pool.Usable())
		}
	}
	b.Conns(opener{closing})
	r.Stopping("c1", "test")
	if closing.closed != 1 {
		t.Error("it was not asked")
	}
}

type conns struct {
	closing func() // called when idle ones are closed, unless it is nil
	closed  int
	ended   atomic.Bool
}

type opener struct{ c Conns }

func (o opener) Open(*Backend) Conns { return o.c }

func (c *conns) CloseIdleConnections() {
	if c.closing != nil {
		c.closing()
	}
	c.closed++
}

func (c *conns) CloseConnections() { c.ended.Store(true) }

func BenchmarkAcquire(b *testing.B) {
	r := &Registry{}
	r.Replace([]Endpoint{endpoint("c1", "sha256:aa", "v1", 0), endpoint("c2", "sha256:aa", "v1", 0)})
	pool := r.Members("shop")[0]
	b.ReportAllocs()
	for b.Loop() {
		pool.Acquire(nil).Release()
	}
}

// conns are connections that only count what is done to them.
type countedConns struct{ closed chan struct{} }

func (c *countedConns) Open(*Backend) Conns   { return c }
func (c *countedConns) CloseIdleConnections() {}
func (c *countedConns) CloseConnections()     { close(c.closed) }

func TestConnectionsToAnAddressThatAContainerLostAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Registry{}
		at := func(addr string, ips ...string) Endpoint {
			e := Endpoint{Service: "shop", ID: "c", Name: "c", Addr: addr, Health: HealthPassing, Version: Version{ImageID: "sha256:aa", Tag: "v1"}}
			for _, ip := range ips {
				e.IPs = append(e.IPs, netip.MustParseAddr(ip))
			}
			return e
		}
		f := func(why string, before, after Endpoint, want bool) {
			t.Helper()
			r.Replace([]Endpoint{before})
			conns := &countedConns{make(chan struct{})}
			b := r.Members("shop")[0].Acquire(nil)
			b.Conns(conns)
			r.Replace([]Endpoint{after})
			synctest.Wait()
			closed := false
			select {
			case <-conns.closed:
				closed = true
			default:
			}
			if closed != want {
				t.Errorf("%s: closed is %v, want %v", why, closed, want)
			}
			b.Release()
			r.Replace(nil)
			synctest.Wait()
		}
		here := at("10.0.0.1:80", "10.0.0.1", "10.1.0.1")
		f("nothing changed", here, here, false)
		f("another port by the file", here, at("10.0.0.1:81", "10.0.0.1", "10.1.0.1"), false)
		f("another network by the file", here, at("10.1.0.1:80", "10.0.0.1", "10.1.0.1"), false)
		f("off the network", here, at("10.1.0.1:80", "10.1.0.1"), true)
		f("off all networks", here, at(""), true)
		f("published elsewhere", at("192.0.2.1:8080", "10.0.0.1"), at("192.0.2.1:8081"), false)
	})
}

func TestTheFingerprintIsThatOfTheOldestOfWhichItIsKnown(t *testing.T) {
	t.Parallel()
	r := new(Registry)
	f := func(want string, fingerprints ...string) {
		t.Helper()
		var list []Endpoint
		for i, fingerprint := range fingerprints {
			e := endpoint(fmt.Sprintf("c%d of %q", i, fingerprints), "sha256:aa", "v1", len(fingerprints)-i)
			e.Fingerprint = fingerprint
			list = append(list, e)
		}
		r.Replace(list)
		if got := r.Fingerprint(r.Members("shop")[0].Pool); got != want {
			t.Errorf("%q: got %q, want %q", fingerprints, got, want)
		}
	}
	f("", "")
	f("a", "a")
	f("b", "a", "b")
	f("b", "a", "b", "")
	f("b", "a", "", "b")
}
