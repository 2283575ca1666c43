package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"divvy/router"
)

// unanswered is a backend that reads requests and answers none. It says when it
// has read one, and when that was taken back.
type unanswered struct{ got, cancelled chan bool }

func newUnanswered() *unanswered {
	return &unanswered{make(chan bool, 10), make(chan bool, 10)}
}

func (u *unanswered) serve(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	u.got <- true
	<-r.Context().Done()
	u.cancelled <- true
}

func TestAClientThatGoesAwayTakesItsRequestWithIt(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		backend := newUnanswered()
		id := door.origin("v1", backend.serve)
		for _, method := range []string{"GET", "POST"} {
			w := door.dial()
			w.say(method+" / HTTP/1.1", "Host: h", "Content-Length: 4")
			w.send("body")
			receive(t, backend.got)
			if n := door.status(id).InFlight; n != 1 {
				t.Errorf("%d in flight, want 1", n)
			}
			if !strings.Contains(door.scrape(), `divvy_requests_in_flight{service="shop",version="v1@76317631"} 1`) {
				t.Error("the metrics have nothing in flight")
			}
			w.Close()
			receive(t, backend.cancelled)
			o := door.observed()
			if o.Status != 499 || o.Err != "the client went away" || o.ResponseBytes != 0 || o.Attempts != 1 || o.FirstByte != 0 {
				t.Errorf("observed %d %q", o.Status, o.Err)
			}
			if n := door.status(id).InFlight; n != 0 {
				t.Errorf("%d in flight, want 0", n)
			}
		}
	})
}

func TestAClientThatGoesAwayDuringItsRequest(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		begun, bodies := make(chan bool, 1), make(chan string, 1)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			begun <- true
			bodies <- text(r.Body)
		})
		for _, framing := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
			w := door.dial()
			w.say("POST / HTTP/1.1", "Host: h", framing)
			w.send("3\r\nabc\r\n")
			receive(t, begun)
			w.Close()
			if got := receive(t, bodies); !strings.HasSuffix(got, ">") {
				t.Errorf("%s: to the origin the body looked complete: %q", framing, got)
			}
			if o := door.observed(); o.Status != 499 || o.Err != "the client went away" {
				t.Errorf("%s: observed %d %q", framing, o.Status, o.Err)
			}
		}
	})
}

func TestAClientThatGoesAwayDuringTheAnswer(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		cancelled := make(chan bool, 1)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write(make([]byte, 32<<10))
			}
			cancelled <- true
		})
		w := door.dial()
		w.say("GET / HTTP/1.1", "Host: h")
		w.head()
		w.Close()
		receive(t, cancelled)
		if o := door.observed(); o.Status != 200 || o.Err != "the client went away" || o.FirstByte <= 0 {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
	})
}

// Who reads nothing for as long as timeouts.stream is as good as gone.
func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		cut := make(chan bool, 1)
		door.raw("v1", func(c *wire) {
			c.head()
			c.send("HTTP/1.1 200 OK\r\n\r\n") // and then without an end
			for part := make([]byte, 64<<10); ; {
				if _, err := c.Write(part); err != nil {
					cut <- true
					return
				}
			}
		})
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Stream = 500 * time.Millisecond })
		door.dial().say("GET / HTTP/1.1", "Host: h")
		receive(t, cut)
		if o := door.observed(); o.Status != 200 || !strings.Contains(o.Err, "writing to the client") {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
	})
}

func TestAnAnswerThatWasCutShortNeverLooksComplete(t *testing.T) {
	for name, answer := range map[string]string{
		"length":            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"chunked":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"inside of a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
		"garbage":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
		"before the body":   "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
		"without the end":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			securedOrNot(t, func(t *testing.T, door *harness) {
				door.raw("v1", func(c *wire) {
					if c.head() != "" {
						c.send(answer)
					}
				})
				lossy := door.client == nil // over HTTP/3, which drops what is on its way
				r := door.request("GET", "/", nil)
				res, err := door.transport.RoundTrip(r)
				body := ""
				if err == nil {
					var b []byte
					b, err = io.ReadAll(res.Body)
					res.Body.Close()
					body = string(b)
				}
				if err == nil {
					t.Errorf("it looks complete: %q", body)
				}
				o := door.observed()
				if o.Status != 200 || !strings.HasPrefix(o.Err, "the answer was cut short") || o.ResponseBytes != int64(len(body)) && !lossy || o.ResponseBytes < int64(len(body)) || o.Attempts != 1 || o.FirstByte <= 0 {
					t.Errorf("observed %d %q, %d bytes of %d", o.Status, o.Err, o.ResponseBytes, len(body))
				}
			})
		})
	}
}

func TestAnAnswerThatWasCutShortBreaksAConnectionOfHTTP10(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		cut := make(chan bool)
		door.raw("v1", func(c *wire) {
			c.head()
			c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
			<-cut
		})
		w := door.dial()
		w.say("GET / HTTP/1.0")
		w.head()
		w.read(4)
		close(cut)
		if got := w.rest(); !strings.Contains(got, "reset") {
			t.Errorf("got %q, which looks like the end", got)
		}
	})
}

// What was read before the end is the client's.
func TestWhatCameBeforeTheCutArrives(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		cut := make(chan string)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "half")
			w.(http.Flusher).Flush()
			next(r, cut)
			panic(http.ErrAbortHandler)
		})
		res := door.send(door.request("GET", "/", nil))
		half := make([]byte, 4)
		if _, err := io.ReadFull(res.Body, half); err != nil || string(half) != "half" {
			t.Errorf("got %q, %v", half, err)
		}
		cut <- ""
		if rest, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("it looks complete after %q", rest)
		}
		if o := door.observed(); o.ResponseBytes != 4 {
			t.Errorf("observed %d bytes", o.ResponseBytes)
		}
	})
}

// An answer whose origin falls silent is cut, even while the client is slow
// with its own body.
func TestAnAnswerThatStallsIsCut(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			c.head()
			c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
			c.rest()
		})
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Stream = 50 * time.Millisecond })
		if got := door.exchange("GET / HTTP/1.1", "Host: h"); !strings.HasSuffix(got, "4\r\nhalf\r\n") {
			t.Errorf("got %q", got)
		}
		if o := door.observed(); !strings.Contains(o.Err, "in time") {
			t.Errorf("observed %q", o.Err)
		}
	})
}

// A cut must be seen at once, also by a client that still has a body to send.
func TestACutDoesNotWaitForTheRestOfTheRequest(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			c.head()
			c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
		})
		w := door.dial()
		w.say("POST / HTTP/1.1", "Host: h", "Content-Length: 1000")
		w.send("abc")
		if got := w.rest(); strings.Contains(got, "timeout") || strings.HasSuffix(got, "0\r\n\r\n") {
			t.Errorf("got %q", got)
		}
		if o := door.observed(); o.Status != 200 || o.Err == "" {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
	})
}
