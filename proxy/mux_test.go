package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"divvy/backends"
	"divvy/router"

	"golang.org/x/net/http2"
)

// Whatever a request is, it may be sent again if the backend says that it did
// nothing about it (RFC 9113 section 8.7), and only then.
func TestWhatTheBackendDidNotTakeIsSentAgain(t *testing.T) {
	f := func(name, method string, want int, arrived int32, refuse func(p *peer, stream uint32)) {
		t.Helper()
		t.Run(name+" "+method, func(t *testing.T) {
			throughEveryDoor(t, func(t *testing.T, door *harness) {
				var n atomic.Int32
				door.framed("v1", nil, func(p *peer, stream uint32) {
					if n.Add(1) == 2 {
						refuse(p, stream)
						return
					}
					p.answer(stream, "fine")
				}, nil)
				door.is(door.get("/"), 200, "fine") // which leaves a connection
				door.observed()
				if a := door.do(door.request(method, "/", nil)); a.StatusCode != want {
					t.Errorf("got %d, want %d", a.StatusCode, want)
				}
				// It is the same backend, and so the same attempt.
				if o := door.observed(); o.Attempts != 1 || (o.Err == "") != (want == 200) {
					t.Errorf("observed %d attempts, %q", o.Attempts, o.Err)
				}
				if got := n.Load(); got != 1+arrived {
					t.Errorf("it arrived %d times, want %d", got-1, arrived)
				}
			})
		})
	}
	f("refused", "POST", 200, 2, func(p *peer, stream uint32) { p.refuse(stream, http2.ErrCodeRefusedStream) })
	f("going away", "POST", 200, 2, func(p *peer, stream uint32) { p.goAway(stream - 1) })
	f("an error", "POST", 502, 1, func(p *peer, stream uint32) { p.refuse(stream, http2.ErrCodeInternal) })
	f("a protest", "POST", 502, 1, func(p *peer, stream uint32) { p.refuse(stream, http2.ErrCodeProtocol) })
	f("broken", "POST", 502, 1, func(p *peer, _ uint32) { p.reset() })
	// As ever, what may be repeated is.
	f("broken", "PUT", 200, 2, func(p *peer, _ uint32) { p.reset() })
	f("an error", "PUT", 200, 2, func(p *peer, stream uint32) { p.refuse(stream, http2.ErrCodeInternal) })
}

func TestABackendThatTakesNothingIsLeftForAnother(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.framed("v1", nil, func(p *peer, stream uint32) { p.refuse(stream, http2.ErrCodeRefusedStream) }, nil)
		if a := door.post("/", "body"); a.StatusCode != 503 {
			t.Errorf("got %d, want 503", a.StatusCode)
		}
		door.observed()
		door.origin("v1", repeat)
		for range 10 {
			door.is(door.post("/", "body"), 200, "POST / body.")
		}
	})
}

func TestAnotherConnectionIsOpenedWhereOneIsFull(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		const each, all = 2, 5
		var mu sync.Mutex
		conns := map[*peer]int{}
		waiting := make(chan func(), all)
		door.framed("v1", []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: each}}, func(p *peer, stream uint32) {
			mu.Lock()
			defer mu.Unlock()
			conns[p]++
			waiting <- func() { p.answer(stream, "fine") }
		}, nil)
		var wg sync.WaitGroup
		for range all {
			wg.Go(func() {
				if a := door.get("/"); a.StatusCode != 200 || a.body != "fine" {
					t.Errorf("got %d %q", a.StatusCode, a.body)
				}
			})
		}
		var answers []func()
		for range all {
			answers = append(answers, receive(t, waiting)) // all at the same time
		}
		for _, answer := range answers {
			answer()
		}
		wg.Wait()
		for _, n := range conns {
			if n > each {
				t.Errorf("%d requests at a time on one connection", n)
			}
		}
		if n := len(conns); n < 3 || n > all {
			t.Errorf("%d connections for %d requests", n, all)
		}
	})
}

func TestRequestsShareAConnection(t *testing.T) {
	sharingConnections(t, func(t *testing.T, door *harness) {
		var mu sync.Mutex
		from := map[string]bool{}
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			from[r.RemoteAddr] = true
			fmt.Fprint(w, r.Proto, r.Header["User-Agent"], r.Header["Accept-Encoding"], r.ContentLength)
		})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				r := door.request("POST", "/", strings.NewReader("body"))
				r.Header["User-Agent"] = []string{""}
				door.is(door.do(r), 200, "HTTP/2.0[] [] 4")
			})
		}
		wg.Wait()
		if len(from) > 2 { // a second may be opened while the first is
			t.Errorf("they came on %d connections", len(from))
		}
	})
}

func TestAClientThatLeavesTakesItsStreamWithIt(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		asked, ended := make(chan bool, 1), make(chan http2.ErrCode, 1)
		door.framed("v1", nil, func(*peer, uint32) { asked <- true }, func(code http2.ErrCode) { ended <- code })
		ctx, leave := context.WithCancel(t.Context())
		go func() { <-asked; leave() }()
		if res, err := door.transport.RoundTrip(door.request("GET", "/", nil).WithContext(ctx)); err == nil {
			t.Errorf("got %d", res.StatusCode)
		}
		if code := receive(t, ended); code != http2.ErrCodeCancel {
			t.Errorf("it was ended with %v, want CANCEL", code)
		}
		door.observed()
	})
}

// deafAtFirst adds a backend that answers nothing on its first connection.
func (h *harness) deafAtFirst(version string) {
	var first atomic.Pointer[peer]
	h.framed(version, nil, func(p *peer, stream uint32) {
		if first.CompareAndSwap(nil, p); p != first.Load() {
			p.answer(stream, "fine")
		}
	}, nil)
}

// Who does not answer may be there no more, so that the next request is not left
// waiting on the same connection.
func TestAConnectionOnWhichNothingIsHeardIsNotUsedAgain(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.deafAtFirst("v1")
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Response = 50 * time.Millisecond })
		if a := door.get("/"); a.StatusCode != 504 {
			t.Errorf("got %d, want 504", a.StatusCode)
		}
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Response = time.Minute })
		door.is(door.get("/"), 200, "fine")
	})
}

// Nor when clients are the first to lose patience.
func TestAConnectionThatClientsGiveUpIsNotUsedAgain(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.deafAtFirst("v1")
		ctx, leave := context.WithTimeout(t.Context(), silence+silence/4)
		defer leave()
		if res, err := door.transport.RoundTrip(door.request("GET", "/", nil).WithContext(ctx)); err == nil {
			t.Errorf("got %d", res.StatusCode)
		}
		door.observed()
		door.is(door.get("/"), 200, "fine")
	})
}

func TestABackendOfAnotherProtocolIsReported(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", repeat)
		door.found[0].Dialect = must((&backends.Wire{Protocol: backends.H2C}).Dialect(nil))(t)
		door.registry.Replace(door.found)
		if a := door.post("/", "body"); a.StatusCode != 502 {
			t.Errorf("got %d, want 502", a.StatusCode)
		}
		if o := door.observed(); !strings.Contains(o.Err, "does not speak HTTP/2") {
			t.Errorf("observed %q", o.Err)
		}
	})
}

// A change of the protocol holds for the next request, without a restart of either.
func TestAnotherProtocolHoldsForTheNextRequest(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.wire.Protocol = backends.H2C
		door.both("v1", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
		for _, step := range []struct {
			protocol backends.Protocol
			want     string
		}{{backends.H2C, "HTTP/2.0"}, {backends.HTTP1, "HTTP/1.1"}, {backends.H2C, "HTTP/2.0"}} {
			door.found[0].Dialect = must((&backends.Wire{Protocol: step.protocol}).Dialect(nil))(t)
			door.registry.Replace(door.found)
			for range 3 {
				door.is(door.get("/"), 200, step.want)
			}
		}
	})
}

func TestASharedConnectionEndsWithItsBackend(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		ended := make(chan bool, 1)
		asked := make(chan func(), 1)
		door.wire.Protocol = backends.H2C
		id := door.framed("v1", nil, func(p *peer, stream uint32) {
			asked <- func() { p.answer(stream, "fine") }
		}, nil)
		got := make(chan *answer, 1)
		go func() { got <- door.get("/") }()
		answer := receive(t, asked)
		b := door.registry.Members("shop")[0].Pool.Acquire(nil)
		u := door.proxy.upstreamOf(b)
		b.Release()
		u.mu.Lock()
		wire := u.muxes[0].wire
		u.mu.Unlock()
		go func() { <-wire.closed; ended <- true }()
		door.registry.Stopping(id, "it is told to stop")
		select {
		case <-ended:
			t.Error("it ended before its requests")
		default:
		}
		answer() // what is under way ends by itself
		door.is(receive(t, got), 200, "fine")
		receive(t, ended)
	})
}

func TestNoWebSocketIsOpenedOverHTTP2(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.wire.Protocol = backends.H2C
		id := door.origin("v1", repeat)
		w := door.dial()
		w.say("GET / HTTP/1.1", "Host: h", "Connection: Upgrade", "Upgrade: websocket")
		if head := w.head(); !strings.HasPrefix(head, "HTTP/1.1 501 ") {
			t.Errorf("got %q, want 501", head)
		}
		if o := door.observed(); !strings.Contains(o.Err, "WebSocket") {
			t.Errorf("observed %q", o.Err)
		}
		if s := door.status(id); s.State != backends.StateReady {
			t.Errorf("it is %s", s.State)
		}
	})
}
