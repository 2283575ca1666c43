package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Handler is the door for everything that net/http and its relatives speak.
func (p *Proxy) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ex := &exchange{
			world: p.world.Load(), req: r, scheme: "http",
			door: &handlerDoor{w: w, r: r, control: http.NewResponseController(w)},
		}
		if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			ex.peer = plain(addr.Addr())
		}
		if r.TLS != nil {
			ex.scheme = "https"
		}
		p.serve(ex)
		if ex.cut {
			ex.door.(*handlerDoor).cut()
		}
	})
}

// handlerDoor answers through an http.ResponseWriter.
type handlerDoor struct {
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController

	mu    sync.Mutex // guards heads, and the fields below
	begun bool
	asked bool // the client has been asked for the body
	last  bool // the connection ends after this answer
}

func (d *handlerDoor) inform(status int, h http.Header) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun || d.asked && status == http.StatusContinue {
		return
	}
	d.asked = d.asked || status == http.StatusContinue
	copyHeader(d.w.Header(), h)
	d.w.WriteHeader(status)
	clear(d.w.Header())
}

// proceed does what net/http would do when the body is first read, which could
// be while another goroutine sends an informational answer. HTTP/2 takes care
// of that.
func (d *handlerDoor) proceed() {
	if d.r.ProtoMajor != 1 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.begun && !d.asked {
		d.asked = true
		d.w.WriteHeader(http.StatusContinue)
	}
}

func (d *handlerDoor) begin(status int, h http.Header) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = true
	copyHeader(d.w.Header(), h)
	if d.last {
		d.w.Header().Set("Connection", "close")
	}
	if _, typed := h["Content-Type"]; !typed {
		d.w.Header()["Content-Type"] = nil // no guessing
	}
	d.w.WriteHeader(status)
	return nil
}

func (d *handlerDoor) Write(b []byte) (int, error) { return d.w.Write(b) }
func (d *handlerDoor) flush() error                { return d.control.Flush() }

// trailer sends fields after the body. net/http gives a short body a length,
// after which no fields can come, unless it is made to send the head before.
func (d *handlerDoor) trailer(h http.Header) {
	_ = d.control.Flush() // what is wrong shows when the exchange ends
	for k, values := range h {
		for _, v := range values {
			d.w.Header().Add(http.TrailerPrefix+k, v)
		}
	}
}

func (d *handlerDoor) hijack() (net.Conn, *bufio.Reader, error) {
	conn, rw, err := d.control.Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("taking over the client's connection: %w", err)
	}
	return conn, rw.Reader, nil // without the deadlines that it had
}

// A connection that cannot have a deadline works without one.
func (d *handlerDoor) readDeadline(t time.Time) bool { return d.control.SetReadDeadline(t) == nil }
func (d *handlerDoor) writeDeadline(t time.Time)     { _ = d.control.SetWriteDeadline(t) }

// closeAfter leaves a connection of HTTP/2 open, where the rest of a body cannot
// be taken for anything else.
func (d *handlerDoor) closeAfter() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = d.r.ProtoMajor == 1
}

// cut ends the answer so that the client can see that it is incomplete.
func (d *handlerDoor) cut() {
	if d.r.ProtoMajor == 1 && !d.r.ProtoAtLeast(1, 1) {
		// The end of the connection is the end of the answer there, so the
		// connection has to break, below TLS if there is any.
		if conn, _, err := d.control.Hijack(); err == nil {
			if secure, ok := conn.(*tls.Conn); ok {
				conn = secure.NetConn()
			}
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			conn.Close()
		}
	}
	panic(http.ErrAbortHandler) // what net/http has for this
}

func copyHeader(dst, src http.Header) {
	for k, v := range src {
		dst[k] = append(dst[k], v...)
	}
}
