package proxy

//lint:file-ignore SA1019 net/http's own client of HTTP/2 refuses to send :protocol

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"divvy/router"

	"golang.org/x/net/http2"
)

// overStreams runs a test once for each door whose requests have streams.
func overStreams(t *testing.T, test func(t *testing.T, door *harness)) {
	t.Helper()
	t.Parallel()
	for _, d := range doors {
		if !d.wire {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				test(t, newHarness(t, d.open))
			})
		}
	}
}

// socket is a WebSocket on a stream, of which a test writes the bytes itself.
type socket struct {
	*http.Response
	to *io.PipeWriter
}

// connect opens a stream that is to carry a protocol.
func (h *harness) stream(protocol string, fields ...string) *socket {
	h.t.Helper()
	from, to := io.Pipe()
	r := h.request(http.MethodConnect, "/chat?room=1", from, fields...)
	client := h.transport.RoundTrip
	if r.Proto = protocol; h.client != nil {
		r.Header.Set(":protocol", protocol) // which net/http's own client refuses
		client = h.obedient().RoundTrip
	}
	res := must(client(r))(h.t)
	s := &socket{res, to}
	h.t.Cleanup(func() { to.Close(); s.Body.Close() })
	return s
}

// obedient returns a client of HTTP/2 that does as it is told.
func (h *harness) obedient() *http2.Transport {
	t := &http2.Transport{AllowHTTP: true, DialTLSContext: func(context.Context, string, string, *tls.Config) (net.Conn, error) {
		return h.connect()
	}}
	h.t.Cleanup(t.CloseIdleConnections)
	return t
}

func (s *socket) say(text string) { _, _ = io.WriteString(s.to, text) }

func (s *socket) hear(n int) string {
	b := make([]byte, n)
	n, err := io.ReadFull(s.Body, b)
	if err != nil {
		return fmt.Sprintf("%s<%v>", b[:n], err)
	}
	return string(b)
}

// chat is a backend that opens WebSockets and gives back each line that comes.
// When no more come it has a last word.
func chat(c *wire) {
	head := c.head()
	if !strings.HasPrefix(head, "GET /chat?room=1 HTTP/1.1\r\n") || len(field(head, webSocketKey)) != 1 || field(head, "Upgrade") == nil {
		c.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
		return
	}
	c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: chat\r\n" +
		"Sec-WebSocket-Accept: " + acceptOf(field(head, webSocketKey)[0]) + "\r\n\r\nhello\n")
	for {
		line, err := c.r.ReadString('\n')
		switch {
		case err != nil:
			c.send("bye\n")
			return
		case line == "quit\n":
			return
		}
		c.send(line)
	}
}

// The example of RFC 6455 section 1.3.
func TestTheAnswerToAKeyIsThatOfTheStandard(t *testing.T) {
	t.Parallel()
	if got := acceptOf("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("got %s", got)
	}
}

func TestAWebSocketPassesOnAStream(t *testing.T) {
	overStreams(t, func(t *testing.T, door *harness) {
		door.raw("v1", chat)
		door.configure(func(_ *Config, s *router.Config) { s.Sticky.By = []string{"cookie"} })
		s := door.stream("websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: chat")
		if s.StatusCode != 200 || s.Header.Get("Sec-Websocket-Protocol") != "chat" || s.Header.Get(webSocketAccept) != "" ||
			s.Header.Get("Upgrade") != "" || len(s.Cookies()) != 1 {
			t.Fatalf("got %d %v", s.StatusCode, s.Header)
		}
		if got := s.hear(6); got != "hello\n" {
			t.Errorf("got %q", got)
		}
		for range 3 {
			s.say("ping\n")
			if got := s.hear(5); got != "ping\n" {
				t.Errorf("got %q", got)
			}
		}
		s.to.Close() // no more comes from the client, which can still hear
		if got := text(s.Body); got != "bye\n" {
			t.Errorf("got %q after the client's end", got)
		}
		o := door.observed()
		if o.Status != 101 || !o.Upgraded || o.Method != "GET" || o.RequestBytes != 15 || o.ResponseBytes != 25 || o.Err != "" {
			t.Errorf("observed %s %d, upgraded %t, %d in, %d out, %q", o.Method, o.Status, o.Upgraded, o.RequestBytes, o.ResponseBytes, o.Err)
		}
	})
}

func TestAWebSocketOnAStreamEndsWithItsOrigin(t *testing.T) {
	overStreams(t, func(t *testing.T, door *harness) {
		door.raw("v1", chat)
		s := door.stream("websocket")
		s.hear(6)
		s.say("quit\n")
		if got := text(s.Body); got != "" {
			t.Errorf("got %q", got)
		}
		if o := door.observed(); o.Err != "" {
			t.Errorf("observed %q", o.Err)
		}
	})
}

func TestAWebSocketOnAStreamEndsWithItsClient(t *testing.T) {
	overStreams(t, func(t *testing.T, door *harness) {
		ended := make(chan bool, 1)
		door.raw("v1", func(c *wire) { chat(c); ended <- true })
		s := door.stream("websocket")
		s.hear(6)
		_ = s.to.CloseWithError(io.ErrUnexpectedEOF) // the stream is reset
		s.Body.Close()
		receive(t, ended)
		if o := door.observed(); o.Status != 101 || o.Err == "" {
			t.Errorf("observed %d %q", o.Status, o.Err)
		}
	})
}

func TestAWebSocketOnAStreamInWhichNothingMovesEnds(t *testing.T) {
	overStreams(t, func(t *testing.T, door *harness) {
		door.raw("v1", chat)
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Tunnel = 500 * time.Millisecond })
		s := door.stream("websocket")
		s.hear(6)
		for range 4 { // longer than the limit, but something moves
			<-time.After(150 * time.Millisecond)
			s.say("x\n")
			if got := s.hear(2); got != "x\n" {
				t.Fatalf("got %q", got)
			}
		}
		if got := text(s.Body); !strings.HasPrefix(got, "<") {
			t.Errorf("got %q, which looks like the end", got)
		}
		if o := door.observed(); !strings.Contains(o.Err, "nothing moved") {
			t.Errorf("observed %q", o.Err)
		}
	})
}

func TestAStreamThatBecomesNoWebSocketIsRefused(t *testing.T) {
	overStreams(t, func(t *testing.T, door *harness) {
		answers := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			if c.head() != "" {
				c.send(<-answers)
			}
		})
		f := func(answer string, want int) {
			t.Helper()
			answers <- answer
			if s := door.stream("websocket"); s.StatusCode != want {
				t.Errorf("%q: got %d, want %d", answer, s.StatusCode, want)
			}
		}
		const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		f("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403)
		f("HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: other\r\nContent-Length: 0\r\n\r\n", 426)
		f(ok("it does not know"), 502) // the client would take that for the tunnel
		f(switched+"Upgrade: other\r\n\r\n", 502)
		f(switched+"Upgrade: websocket\r\n\r\n", 502)
		f(switched+"Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", 502)
		// Others would need a tunnel of another kind.
		if s := door.stream("connect-udp"); s.StatusCode != 501 {
			t.Errorf("got %d, want 501", s.StatusCode)
		}
	})
}
