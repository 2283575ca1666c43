package proxy

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"divvy/metrics"
	"divvy/router"
)

// prepare prepares a change of the configuration of the server behind the door.
func (h *harness) prepare(change func(*Config)) (Change, error) {
	h.t.Helper()
	c := h.config
	change(&c)
	return h.server.Prepare(c)
}

// closed returns when no new connection is accepted.
func (h *harness) closed() {
	h.t.Helper()
	eventually(h.t, "no new connection is accepted", func() bool {
		c, err := net.Dial("tcp", h.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// slow adds a backend that tells when it is asked for /slow, and answers with what it
// is given then. To everything else it answers at once.
func (h *harness) slow() (got chan bool, finish chan string) {
	got, finish = make(chan bool), make(chan string)
	h.origin("v1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			got <- true
			fmt.Fprint(w, next(r, finish))
		}
	})
	return got, finish
}

// stopping begins to stop the server, and tells when it has stopped.
func (h *harness) stopping() (stopped chan bool) {
	stopped = make(chan bool)
	go func() { h.stop(); close(stopped) }()
	return stopped
}

// waits fails the test unless a server that is to stop accepts nothing more and waits
// for what is in flight.
func (h *harness) waits(stopped chan bool) {
	h.t.Helper()
	h.closed()
	select {
	case <-stopped:
		h.t.Fatal("it did not wait")
	default:
	}
}

func TestWhatIsInFlightFinishesWhenTheServerStops(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		got, finish := door.slow()
		idle, busy := door.dial(), door.dial()
		idle.say("GET / HTTP/1.1", "Host: h")
		idle.head()
		busy.say("GET /slow HTTP/1.1", "Host: h")
		receive(t, got)

		stopped := door.stopping()
		if !idle.ended() {
			t.Error("an idle connection was left open")
		}
		door.waits(stopped)
		finish <- "in the end"
		answer := busy.rest()
		if !strings.HasPrefix(answer, "HTTP/1.1 200 ") || !strings.HasSuffix(answer, "in the end") || field(answer, "Connection") == nil {
			t.Errorf("got %q", answer)
		}
		receive(t, stopped)
	})
}

func TestWhatDoesNotFinishIsCutOff(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		backend := newUnanswered()
		door.origin("v1", backend.serve)
		door.raw("v2", echo)
		door.configure(func(c *Config, s *router.Config) {
			c.Timeouts.Shutdown = 50 * time.Millisecond
			s.Override.Networks = []string{"127.0.0.1"}
		})
		observe := door.proxy.Sink
		door.proxy.Sink = sink(func(o *metrics.Observation) {
			<-time.After(20 * time.Millisecond) // it is slow, which must not cost an observation
			observe.Observe(o)
		})
		request := door.dial()
		request.say("GET / HTTP/1.1", "Host: h")
		receive(t, backend.got)
		tunnel := door.dial()
		tunnel.say("GET / HTTP/1.1", "Host: h", "Divvy-Version: v2", "Connection: Upgrade", "Upgrade: echo")
		tunnel.head()
		tunnel.read(6)

		door.stop()
		if n := len(door.seen); n != 2 {
			t.Errorf("the server stopped when %d of 2 requests were observed", n)
		}
		if !request.ended() || !tunnel.ended() {
			t.Error("a connection outlived the server")
		}
		receive(t, backend.cancelled)
		for range 2 {
			if o := door.observed(); o.Upgraded != (o.Status == 101) || !o.Upgraded && o.Status != 499 {
				t.Errorf("observed %d, upgraded %t", o.Status, o.Upgraded)
			}
		}
	})
}

func TestATunnelMayEndByItselfWhenTheServerStops(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", echo)
		tunnel := door.upgraded("")
		stopped := make(chan bool)
		go func() { door.stop(); close(stopped) }()
		door.closed()
		tunnel.send("still here\n")
		if got := tunnel.read(11); got != "still here\n" {
			t.Errorf("got %q", got)
		}
		select {
		case <-stopped:
			t.Fatal("it did not wait")
		default:
		}
		tunnel.Close()
		receive(t, stopped)
	})
}

// What is in flight when the server stops may still become a tunnel.
func TestATunnelThatBeginsWhileTheServerStopsEndsToo(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		got, change := make(chan bool), make(chan bool)
		door.raw("v1", func(c *wire) {
			c.head()
			got <- true
			<-change
			c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
			c.rest()
		})
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Shutdown = time.Second })
		w := door.dial()
		w.say("GET / HTTP/1.1", "Host: h", "Connection: Upgrade", "Upgrade: echo")
		receive(t, got)
		stopped := make(chan bool)
		go func() { door.stop(); close(stopped) }()
		door.closed()
		close(change)
		w.head()
		w.read(6)
		receive(t, stopped)
		if !w.ended() {
			t.Error("the tunnel outlived the server")
		}
	})
}

func TestTheAddressCanChangeWhileRequestsAreInFlight(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		got, finish := make(chan bool), make(chan string)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				got <- true
				fmt.Fprint(w, next(r, finish))
			}
		})
		was := door.addr
		busy := door.dial()
		busy.say("GET /slow HTTP/1.1", "Host: h")
		receive(t, got)

		change := must(door.prepare(func(c *Config) { door.listenOn(c, "localhost:0") }))(t)
		if door.server.Addr().String() != was {
			t.Error("it moved before the change was committed")
		}
		door.is(door.get("/"), 200, "")
		change.Commit()
		to := door.server.Addr().String()
		if to == was {
			t.Errorf("it still listens on %s", to)
		}
		if c, err := net.Dial("tcp", was); err == nil {
			c.Close()
			t.Error("it still listens on the old address")
		}
		door.addr = to
		door.is(door.get("/"), 200, "")
		finish <- "in the end"
		if got := busy.rest(); !strings.HasSuffix(got, "in the end") {
			t.Errorf("got %q", got)
		}
	})
}

func TestAChangeThatIsDiscardedChangesNothing(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
		l, err := net.Listen("tcp", "127.0.0.9:0") // where no other test listens
		if err != nil {
			t.Skip("there is only one loopback address:", err)
		}
		to := l.Addr().String()
		l.Close()
		change := must(door.prepare(func(c *Config) { door.listenOn(c, to) }))(t)
		change.Discard()
		l, err = net.Listen("tcp", to)
		if err != nil {
			t.Fatalf("the address was not given back: %v", err)
		}
		l.Close()
		door.is(door.get("/"), 200, "")

		must(door.prepare(func(c *Config) { c.Limits.Header = 1 << 20 }))(t).Discard()
		door.is(door.get("/"), 200, "")
	})
}

func TestAChangeThatComesTooLateOpensNothing(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		change := must(door.prepare(func(c *Config) { door.listenOn(c, "localhost:0") }))(t)
		was := door.server.Addr().String()
		door.stop()
		change.Commit()
		if at := door.server.Addr().String(); at != was {
			t.Errorf("it listens on %s", at)
		}
		door.closed()
	})
}

func TestAnAddressInUseIsReportedAndTheServerGoesOn(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
		l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
		defer l.Close()
		_, err := door.prepare(func(c *Config) { door.listenOn(c, l.Addr().String()) })
		if err == nil || !strings.HasPrefix(err.Error(), "listening on "+l.Addr().String()+": ") || !strings.Contains(err.Error(), "address already in use") ||
			strings.Count(err.Error(), l.Addr().String()) != 1 {
			t.Errorf("got %v", err)
		}
		door.is(door.get("/"), 200, "")
	})
}

func TestChangedSettingsHoldForTheNextRequest(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		got, finish := make(chan bool, 1), make(chan string)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				got <- true
				fmt.Fprint(w, next(r, finish))
			}
		})
		large := "X-Large: " + strings.Repeat("x", 30<<10)
		old := door.dial()
		old.say("GET / HTTP/1.1", "Host: h", large)
		if head := old.head(); !strings.HasPrefix(head, "HTTP/1.1 200 ") {
			t.Errorf("got %q", head)
		}
		old.say("GET /slow HTTP/1.1", "Host: h")
		receive(t, got)
		door.configure(func(c *Config, _ *router.Config) { c.Limits.Header, c.Limits.Target = 2<<10, 1<<10 })
		finish <- "slow"
		if res := must(old.answer("GET"))(t); text(res.Body) != "slow" {
			t.Error("a request in flight was harmed")
		}
		old.say("GET / HTTP/1.1", "Host: h", large)
		if got := old.rest(); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
			t.Errorf("the old connection got %.40q", got)
		}
		if got := door.exchange("GET /"+strings.Repeat("x", 1200)+" HTTP/1.1", "Host: h", "Connection: close"); !strings.HasPrefix(got, "HTTP/1.1 414 ") {
			t.Errorf("got %.40q", got)
		}
	})
}

// A client that sends nothing, or not enough, does not hold a connection for
// ever.
func TestAConnectionWithoutARequestEnds(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
		door.configure(func(c *Config, _ *router.Config) {
			c.Timeouts.Header, c.Timeouts.Idle = 50*time.Millisecond, 50*time.Millisecond
			if door.secure { // of which the handshake takes a part
				c.Timeouts.Header = time.Second
			}
		})
		if !door.dial().ended() {
			t.Error("a connection without a request was kept")
		}
		w := door.dial()
		w.send("GET / HTTP/1.1\r\nHost:")
		if got := w.rest(); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
			t.Errorf("half a head got %q", got)
		}
		if o := door.observed(); o.Status != 408 || !strings.Contains(o.Err, "timeouts.header") {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
		w = door.dial()
		w.say("GET / HTTP/1.1", "Host: h")
		w.head()
		if !w.ended() {
			t.Error("an idle connection was kept")
		}
	})
}
