package proxy

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"strings"
	"testing"
)

func TestEarlyHintsArriveEarly(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		hinted := make(chan textproto.MIMEHeader, 2)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(http.StatusEarlyHints)
			<-r.Context().Done() // until the client has what it wants
		})
		r := door.request("GET", "/", nil)
		seen, stop := context.WithCancel(r.Context())
		defer stop()
		ctx := httptrace.WithClientTrace(seen, &httptrace.ClientTrace{
			Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
				if status == http.StatusEarlyHints {
					hinted <- h
				}
				stop() // ends the request
				return http.ErrHandlerTimeout
			},
		})
		if _, err := door.transport.RoundTrip(r.WithContext(ctx)); err == nil {
			t.Fatal("there was an answer")
		}
		if got := receive(t, hinted); !reflect.DeepEqual(got["Link"], []string{"</a.css>"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestABodyIsAskedForByTheOriginInAnyProtocol(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", repeat)
		w := door.dial()
		w.say("POST / HTTP/1.1", "Host: h", "Expect: 100-continue", "Content-Length: 4")
		if head := w.head(); !strings.HasPrefix(head, "HTTP/1.1 100 ") {
			t.Fatalf("got %q", head)
		}
		w.send("body")
		if res := must(w.answer("POST"))(t); text(res.Body) != "POST / body." {
			t.Errorf("got %d", res.StatusCode)
		}
	})
}

func TestHintsDoNotMixWithTheAnswer(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			c.head()
			c.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n")
			c.send("HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n")
			c.send("HTTP/1.1 200 OK\r\nLink: </c>\r\nContent-Length: 0\r\n\r\n")
		})
		w := door.dial()
		w.say("GET / HTTP/1.1", "Host: h")
		for _, want := range []string{"</a>", "</b>", "</c>"} {
			if head := w.head(); !reflect.DeepEqual(field(head, "Link"), []string{want}) || field(head, "X-Hop") != nil {
				t.Errorf("got %q, want %s", head, want)
			}
		}
		// HTTP/1.0 has no such thing.
		if got := door.exchange("GET / HTTP/1.0"); strings.Count(got, "Link") != 1 || !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("got %q", got)
		}
	})
}

func TestOnlyTheOriginAsksForABody(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		asked, ask := make(chan string), make(chan bool)
		door.raw("v1", func(c *wire) {
			asked <- c.head()
			<-ask
			c.send("HTTP/1.1 100 Continue\r\n\r\n")
			c.send(ok(c.read(4)))
		})
		w := door.dial()
		w.say("POST / HTTP/1.1", "Host: h", "Expect: 100-continue", "Content-Length: 4", "Connection: close")
		if head := receive(t, asked); !reflect.DeepEqual(field(head, "Expect"), []string{"100-continue"}) {
			t.Errorf("the origin got %q", head)
		}
		ask <- true
		if head := w.head(); !strings.HasPrefix(head, "HTTP/1.1 100 ") {
			t.Fatalf("got %q", head)
		}
		w.send("body")
		if got := w.rest(); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, "body") {
			t.Errorf("got %q", got)
		}
	})
}

func TestARefusalComesWithoutTheBodyHavingBeenAskedFor(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			for head := c.head(); head != ""; head = c.head() {
				if strings.HasPrefix(head, "PUT /closing") {
					c.send("HTTP/1.1 417 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
					return
				}
				c.send("HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")
			}
		})
		for path, want := range map[string]string{"/": "401", "/closing": "417"} {
			w := door.dial()
			w.say("PUT "+path+" HTTP/1.1", "Host: h", "Expect: 100-continue", "Content-Length: 4")
			head := w.head()
			if got := w.read(2); !strings.HasPrefix(head, "HTTP/1.1 "+want) || got != "no" {
				t.Errorf("%s: got %q %q, want %s", path, head, got, want)
			}
			// The body may still come, and must not be taken for a request.
			if got := field(head, "Connection"); len(got) != 1 || got[0] != "close" {
				t.Errorf("%s: got Connection %q", path, got)
			}
			w.Close()
			if o := door.observed(); o.RequestBytes != 0 || o.Err != "" {
				t.Errorf("%s: observed %d bytes, %q", path, o.RequestBytes, o.Err)
			}
		}
	})
}

// An origin need not know of expectations, and a client may wait in vain for
// its answer (RFC 9110 section 10.1.1).
func TestABodyThatNobodyAsksForIsSentUnasked(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			c.head()
			c.send("HTTP/1.1 103 Early Hints\r\n\r\n")
			body := c.read(4)
			c.send("HTTP/1.1 100 Continue\r\n\r\n" + ok(body)) // too late to be of use
		})
		w := door.dial()
		w.say("POST / HTTP/1.1", "Host: h", "Expect: 100-continue", "Content-Length: 4", "Connection: close")
		if head := w.head(); !strings.HasPrefix(head, "HTTP/1.1 103 ") {
			t.Fatalf("got %q", head)
		}
		if head := w.head(); !strings.HasPrefix(head, "HTTP/1.1 100 ") {
			t.Fatalf("got %q", head)
		}
		w.send("body")
		if got := w.rest(); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, "body") {
			t.Errorf("got %q", got)
		}
	})
}
