package proxy

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"divvy/router"
)

func TestATargetThatIsTooLongIsRefused(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
		door.configure(func(c *Config, _ *router.Config) { c.Limits.Target = 300 })
		door.is(door.get("/"+strings.Repeat("x", 299)), 200, "")
		if a := door.get("/" + strings.Repeat("x", 300)); a.StatusCode != 414 {
			t.Errorf("got %d, want 414", a.StatusCode)
		}
		door.observed()
		if o := door.observed(); o.Status != 414 || !strings.Contains(o.Err, "limits.target") || o.Attempts != 0 || o.Service != "" {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
	})
}

func TestAHeadThatIsTooLargeIsRefused(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
		door.configure(func(c *Config, _ *router.Config) { c.Limits.Header, c.Limits.Target = 2048, 1024 })
		f := func(size int, want string) {
			t.Helper()
			got := door.exchange("GET / HTTP/1.1", "Host: h", "Connection: close", "X-Large: "+strings.Repeat("x", size))
			if !strings.HasPrefix(got, "HTTP/1.1 "+want) {
				t.Errorf("%d bytes: got %.40q, want %s", size, got, want)
			}
		}
		f(1500, "200")
		f(2048, "431")
	})
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, text(r.Body))
		})
		door.configure(func(c *Config, _ *router.Config) { c.Limits.Body = 4 })
		unknown := func(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

		door.is(door.post("/", "four"), 200, "four")
		door.is(door.do(door.request("POST", "/", unknown("four"))), 200, "four")
		door.observed()
		door.observed()
		for name, r := range map[string]*http.Request{
			"declared": door.request("POST", "/", strings.NewReader("fives")),
			"chunked":  door.request("POST", "/", unknown("fives")),
		} {
			if a := door.do(r); a.StatusCode != 413 {
				t.Errorf("%s: got %d, want 413", name, a.StatusCode)
			}
			o := door.observed()
			if asked := o.Attempts > 0; asked != (name == "chunked") {
				t.Errorf("%s: %d attempts", name, o.Attempts)
			}
			if o.Status != 413 || !strings.Contains(o.Err, "limits.body") || o.Service != "shop" || o.Meter == nil {
				t.Errorf("%s: observed %d %q", name, o.Status, o.Err)
			}
		}
		door.is(door.post("/", "more"), 200, "more") // the backend is none the worse for it
	})
}

func TestABodyThatIsSentTooSlowlyIsGivenUp(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		ended := make(chan string, 1)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { ended <- text(r.Body) })
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Stream = 50 * time.Millisecond })
		for _, framing := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
			w := door.dial()
			w.say("POST / HTTP/1.1", "Host: h", framing)
			w.send("3\r\nabc\r\n"[:5])
			if got := w.rest(); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
				t.Errorf("%s: got %q, want 408", framing, got)
			}
			if o := door.observed(); o.Status != 408 || !strings.Contains(o.Err, "stopped sending") {
				t.Errorf("%s: observed %d %q", framing, o.Status, o.Err)
			}
			if got := receive(t, ended); !strings.HasSuffix(got, ">") {
				t.Errorf("%s: to the origin the body looked complete: %q", framing, got)
			}
		}
	})
}

func TestMethodsThatAreNotServed(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { t.Errorf("the origin got %s", r.Method) })
		for _, line := range []string{"TRACE / HTTP/1.1", "CONNECT shop.test:443 HTTP/1.1"} {
			head := door.exchange(line, "Host: shop.test:443", "Connection: close")
			if !strings.HasPrefix(head, "HTTP/1.1 405 ") || len(field(head, "Allow")) != 1 {
				t.Errorf("%s: got %q", line, head)
			}
			if o := door.observed(); o.Status != 405 || o.Err == "" {
				t.Errorf("%s: observed %d %q", line, o.Status, o.Err)
			}
		}
	})
}

func TestWhatIsNoRequestIsRefused(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { t.Errorf("the origin got %s %s", r.Method, r.URL) })
		f := func(want string, lines ...string) {
			t.Helper()
			if got := door.exchange(lines...); !strings.HasPrefix(got, want) {
				t.Errorf("%q: got %q, want %s", lines, got, want)
			}
		}
		f("HTTP/1.1 400 ", "GET / HTTP/1.1") // no host
		f("HTTP/1.1 400 ", "GET / HTTP/1.1", "Host:", "Connection: close")
		f("HTTP/1.1 400 ", "GET / HTTP/1.1", "Host: a", "Host: b")
		f("HTTP/1.1 400 ", "GET / HTTP/1.1", "Host: a/b")
		f("HTTP/1.1 400 ", "GET / HTTP/1.1", "Host: h", "No colon")
		f("HTTP/1.1 400 ", "GET / HTTP/1.1", "Host: h", "Space : x")
		f("HTTP/1.1 400 ", "GET / HTTP/1.1", "Host: h", "Content-Length: -1")
		f("HTTP/1.1 400 ", "GET / HTTP/1.1", "Host: h", "Content-Length: 1", "Content-Length: 2")
		f("HTTP/1.1 400 ", "G ET / HTTP/1.1", "Host: h")
		f("HTTP/1.1 501 ", "GET / HTTP/1.1", "Host: h", "Transfer-Encoding: gzip, chunked")
		f("HTTP/1.1 417 ", "GET / HTTP/1.1", "Host: h", "Expect: miracles", "Connection: close")
	})
}

func TestABodyThatIsGarbageIsTheClientsFault(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		got := door.exchange("POST / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "", "zz")
		if !strings.HasPrefix(got, "HTTP/1.1 400 ") || !reflect.DeepEqual(field(got, "Connection"), []string{"close"}) {
			t.Errorf("got %q", got)
		}
		if o := door.observed(); o.Status != 400 || !strings.Contains(o.Err, "reading the client's body") {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
	})
}
