package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/metrics"
	"divvy/router"
)

func TestARefusalSaysWhichRequestItWasAndNotMore(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.refusing("v1")
		a := door.get("/secret?token=x")
		o := door.observed()
		door.is(a, 503, "503 Service Unavailable\nThe service cannot answer right now.\nrequest "+o.RequestID+"\n")
		if a.Header.Get("Content-Type") != "text/plain; charset=utf-8" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("got %v", a.Header)
		}
		if o.ResponseBytes != int64(len(a.body)) {
			t.Errorf("observed %d bytes, the client got %d", o.ResponseBytes, len(a.body))
		}
		a = door.do(door.request("HEAD", "/", nil))
		if door.is(a, 503, ""); a.ContentLength <= 0 {
			t.Errorf("HEAD has a length of %d", a.ContentLength)
		}
	})
}

func TestWhatNoServiceAnswersToIsNotFound(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
		door.configure(func(_ *Config, s *router.Config) { s.Hosts, s.Paths = []string{"shop.test"}, []string{"/shop"} })
		f := func(host, path string, want int) {
			t.Helper()
			r := door.request("GET", path, nil)
			r.Host = host
			if a := door.do(r); a.StatusCode != want {
				t.Errorf("%s%s: got %d, want %d", host, path, a.StatusCode, want)
			}
			if o := door.observed(); o.Status != want || want == 404 && (o.Service != "" || o.Meter != nil || !strings.Contains(o.Err, "no service")) {
				t.Errorf("%s%s: observed %d for service %q: %q", host, path, o.Status, o.Service, o.Err)
			}
		}
		f("shop.test", "/shop", 200)
		f("SHOP.test.:80", "/shop/cart", 200)
		f("shop.test", "/", 404)
		f("shop.test", "/shopping", 404)
		f("other.test", "/shop", 404)
	})
}

// As long as not all services are known it would be wrong to say that there is
// none.
func TestWhatMayYetBeFoundIsUnavailable(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		table := router.Build([]router.Input{{Config: router.Config{Name: "shop", Hosts: []string{"shop.test"}}}})
		table.Partial = true
		door.proxy.Publish(table, door.config)
		r := door.request("GET", "/", nil)
		r.Host = "other.test"
		if a := door.do(r); a.StatusCode != 503 {
			t.Errorf("got %d, want 503", a.StatusCode)
		}
		if o := door.observed(); o.Status != 503 || o.Service != "" || !strings.Contains(o.Err, "Docker was not reached") {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
	})
}

func TestAServiceWithoutABackendIsUnavailable(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		f := func(reason string) {
			t.Helper()
			if a := door.get("/"); a.StatusCode != 503 {
				t.Errorf("got %d, want 503", a.StatusCode)
			}
			if o := door.observed(); o.Status != 503 || o.Attempts != 0 || o.Service != "shop" || o.Version != "" || o.Reason != reason || o.Meter == nil || o.Err == "" || o.FirstByte != 0 {
				t.Errorf("observed %+v", o)
			}
		}
		f("none")
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
		door.found[0].Health = backends.HealthUnhealthy
		door.registry.Replace(door.found)
		f("none")
	})
}

func TestAnAnswerThatIsNoneIsABadGateway(t *testing.T) {
	for name, garbage := range map[string]string{
		"garbage":         "220 smtp.test ESMTP\r\n\r\n",
		"nothing":         "",
		"half a head":     "HTTP/1.1 200 OK\r\nContent-Le",
		"a wrong version": "HTTP/x 200 OK\r\n\r\n",
		"no status":       "HTTP/1.1 abc OK\r\n\r\n",
		"two lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
		"a large head":    "HTTP/1.1 200 OK\r\nX-Large: " + strings.Repeat("x", maxAnswerHeader) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			securedOrNot(t, func(t *testing.T, door *harness) {
				door.raw("v1", func(c *wire) {
					c.head()
					c.send(garbage)
				})
				if a := door.post("/", ""); a.StatusCode != 502 {
					t.Errorf("got %d, want 502", a.StatusCode)
				}
				o := door.observed()
				if o.Status != 502 || o.Attempts != 1 || o.Container != "c1" || o.Backend == "" || o.FirstByte != 0 ||
					!strings.HasPrefix(o.Err, "backend c1 at 127.0.0.1:") || strings.Count(o.Err, "127.0.0.1") != 1 {
					t.Errorf("observed %+v", o)
				}
			})
		})
	}
}

func TestABackendThatDoesNotAnswerInTimeIsGivenUp(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		gone := make(chan bool, 2)
		silent := func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			gone <- true
		}
		door.origin("v1", silent)
		door.origin("v1", silent)
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Response = 50 * time.Millisecond })
		for _, r := range []*http.Request{door.request("GET", "/", nil), door.request("POST", "/", strings.NewReader("body"))} {
			if a := door.do(r); a.StatusCode != 504 {
				t.Errorf("got %d, want 504", a.StatusCode)
			}
			// It may be at work on it, so nobody else is asked.
			if o := door.observed(); o.Status != 504 || o.Attempts != 1 || !strings.Contains(o.Err, "did not answer in time") {
				t.Errorf("observed %d after %d attempts: %q", o.Status, o.Attempts, o.Err)
			}
			receive(t, gone) // it was told
		}
	})
}

// The time for an answer runs from the end of the request to the head of the
// answer, and neither before nor after. A second request, which nobody answers,
// tells that it has passed.
func TestTheTimeForAnAnswerIsNotTheTimeForARequest(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		read, finish := make(chan bool), make(chan string)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/silent":
				<-r.Context().Done()
			case "/early":
				control := http.NewResponseController(w)
				_ = control.EnableFullDuplex()
				_ = control.Flush()
				_ = text(r.Body)
				read <- true
				fmt.Fprint(w, next(r, finish))
			default:
				fmt.Fprint(w, text(r.Body))
			}
		})
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Response = 50 * time.Millisecond })
		timePasses := func() {
			if a := door.get("/silent"); a.StatusCode != 504 {
				t.Errorf("got %d, want 504", a.StatusCode)
			}
		}

		body, send := io.Pipe()
		go func() {
			fmt.Fprint(send, "one")
			timePasses()
			fmt.Fprint(send, "two")
			send.Close()
		}()
		door.is(door.do(door.request("POST", "/", body)), 200, "onetwo")

		body, send = io.Pipe()
		res := door.send(door.request("POST", "/early", body))
		send.Close()
		receive(t, read)
		timePasses()
		finish <- "the end"
		if got := text(res.Body); got != "the end" {
			t.Errorf("got %q", got)
		}
	})
}

// A backend that is gone is reported at once, though the client has yet to
// send the rest of its request.
func TestABackendThatBreaksDuringTheRequestIsReportedAtOnce(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			c.head()
			c.read(3)
			c.reset()
		})
		w := door.dial()
		w.say("PUT / HTTP/1.1", "Host: h", "Content-Length: 1000")
		w.send("abc")
		if got := w.head(); !strings.HasPrefix(got, "HTTP/1.1 502 ") {
			t.Errorf("got %q, want 502", got)
		}
		w.Close()
		if o := door.observed(); o.Status != 502 || o.Attempts != 1 || !strings.Contains(o.Err, "closed the connection before it had all") {
			t.Errorf("observed %d after %d attempts: %q", o.Status, o.Attempts, o.Err)
		}
	})
}

func TestABugInOneRequestHarmsNoOther(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "fine") })
		counted := door.proxy.Sink
		door.proxy.Sink = sink(func(o *metrics.Observation) {
			counted.Observe(o)
			if strings.HasPrefix(o.Target, "/sink") {
				panic("a bug in a sink")
			}
		})
		door.is(door.get("/sink"), 200, "fine")
		door.observed()
		eventually(t, "the bug is logged", func() bool { return strings.Contains(door.log.String(), "stack=") })
		if log := door.log.String(); !strings.Contains(log, "a bug in a sink") || !strings.Contains(log, "stack=") {
			t.Errorf("the log says %q", log)
		}

		// A table that nobody can decide by.
		good := door.proxy.world.Load()
		bad := *good
		bad.meters = nil
		door.proxy.world.Store(&bad)
		if a := door.get("/"); a.StatusCode != 500 {
			t.Errorf("got %d, want 500", a.StatusCode)
		}
		if o := door.observed(); o.Status != 500 || !strings.Contains(o.Err, "a bug in divvy") {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
		door.proxy.world.Store(good)
		door.is(door.get("/"), 200, "fine")
	})
}
