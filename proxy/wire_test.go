package proxy

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"divvy/router"
)

// repeat is a handler that gives back what it got.
func repeat(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s %s.", r.Method, r.RequestURI, text(r.Body))
}

func TestRequestsMayFollowEachOtherWithoutWaiting(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", repeat)
		w := door.dial()
		const n = 50
		var all, want strings.Builder
		for i := range n {
			fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", i)
			fmt.Fprintf(&all, "PUT /%d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nch\r\n4;x=y\r\nunks\r\n0\r\n\r\n", i)
			fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\nHost: h\r\nX-Fill: %s\r\n\r\n", i, strings.Repeat("x", i*50))
			fmt.Fprintf(&want, "POST /%d body.PUT /%d chunks.GET /%d .", i, i, i)
		}
		go w.send(all.String())
		var got strings.Builder
		for range 3 * n {
			res, err := w.answer("GET")
			if err != nil {
				t.Fatalf("after %q: %v", got.String(), err)
			}
			got.WriteString(text(res.Body))
		}
		if got.String() != want.String() {
			t.Errorf("got %q", got.String())
		}
	})
}

// However a request is cut up on its way, it is the same request.
func TestARequestMayComeByteByByte(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", repeat)
		w := door.dial()
		for _, b := range []byte("\r\nPOST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n00\r\nX-Sum: 1\r\n\r\n") {
			w.send(string(b))
		}
		if res := must(w.answer("POST"))(t); text(res.Body) != "POST /a abc." {
			t.Error("it became another")
		}
	})
}

func TestAClientThatHasClosedItsSideGetsItsAnswer(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		got, finish := make(chan bool), make(chan string)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			got <- true
			fmt.Fprint(w, next(r, finish))
		})
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.HalfClose = 0 })
		w := door.dial()
		w.say("GET / HTTP/1.1", "Host: h")
		w.half()
		receive(t, got)
		<-time.After(2 * lookSoon) // somebody has looked after it by then
		finish <- "in the end"
		if got := w.rest(); !strings.HasSuffix(got, "in the end") {
			t.Errorf("got %q", got)
		}
	})
}

func TestAConnectionOfHTTP10IsKeptIfItIsAskedFor(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			for c.head() != "" {
				c.send(ok("one"))
			}
		})
		w := door.dial()
		for range 2 {
			w.say("GET / HTTP/1.0", "Connection: keep-alive")
			res := must(w.answer("GET"))(t)
			if got := res.Header["Connection"]; text(res.Body) != "one" || !reflect.DeepEqual(got, []string{"keep-alive"}) {
				t.Errorf("got Connection %q", got)
			}
		}
		w.say("GET / HTTP/1.0")
		if got := w.rest(); !strings.HasSuffix(got, "one") {
			t.Errorf("got %q", got)
		}
	})
}

// What a backend sends before it is asked is not the answer to the next request
// (response queue poisoning).
// What comes after the next request was sent cannot be told from its answer, but
// what comes before can.
func TestWhatNobodyAskedForIsNoAnswer(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		var apart atomic.Bool
		idle, sent := make(chan bool), make(chan bool)
		door.raw("v1", func(c *wire) {
			switch {
			case c.head() == "":
				return
			case !apart.Load():
				c.send(ok("asked") + ok("not asked"))
			default:
				c.send(ok("asked"))
				<-idle
				c.send(ok("not asked"))
				sent <- true
			}
			c.rest()
		})
		for range 5 {
			door.is(door.get("/"), 200, "asked")
			door.observed()
		}
		apart.Store(true)
		for range 5 {
			door.is(door.get("/"), 200, "asked")
			door.leftIdle()
			idle <- true
			receive(t, sent)
		}
	})
}

func TestAnAnswerIsDatedAndTellsItsWay(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		heads := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			heads <- c.head()
			c.send("HTTP/1.1 200 OK\r\nVia: 1.0 cache\r\nContent-Length: 0\r\n\r\n")
		})
		door.configure(func(c *Config, _ *router.Config) { c.Via = true })
		got := door.exchange("GET / HTTP/1.1", "Host: h", "Connection: close", "Via: 1.1 a")
		if v := field(got, "Via"); !reflect.DeepEqual(v, []string{"1.0 cache", "1.1 divvy"}) {
			t.Errorf("the client got Via %q", v)
		}
		if v := field(receive(t, heads), "Via"); !reflect.DeepEqual(v, []string{"1.1 a", "1.1 divvy"}) {
			t.Errorf("the origin got Via %q", v)
		}
		if d := field(got, "Date"); len(d) != 1 {
			t.Errorf("got Date %q", d)
		} else if at, err := http.ParseTime(d[0]); err != nil || time.Since(at) > time.Minute {
			t.Errorf("got Date %q, %v", d, err)
		}
	})
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		f := func(sent, want string) {
			t.Helper()
			w := door.dial()
			w.send(sent)
			if got := w.rest(); !strings.HasPrefix(got, "HTTP/1.1 "+want) {
				t.Errorf("%q: got %q, want %s", sent, got, want)
			}
		}
		f("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 ")
		f("GET /\r\n", "400 ")
		f("GET / HTTP/3.0\r\nHost: h\r\n\r\n", "505 ")
		f("\x16\x03\x01\x02\x00", "400 ")
		f("SSH-2.0-client\r\n", "400 ")
	})
}

// A large body of known length takes another way than a short one, and may be
// cut there as well.
func TestALargeAnswerThatIsCutShortLooksIt(t *testing.T) {
	securedOrNot(t, func(t *testing.T, door *harness) {
		const size = 1 << 20
		door.raw("v1", func(c *wire) {
			c.head()
			c.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))
			c.send(strings.Repeat("x", size/2))
		})
		lossy := door.client == nil // over HTTP/3, which drops what is on its way (RFC 9000 section 3.1)
		res, err := door.transport.RoundTrip(door.request("GET", "/", nil))
		if err != nil && !lossy {
			t.Fatal(err)
		}
		if err == nil {
			if n, err := io.Copy(io.Discard, res.Body); n != size/2 && !lossy || n > size/2 || err == nil {
				t.Errorf("%d bytes came, %v", n, err)
			}
			res.Body.Close()
		}
		if o := door.observed(); o.ResponseBytes != size/2 && !lossy || !strings.HasPrefix(o.Err, "the answer was cut short") {
			t.Errorf("observed %d bytes, %q", o.ResponseBytes, o.Err)
		}
	})
}
