package proxy

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"divvy/router"
)

// A backend may answer before it has all of the request, and wait for the rest.
// What it gets next on that connection must be the rest, or nothing.
func TestAConnectionIsNotUsedAgainWhileItsBackendWaitsForTheRest(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		const half = 10_000
		bad := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			for head := c.head(); head != ""; head = c.head() {
				if strings.HasPrefix(head, "GET ") {
					c.send(ok("fine"))
					continue
				}
				_, _ = c.r.Peek(1)
				c.send(ok("early"))
				if body := c.read(2 * half); strings.Contains(body, "GET ") {
					select {
					case bad <- body:
					default:
					}
				}
			}
		})
		for i := range 300 {
			w := door.dial()
			w.say("POST / HTTP/1.1", "Host: h", fmt.Sprint("Content-Length: ", 2*half))
			w.send(strings.Repeat("x", half))
			for start := time.Now(); time.Since(start) < time.Duration(i)*time.Microsecond; {
			}
			w.send(strings.Repeat("x", half))
			if _, err := w.answer("POST"); err != nil {
				t.Fatal(err)
			}
			w.Close()
			door.exchange("GET / HTTP/1.1", "Host: h", "Connection: close")
			select {
			case <-bad:
				t.Fatalf("request %d became part of the body of another", i)
			default:
			}
		}
	})
}

// The end of one exchange must not end the next.
func TestAFailureIsNotTheNextRequests(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			if head := c.head(); strings.HasPrefix(head, "GET ") {
				c.send(ok("fine"))
			}
			c.rest()
		})
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Response = 50 * time.Millisecond })
		w := door.dial()
		for range 3 {
			w.say("POST / HTTP/1.1", "Host: h", "Content-Length: 4")
			w.send("body")
			res := must(w.answer("POST"))(t)
			if text(res.Body); res.StatusCode != 504 {
				t.Errorf("got %d, want 504", res.StatusCode)
			}
			w.say("GET / HTTP/1.1", "Host: h")
			if res := must(w.answer("GET"))(t); text(res.Body) != "fine" {
				t.Errorf("got %d", res.StatusCode)
			}
		}
	})
}

func TestWhatIsNoRequestHasNoBody(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", repeat)
		door.post("/", "body")
		if o := door.observed(); o.RequestBytes != 4 {
			t.Errorf("observed %d bytes", o.RequestBytes)
		}
		door.exchange("GET / HTTP/1.1", "Host: h", " broken")
		if o := door.observed(); o.Status != 400 || o.RequestBytes != 0 || !o.Client.IsLoopback() {
			t.Errorf("observed %d, %d bytes, from %v", o.Status, o.RequestBytes, o.Client)
		}
	})
}

// Who takes an answer slowly, but takes it, is not given up.
func TestAClientThatReadsSlowlyIsNotGivenUp(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		const size = 8 << 20
		door.raw("v1", func(c *wire) {
			if head := c.head(); strings.HasPrefix(head, "GET /known") {
				c.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))
			} else {
				c.send("HTTP/1.1 200 OK\r\n\r\n")
			}
			c.send(strings.Repeat("x", size))
		})
		const limit = 600 * time.Millisecond
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Stream = limit })
		for _, path := range []string{"/known", "/unknown"} {
			for try := 1; ; try++ {
				got, longest := door.readSlowly(path)
				o := door.observed()
				if !strings.Contains(got, "<") && !strings.Contains(o.Err, "timeout") {
					break
				}
				if longest < limit/2 || try == 5 {
					t.Fatalf("%s: %s after %d bytes, though the client paused for %v at most", path, o.Err, o.ResponseBytes, longest)
				}
			}
		}
	})
}

// readSlowly reads the begin of an answer, a little now and then. It returns how
// long it did not get to that at most: the machine may be busy.
func (h *harness) readSlowly(path string) (got string, longest time.Duration) {
	buffer := 16 << 10
	if h.secure {
		buffer = 64 << 10 // records of TLS would have to wait for probes
	}
	w := h.dial(func(c *net.TCPConn) { _ = c.SetReadBuffer(buffer) })
	defer w.Close()
	w.say("GET "+path+" HTTP/1.1", "Host: h")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for last := time.Now(); len(got) < 150*4<<10; last = time.Now() { // for two and a half times the limit
		<-tick.C
		longest = max(longest, time.Since(last))
		piece := w.read(4 << 10)
		if got += piece; strings.Contains(piece, "<") {
			break
		}
	}
	return got, longest
}

// A request that may be repeated is, though a part of its body has yet to come.
func TestARequestIsSentAgainWhileItStillComes(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		broken := make(chan bool)
		var conns atomic.Int32
		door.raw("v1", func(c *wire) {
			stale := conns.Add(1) == 1
			for head := c.head(); head != ""; head = c.head() {
				switch {
				case strings.HasPrefix(head, "GET "):
					c.send(ok("fine"))
				case stale:
					c.read(5)
					c.reset()
					close(broken)
					return
				default:
					c.send(ok(c.read(10)))
				}
			}
		})
		door.is(door.get("/"), 200, "fine")
		door.leftIdle()
		door.observed()
		w := door.dial()
		w.say("PUT / HTTP/1.1", "Host: h", "Content-Length: 10")
		w.send("first")
		receive(t, broken)
		w.send("rest.")
		if res := must(w.answer("PUT"))(t); text(res.Body) != "firstrest." {
			t.Errorf("got %d", res.StatusCode)
		}
		if o := door.observed(); o.Attempts != 1 || o.RequestBytes != 10 || o.Err != "" {
			t.Errorf("observed %d attempts, %d bytes, %q", o.Attempts, o.RequestBytes, o.Err)
		}
	})
}
