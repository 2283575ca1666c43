package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"divvy/router"

	"golang.org/x/net/websocket"
)

// switched is the answer that begins the echo protocol.
const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Extra: 1\r\n\r\nhello\n"

// echo is a backend that switches to a protocol of its own, in which each line
// comes back. It ends when the client does, with a last word.
func echo(c *wire) {
	head := c.head()
	if protocol := field(head, "Upgrade"); len(protocol) != 1 || field(head, "Connection") == nil {
		c.send("HTTP/1.1 426 Upgrade Required\r\nUpgrade: echo\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno")
		return
	}
	c.send(switched)
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.send("bye\n")
			return
		}
		c.send(line)
	}
}

// upgraded returns a connection that speaks the echo protocol.
func (h *harness) upgraded(early string) *wire {
	h.t.Helper()
	w := h.dial()
	w.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, upgrade\r\nUpgrade: echo\r\n\r\n" + early)
	head := w.head()
	if !strings.HasPrefix(head, "HTTP/1.1 101 Switching Protocols\r\n") || field(head, "Upgrade") == nil ||
		field(head, "Connection") == nil || field(head, "X-Extra") == nil {
		h.t.Fatalf("got %q", head)
	}
	if got := w.read(6); got != "hello\n" {
		h.t.Fatalf("got %q", got)
	}
	return w
}

func TestBytesPassBothWaysAfterAnUpgrade(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", echo)
		w := door.upgraded("early\n") // sent before the answer
		if got := w.read(6); got != "early\n" {
			t.Errorf("got %q", got)
		}
		for range 3 {
			w.send("ping\n")
			if got := w.read(5); got != "ping\n" {
				t.Errorf("got %q", got)
			}
		}
		w.half() // no more comes from the client, which can still hear
		if got := w.rest(); got != "bye\n" {
			t.Errorf("got %q after the client's end", got)
		}
		o := door.observed()
		if o.Status != 101 || !o.Upgraded || o.RequestBytes != 21 || o.ResponseBytes != 31 || o.Err != "" || o.FirstByte <= 0 {
			t.Errorf("observed %d, upgraded %t, %d in, %d out, %q", o.Status, o.Upgraded, o.RequestBytes, o.ResponseBytes, o.Err)
		}
	})
}

// timeouts.half_close is for answers: a tunnel has a time of its own.
func TestAClientThatHasClosedItsSideOfATunnelMayListen(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		finish := make(chan bool)
		door.raw("v1", func(c *wire) {
			c.head()
			c.send(switched)
			<-finish
			c.send("at last")
		})
		w := door.upgraded("")
		w.half()
		<-time.After(3 * lookSoon) // longer than timeouts.half_close
		close(finish)
		if got := w.rest(); got != "at last" {
			t.Errorf("got %q", got)
		}
	})
}

func TestTheOriginMayEndItsSideFirst(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		got := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			c.head()
			c.send(switched)
			c.half()
			got <- c.rest()
		})
		w := door.upgraded("")
		if rest := w.rest(); rest != "" {
			t.Errorf("got %q", rest)
		}
		w.send("still talking")
		w.half()
		if got := receive(t, got); got != "still talking" {
			t.Errorf("the origin got %q", got)
		}
		if o := door.observed(); o.Err != "" {
			t.Errorf("observed %q", o.Err)
		}
	})
}

func TestWebSocketsWork(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		socket := websocket.Server{Handler: func(c *websocket.Conn) {
			var m string
			for websocket.Message.Receive(c, &m) == nil {
				_ = websocket.Message.Send(c, m)
			}
		}}
		door.origin("v1", socket.ServeHTTP)
		about := must(websocket.NewConfig("ws://"+door.addr+"/", "http://shop.test/"))(t)
		c := must(websocket.NewClient(about, door.dial()))(t)
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		for _, m := range []string{"one", strings.Repeat("x", 100_000), ""} {
			var got string
			if err := websocket.Message.Send(c, m); err != nil {
				t.Fatal(err)
			}
			if err := websocket.Message.Receive(c, &got); err != nil || got != m {
				t.Errorf("got %.10q, %v, want %.10q", got, err, m)
			}
		}
	})
}

func TestASwitchIsDressedLikeAnyAnswer(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", echo)
		door.configure(func(c *Config, s *router.Config) {
			c.ServedBy = true
			s.Sticky.By = []string{"cookie"}
		})
		w := door.dial()
		w.say("GET / HTTP/1.1", "Host: h", "Connection: Upgrade", "Upgrade: echo")
		head := w.head()
		for _, name := range []string{"Set-Cookie", "Cache-Control", ServedByHeader} {
			if field(head, name) == nil {
				t.Errorf("%s is missing from %q", name, head)
			}
		}
	})
}

func TestATunnelEndsWhenTheClientBreaks(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		ended := make(chan bool, 1)
		door.raw("v1", func(c *wire) {
			c.head()
			c.send(switched)
			ended <- c.ended()
		})
		door.upgraded("").reset()
		if !receive(t, ended) {
			t.Error("the origin was not told that the client is gone")
		}
		if o := door.observed(); o.Status != 101 || !strings.Contains(o.Err, "reset") {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
	})
}

func TestATunnelEndsWhenTheOriginBreaks(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		cut := make(chan bool)
		door.raw("v1", func(c *wire) {
			c.head()
			c.send(switched)
			<-cut
			c.reset()
		})
		w := door.upgraded("")
		close(cut)
		if !w.ended() {
			t.Error("the client was not told that the origin is gone")
		}
		if o := door.observed(); o.Status != 101 || !strings.Contains(o.Err, "reset") {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
	})
}

func TestATunnelInWhichNothingMovesEnds(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", echo)
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Tunnel = 50 * time.Millisecond })
		w := door.upgraded("")
		if !w.ended() {
			t.Error("it did not end")
		}
		if o := door.observed(); !strings.Contains(o.Err, "nothing moved") {
			t.Errorf("observed %q", o.Err)
		}
	})
}

func TestARefusedUpgradeIsAnAnswerLikeAnyOther(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "no")
		})
		w := door.dial()
		for range 2 { // the connection can be used again
			w.say("GET / HTTP/1.1", "Host: h", "Connection: Upgrade", "Upgrade: echo")
			res := must(w.answer("GET"))(t)
			if got := text(res.Body); res.StatusCode != 403 || got != "no" {
				t.Errorf("got %d %q", res.StatusCode, got)
			}
		}
	})
}

func TestAnAnswerThatDemandsAnUpgradeSaysWhich(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", echo)
		head := door.exchange("GET / HTTP/1.1", "Host: h", "Connection: close")
		if !strings.HasPrefix(head, "HTTP/1.1 426 ") || len(field(head, "Upgrade")) != 1 || field(head, "Upgrade")[0] != "echo" {
			t.Errorf("got %q", head)
		}
	})
}

// What came after a change to HTTP/2 would reach the origin past every rule.
func TestAnUpgradeThatMustNotPassDoesNot(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		heads := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			heads <- c.head()
			c.send(ok("plain"))
		})
		f := func(lines ...string) {
			t.Helper()
			got := door.exchange(lines...)
			head := receive(t, heads)
			for _, name := range []string{"Upgrade", "Connection", "HTTP2-Settings"} {
				if field(head, name) != nil {
					t.Errorf("%q: the origin got %q", lines, head)
				}
			}
			if !strings.HasSuffix(got, "plain") {
				t.Errorf("got %q", got)
			}
		}
		f("GET / HTTP/1.1", "Host: h", "Connection: close, Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
		f("GET / HTTP/1.1", "Host: h", "Connection: close, Upgrade", "Upgrade: H2C", "HTTP2-Settings: AAMAAABk")
		f("GET / HTTP/1.1", "Host: h", "Connection: close, Upgrade", "Upgrade: websocket, h2c")
		f("GET / HTTP/1.1", "Host: h", "Connection: close, Upgrade", "Upgrade: TLS/1.3, HTTP/2.0")
		f("GET / HTTP/1.1", "Host: h", "Connection: close", "Upgrade: websocket") // not named in Connection
		f("GET / HTTP/1.0", "Host: h", "Connection: Upgrade", "Upgrade: websocket")
	})
}

func TestASwitchThatWasNotAskedForIsNoAnswer(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			c.head()
			c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
			c.rest()
		})
		f := func(lines ...string) {
			t.Helper()
			if got := door.exchange(lines...); !strings.HasPrefix(got, "HTTP/1.1 502 ") {
				t.Errorf("got %q", got)
			}
			if o := door.observed(); o.Status != 502 || o.Upgraded || !strings.Contains(o.Err, "switched") {
				t.Errorf("observed %d %q", o.Status, o.Err)
			}
		}
		f("GET / HTTP/1.1", "Host: h", "Connection: close")
		f("GET / HTTP/1.1", "Host: h", "Connection: close, Upgrade", "Upgrade: echo, another")
		// The rest of the body would be taken for the new protocol.
		f("POST / HTTP/1.1", "Host: h", "Connection: close, Upgrade", "Upgrade: other", "Content-Length: 1")
	})
}

func TestOneOfSeveralProtocolsMayBeChosen(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			c.head()
			c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ECHO\r\n\r\nhello")
		})
		got := door.exchange("GET / HTTP/1.1", "Host: h", "Connection: Upgrade", "Upgrade: another, echo")
		if !strings.HasPrefix(got, "HTTP/1.1 101 ") || !strings.HasSuffix(got, "\r\n\r\nhello") {
			t.Errorf("got %q", got)
		}
	})
}
