package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"divvy/backends"
	"divvy/router"
)

// breaking counts the requests that it reads, bodies included, and breaks the
// connection instead of answering.
func (h *harness) breaking(version string, n *atomic.Int32) string {
	return h.raw(version, func(c *wire) {
		if head, _ := c.request(); head != "" {
			n.Add(1)
		}
		c.reset()
	})
}

func TestAConnectionThatIsRefusedIsTriedElsewhere(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			overEveryWire(t, func(t *testing.T, door *harness) {
				dead := door.refusing("v1")
				door.origin("v1", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text(r.Body)) })
				retries := 0
				for range 20 {
					a := door.do(door.request(method, "/", strings.NewReader("body")))
					door.is(a, 200, "body")
					o := door.observed()
					retries += o.Attempts - 1
					if o.Container != "c2" || o.Err != "" {
						t.Errorf("observed %s, %q", o.Container, o.Err)
					}
				}
				// It left the rotation when the first request found it closed.
				if retries > 1 {
					t.Errorf("the dead backend was tried %d times", retries)
				}
				if retries == 1 && door.status(dead).State != backends.StateUnhealthy {
					t.Errorf("it is %+v", door.status(dead))
				}
			})
		})
	}
}

func TestABackendThatRefusesLeavesTheRotation(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		dead := door.refusing("v1")
		if a := door.get("/"); a.StatusCode != 503 {
			t.Errorf("got %d, want 503", a.StatusCode)
		}
		if o := door.observed(); o.Attempts != 1 || o.Version == "" || !strings.Contains(o.Err, "refused") {
			t.Errorf("observed %d attempts of %q: %q", o.Attempts, o.Version, o.Err)
		}
		if s := door.status(dead); s.State != backends.StateUnhealthy || !strings.Contains(s.Reason, "refused") {
			t.Errorf("it is %s because %q", s.State, s.Reason)
		}
		if a := door.get("/"); a.StatusCode != 503 {
			t.Errorf("got %d, want 503", a.StatusCode)
		}
		if o := door.observed(); o.Attempts != 0 {
			t.Errorf("it was tried again")
		}
	})
}

// A request of which something may have arrived is sent again only if to do it
// twice is to do it once.
func TestOnlyWhatMayBeRepeatedIs(t *testing.T) {
	f := func(method, body string, want int32) {
		t.Helper()
		t.Run(fmt.Sprintf("%s of %d bytes", method, len(body)), func(t *testing.T) {
			securedOrNot(t, func(t *testing.T, door *harness) {
				var arrived atomic.Int32
				for range 3 {
					door.breaking("v1", &arrived)
				}
				var r io.Reader
				if body != "" {
					r = strings.NewReader(body)
				}
				if a := door.do(door.request(method, "/", r)); a.StatusCode != 502 {
					t.Errorf("got %d, want 502", a.StatusCode)
				}
				if n := arrived.Load(); n != want {
					t.Errorf("it arrived %d times, want %d", n, want)
				}
				if o := door.observed(); o.Attempts != int(want) || o.Status != 502 || o.Err == "" {
					t.Errorf("observed %d attempts, %d %q", o.Attempts, o.Status, o.Err)
				}
			})
		})
	}
	f("GET", "", 3)
	f("HEAD", "", 3)
	f("OPTIONS", "", 3)
	f("PUT", "", 3)
	f("DELETE", "", 3)
	f("POST", "", 1)
	f("PATCH", "", 1)
	f("BREW", "", 1)
	f("PUT", "body", 3)
	f("GET", "body", 3)
	f("POST", "body", 1)
	f("PUT", strings.Repeat("x", keepBody+1), 1) // it is gone
}

func TestEachAttemptGoesToAnotherBackend(t *testing.T) {
	securedOrNot(t, func(t *testing.T, door *harness) {
		var arrived [6]atomic.Int32
		for i := range arrived {
			door.breaking("v1", &arrived[i])
		}
		door.configure(func(c *Config, _ *router.Config) { c.Attempts = 4 })
		if a := door.get("/"); a.StatusCode != 502 {
			t.Errorf("got %d, want 502", a.StatusCode)
		}
		if o := door.observed(); o.Attempts != 4 {
			t.Errorf("observed %d attempts, want 4", o.Attempts)
		}
		total := int32(0)
		for i := range arrived {
			n := arrived[i].Load()
			if total += n; n > 1 {
				t.Errorf("c%d was asked %d times", i+1, n)
			}
		}
		if total != 4 {
			t.Errorf("%d attempts arrived, want 4", total)
		}
		if !strings.Contains(door.scrape(), `divvy_retries_total{service="shop",version="v1@76317631"} 3`) {
			t.Error("the metrics do not have 3 retries")
		}
	})
}

func TestAnAttemptThatNeverCameIsNotCounted(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		var arrived atomic.Int32
		door.breaking("v1", &arrived)
		door.get("/")
		if o := door.observed(); o.Attempts != 1 {
			t.Errorf("observed %d attempts, want 1", o.Attempts)
		}
		if !strings.Contains(door.scrape(), `divvy_retries_total{service="shop",version="v1@76317631"} 0`) {
			t.Error("the metrics have a retry")
		}
	})
}

// fragile is a backend that answers the first request of each connection. It
// reads the second, which is what it looks like from outside when a connection
// is closed in the moment in which it is used again.
type fragile struct {
	arrived atomic.Int32
}

func (f *fragile) serve(c *wire) {
	for i := 0; ; i++ {
		if head, _ := c.request(); head == "" {
			return
		}
		f.arrived.Add(1)
		if i == 1 {
			c.reset()
			return
		}
		c.send(ok("fine"))
	}
}

func TestAStaleConnectionCostsNoErrorWhereThatIsSafe(t *testing.T) {
	f := func(method, body string, want int, arrived int32) {
		t.Helper()
		t.Run(fmt.Sprintf("%s of %d bytes", method, len(body)), func(t *testing.T) {
			securedOrNot(t, func(t *testing.T, door *harness) {
				backend := &fragile{}
				door.raw("v1", backend.serve)
				door.is(door.get("/"), 200, "fine") // which leaves a connection
				door.observed()
				var r io.Reader
				if body != "" {
					r = strings.NewReader(body)
				}
				if a := door.do(door.request(method, "/", r)); a.StatusCode != want {
					t.Errorf("got %d, want %d", a.StatusCode, want)
				}
				// It is the same backend, and so the same attempt.
				if o := door.observed(); o.Attempts != 1 || (o.Err == "") != (want == 200) {
					t.Errorf("observed %d attempts, %q", o.Attempts, o.Err)
				}
				if n := backend.arrived.Load(); n != 1+arrived {
					t.Errorf("it arrived %d times, want %d", n-1, arrived)
				}
			})
		})
	}
	f("GET", "", 200, 2)
	f("OPTIONS", "", 200, 2)
	f("PUT", "", 200, 2)
	f("DELETE", "", 200, 2)
	f("POST", "", 502, 1)
	f("PATCH", "", 502, 1)
	f("PUT", "body", 200, 2)
	f("PUT", strings.Repeat("x", keepBody+1), 502, 1) // it is gone
	f("POST", "body", 502, 1)
}

// A connection that was closed while nobody used it is not used again.
func TestAConnectionThatEndedIsNotUsedAgain(t *testing.T) {
	securedOrNot(t, func(t *testing.T, door *harness) {
		closed, end := make(chan bool), make(chan bool)
		door.raw("v1", func(c *wire) {
			for n := 0; n == 0 && c.head() != ""; n++ {
				c.send(ok("fine"))
				<-end
			}
			c.Close()
			closed <- true
		})
		for range 20 {
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				door.is(door.do(door.request(method, "/", nil)), 200, "fine")
				if o := door.observed(); o.Attempts != 1 || o.Err != "" {
					t.Errorf("%s: observed %d attempts, %q", method, o.Attempts, o.Err)
				}
				end <- true
				receive(t, closed)
			}
		}
	})
}

// leftIdle returns the connection that a request to the only version has left,
// when it is there.
func (h *harness) leftIdle() (l *link) {
	h.t.Helper()
	b := h.registry.Members("shop")[0].Pool.Acquire(nil)
	defer b.Release()
	u := h.proxy.upstreamOf(b)
	eventually(h.t, "the connection is idle", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		if len(u.idle) == 1 {
			l = u.idle[0]
		}
		return l != nil
	})
	return l
}

// Nothing of a request has arrived if nothing of it could be written.
func TestARequestOfWhichNothingWasWrittenIsSentAgain(t *testing.T) {
	securedOrNot(t, func(t *testing.T, door *harness) {
		end := make(chan bool)
		heads := make(chan string, 3)
		door.raw("v1", func(c *wire) {
			for head, body := c.request(); head != ""; head, body = c.request() {
				heads <- head
				c.send(ok(body))
			}
			<-end // it does not care that nothing more can come
		})
		t.Cleanup(func() { close(end) }) // before the backend is stopped
		door.is(door.get("/"), 200, "")
		_ = door.leftIdle().out.conn.(interface{ CloseWrite() error }).CloseWrite()
		door.is(door.post("/", "body"), 200, "body")
		door.observed()
		if o := door.observed(); o.Attempts != 1 || o.Err != "" || o.RequestBytes != 4 {
			t.Errorf("observed %d attempts, %q, %d bytes", o.Attempts, o.Err, o.RequestBytes)
		}
		if n := len(heads); n != 2 {
			t.Errorf("%d requests arrived, want 2", n)
		}
	})
}

func TestAnotherVersionStandsInForOneThatRefuses(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.refusing("v1")
		door.origin("v2", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "from v2") })
		// As good as all goes to v1, as long as it can.
		door.configure(func(_ *Config, s *router.Config) { s.Weights = map[string]int{"v1": router.MaxWeight, "v2": 1} })
		door.is(door.get("/"), 200, "from v2")
		o := door.observed()
		if o.Attempts != 2 || o.Reason != "failover" || o.Version != "v2@76327632" || o.ImageID != imageID("v2") || o.Container != "c2" || o.Err != "" {
			t.Errorf("observed %d attempts, %s by %s on %s, %q", o.Attempts, o.Version, o.Reason, o.Container, o.Err)
		}
		// The metrics know which version cost an attempt.
		for _, line := range []string{
			`divvy_retries_total{service="shop",version="v1@76317631"} 1`,
			`divvy_retries_total{service="shop",version="v2@76327632"} 0`,
			`divvy_requests_total{code="200",service="shop",version="v2@76327632"} 1`,
		} {
			if !strings.Contains(door.scrape(), line) {
				t.Errorf("the metrics lack %s", line)
			}
		}
		door.is(door.get("/"), 200, "from v2")
		if o := door.observed(); o.Attempts != 1 || o.Reason != "failover" {
			t.Errorf("observed %d attempts, by %s", o.Attempts, o.Reason)
		}
	})
}

// Who names a version wants that one and no other.
func TestAnOverrideIsNotPassedOnToAnotherVersion(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "from v1") })
		door.refusing("v2")
		door.configure(func(_ *Config, s *router.Config) {
			s.Weights = map[string]int{"v1": 1}
			s.Override.Networks = []string{"127.0.0.1"}
		})
		door.is(door.get("/"), 200, "from v1")
		door.observed()
		if a := door.get("/", "Divvy-Version: v2"); a.StatusCode != 503 {
			t.Errorf("got %d %q, want 503", a.StatusCode, a.body)
		}
		if o := door.observed(); o.Reason != "override" || !strings.HasPrefix(o.Version, "v2@") || o.Attempts != 1 {
			t.Errorf("observed %s by %s, %d attempts", o.Version, o.Reason, o.Attempts)
		}
	})
}

// In the moment in which the last backend of a version turns requests away,
// another version takes them.
func TestNoRequestIsLostWhileAVersionComesAndGoes(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		id := door.origin("v1", chameleon)
		door.origin("v2", chameleon)
		door.configure(func(_ *Config, s *router.Config) { s.Weights = map[string]int{"v1": 9, "v2": 1} })
		over := make(chan struct{})
		var changes sync.WaitGroup
		changes.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				door.registry.Stopping(id, "test")
				door.found[0].Started = door.found[0].Started.Add(time.Second)
				door.registry.Replace(door.found)
			}
		})
		for range 200 {
			if a := door.get("/"); a.StatusCode != 200 {
				t.Errorf("got %d", a.StatusCode)
			}
			door.observed()
		}
		close(over)
		changes.Wait()
	})
}
