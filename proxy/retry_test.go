package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"divvy/backends"
	"divvy/router"
)

// breaking counts the requests that it reads, and breaks the connection instead
// of answering.
func (h *harness) breaking(version string, n *atomic.Int32) string {
	return h.raw(version, func(c *wire) {
		if c.head() != "" {
			n.Add(1)
		}
		c.reset()
	})
}

func TestAConnectionThatIsRefusedIsTriedElsewhere(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			throughEveryDoor(t, func(t *testing.T, door *harness) {
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
		t.Run(method+" "+body, func(t *testing.T) {
			throughEveryDoor(t, func(t *testing.T, door *harness) {
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
	f("PUT", "body", 1) // it is gone
	f("POST", "body", 1)
	f("GET", "body", 1)
}

func TestEachAttemptGoesToAnotherBackend(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
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

// fragile is a backend that ends each connection after its first answer without
// saying so in the answer. It waits to do so until it is told.
type fragile struct {
	mu     sync.Mutex
	heads  []string
	closed chan bool // receives a value when a connection has ended
	end    chan bool
}

func (f *fragile) serve(c *wire) {
	head := c.head()
	f.mu.Lock()
	f.heads = append(f.heads, head)
	f.mu.Unlock()
	c.send(ok("fine"))
	<-f.end
	c.reset()
	f.closed <- true
}

func TestAStaleConnectionCostsNoError(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		backend := &fragile{closed: make(chan bool), end: make(chan bool)}
		door.raw("v1", backend.serve)
		f := func(method string, body io.Reader) {
			t.Helper()
			door.is(door.do(door.request(method, "/", body)), 200, "fine")
			if o := door.observed(); o.Attempts != 1 || o.Err != "" {
				t.Errorf("%s: observed %d attempts, %q", method, o.Attempts, o.Err)
			}
			backend.end <- true
			receive(t, backend.closed)
			// The connection to divvy is kept, the one to the backend is stale.
		}
		for range 20 {
			for _, method := range []string{"GET", "OPTIONS", "PUT", "DELETE"} {
				f(method, nil)
			}
		}
	})
}

func TestAnotherVersionStandsInForOneThatRefuses(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
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
