package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is an answer that has been read to its end.
type answer struct {
	*http.Response
	body string
	err  error // why there is no more of the body, nil if that was all
}

// request returns a request to the door. Fields are given as "Name: value".
func (h *harness) request(method, target string, body io.Reader, fields ...string) *http.Request {
	h.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	h.t.Cleanup(stop)
	r, err := http.NewRequestWithContext(ctx, method, h.scheme()+"://"+h.addr+target, body)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Host = "shop.test"
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// send sends a request and returns the answer, whose body is still to be read.
func (h *harness) send(r *http.Request) *http.Response {
	h.t.Helper()
	res, err := h.transport.RoundTrip(r)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { res.Body.Close() })
	return res
}

// do sends a request and reads the answer.
func (h *harness) do(r *http.Request) *answer {
	h.t.Helper()
	res := h.send(r)
	b, err := io.ReadAll(res.Body)
	return &answer{res, string(b), err}
}

func (h *harness) get(target string, fields ...string) *answer {
	h.t.Helper()
	return h.do(h.request("GET", target, nil, fields...))
}

func (h *harness) post(target, body string, fields ...string) *answer {
	h.t.Helper()
	return h.do(h.request("POST", target, strings.NewReader(body), fields...))
}

// is checks status and body of an answer.
func (h *harness) is(a *answer, status int, body string) {
	h.t.Helper()
	if a.StatusCode != status || a.body != body || a.err != nil {
		h.t.Errorf("got %d %q (%v), want %d %q", a.StatusCode, a.body, a.err, status, body)
	}
}

// dial opens a connection to the door, tuned before it is used.
func (h *harness) dial(tune ...func(*net.TCPConn)) *wire {
	h.t.Helper()
	c, err := h.connect(tune...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return newWire(c)
}

// connect opens a connection to the door, without a test's care.
func (h *harness) connect(tune ...func(*net.TCPConn)) (net.Conn, error) {
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		return nil, err
	}
	for _, f := range tune {
		f(c.(*net.TCPConn))
	}
	if !h.secure {
		return c, nil
	}
	_, trusted := identity()
	secured := tls.Client(c, &tls.Config{RootCAs: trusted, ServerName: "127.0.0.1", NextProtos: h.protocols})
	return secured, secured.Handshake()
}

func (h *harness) scheme() string {
	if h.secure {
		return "https"
	}
	return "http"
}

// exchange sends bytes over a connection of its own and returns all that comes
// back until the door closes it.
func (h *harness) exchange(lines ...string) string {
	h.t.Helper()
	w := h.dial()
	w.say(lines...)
	return w.rest()
}

// wire is one end of a connection whose bytes a test reads and writes itself.
// Nothing on it takes longer than patience.
type wire struct {
	net.Conn
	r *bufio.Reader
}

func newWire(c net.Conn) *wire {
	_ = c.SetDeadline(time.Now().Add(patience))
	return &wire{c, bufio.NewReader(c)}
}

func (w *wire) Read(p []byte) (int, error) { return w.r.Read(p) }

// head sends a message's head: lines without their ends.
func (w *wire) say(lines ...string) {
	w.send(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// send sends bytes. That they do not arrive shows at the other end.
func (w *wire) send(s string) { _, _ = io.WriteString(w.Conn, s) }

// head reads a message's head with its empty line. "" is the end of the
// connection.
func (w *wire) head() string {
	var b strings.Builder
	for {
		line, err := w.r.ReadString('\n')
		if err != nil {
			return ""
		}
		b.WriteString(line)
		if line == "\r\n" {
			return b.String()
		}
	}
}

// request reads a request whose body, if any, has a length.
func (w *wire) request() (head, body string) {
	head = w.head()
	if l := field(head, "Content-Length"); len(l) == 1 {
		n, _ := strconv.Atoi(l[0])
		body = w.read(n)
	}
	return head, body
}

// read reads n bytes.
func (w *wire) read(n int) string {
	b := make([]byte, n)
	n, err := io.ReadFull(w.r, b)
	if err != nil {
		return string(b[:n]) + "<" + err.Error() + ">"
	}
	return string(b)
}

// rest reads until the other end closes.
func (w *wire) rest() string { return text(w.r) }

// answer reads the head of an answer to a request with this method.
func (w *wire) answer(method string) (*http.Response, error) {
	return http.ReadResponse(w.r, &http.Request{Method: method})
}

// half ends the direction away from us.
func (w *wire) half() { _ = w.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// reset ends the connection without ceremony.
func (w *wire) reset() {
	_ = beneath(w.Conn).(*net.TCPConn).SetLinger(0)
	_ = beneath(w.Conn).Close()
}

// ended reports whether the other end has closed or broken the connection.
func (w *wire) ended() bool {
	_, err := w.r.ReadByte()
	var timeout net.Error
	return err != nil && (!errors.As(err, &timeout) || !timeout.Timeout())
}

// field returns the lines of a raw head that have this name.
func field(head, name string) []string {
	var values []string
	for line := range strings.SplitSeq(head, "\r\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(k, name) {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

// ok is a small complete answer.
func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
