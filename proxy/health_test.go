package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"divvy/backends"
)

// ill returns a handler that fails as long as broken says so.
func ill(broken *atomic.Bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, "answer")
	}
}

func well(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "answer") }

func TestABackendThatFailsBesideGoodOnesIsEjectedAndReturns(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		var broken atomic.Bool
		broken.Store(true)
		door.care.Eject.Time = 200 * time.Millisecond
		bad := door.origin("v1", ill(&broken))
		door.origin("v1", well)
		door.origin("v1", well)
		failed := 0
		eventually(t, "it is ejected", func() bool {
			if door.get("/").StatusCode == 500 {
				failed++
			}
			return door.status(bad).State == backends.StateEjected
		})
		if failed > 20 {
			t.Errorf("it took %d failures", failed)
		}
		broken.Store(false)
		eventually(t, "it is back", func() bool {
			door.is(door.get("/"), 200, "answer")
			return door.status(bad).State == backends.StateReady
		})
	})
}

func TestAFailureOfTheWholeVersionStaysInItsNumbers(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		var broken atomic.Bool
		broken.Store(true)
		one, other := door.origin("v1", ill(&broken)), door.origin("v1", ill(&broken))
		for range 100 {
			door.is(door.get("/"), 500, "answer")
		}
		for _, id := range []string{one, other} {
			if s := door.status(id); s.State != backends.StateReady {
				t.Errorf("%s is %s because %q", id, s.State, s.Reason)
			}
		}
	})
}

func TestABackendWhoseAnswersBreakIsEjected(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		f := func(version string, serve func(*wire)) {
			t.Helper()
			bad := door.raw(version, serve)
			door.origin(version, well)
			eventually(t, "it is ejected", func() bool {
				res, err := door.transport.RoundTrip(door.request("POST", "/", strings.NewReader("body")))
				if err == nil {
					text(res.Body)
					res.Body.Close()
				}
				return door.status(bad).State == backends.StateEjected
			})
			door.found = nil
			door.registry.Replace(nil)
		}
		f("v1", func(c *wire) { c.request() }) // no answer
		f("v2", func(c *wire) {
			c.request()
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		})
		f("v3", func(c *wire) {
			c.request()
			c.send("no HTTP\r\n\r\n")
		})
	})
}

func TestAClientThatLeavesAccusesNobody(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		arrived := make(chan bool, 100)
		slow := door.origin("v1", func(_ http.ResponseWriter, r *http.Request) {
			if arrived <- true; r.URL.Path == "/wait" {
				<-r.Context().Done()
			}
		})
		other := door.origin("v1", func(http.ResponseWriter, *http.Request) { arrived <- true })
		for range 20 {
			ctx, leave := context.WithCancel(context.Background())
			go func() { <-arrived; leave() }()
			res, err := door.transport.RoundTrip(door.request("GET", "/wait", nil).WithContext(ctx))
			if err == nil {
				res.Body.Close()
			}
			<-ctx.Done()
			door.observed()
		}
		for _, id := range []string{slow, other} {
			if s := door.status(id); s.State != backends.StateReady {
				t.Errorf("%s is %s because %q", id, s.State, s.Reason)
			}
		}
	})
}

func TestABackendGetsRequestsOnceItsCheckPasses(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- door.registry.Run(ctx) }()
		defer func() { stop(); receive(t, ended) }()
		door.care.Health.Path, door.care.Health.Interval = "/healthz", 100*time.Millisecond
		var broken atomic.Bool
		broken.Store(true)
		id := door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/healthz" {
				ill(&broken)(w, r)
				return
			}
			well(w, r)
		})
		if a := door.get("/"); a.StatusCode != 503 {
			t.Errorf("got %d before the check passed", a.StatusCode)
		}
		eventually(t, "the failure shows", func() bool {
			return door.status(id).Reason == "its check has not passed yet, GET /healthz: it answered 500"
		})
		broken.Store(false)
		eventually(t, "it is ready", func() bool { return door.status(id).State == backends.StateReady })
		door.is(door.get("/"), 200, "answer")
		broken.Store(true)
		eventually(t, "it is out", func() bool { return door.status(id).State == backends.StateUnhealthy })
		if a := door.get("/"); a.StatusCode != 503 {
			t.Errorf("got %d while the check fails", a.StatusCode)
		}
	})
}

func TestATunnelToABackendThatStopsEndsInTime(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.care.DrainTimeout = 300 * time.Millisecond
		id := door.raw("v1", echo)
		w := door.upgraded("")
		door.registry.Stopping(id, "test")
		w.send("ping\n") // it goes on for now
		if got := w.read(5); got != "ping\n" {
			t.Errorf("got %q", got)
		}
		if !w.ended() {
			t.Error("it did not end")
		}
		if o := door.observed(); o.Status != 101 || !strings.Contains(o.Err, "drain_timeout") {
			t.Errorf("observed %d, %q", o.Status, o.Err)
		}
	})
}

func TestAStreamFromABackendThatStopsEndsInTime(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.care.DrainTimeout = 100 * time.Millisecond
		id := door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "one")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		res := door.send(door.request("GET", "/", nil))
		door.registry.Stopping(id, "test")
		if got := text(res.Body); !strings.HasPrefix(got, "one<") {
			t.Errorf("got %q, which looks complete", got)
		}
		if o := door.observed(); !strings.Contains(o.Err, "drain_timeout") {
			t.Errorf("observed %q", o.Err)
		}
	})
}
