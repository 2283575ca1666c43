package proxy

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Handler is the door for everything that net/http and its relatives speak.
func (p *Proxy) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ex := &exchange{
			world: p.world.Load(), req: r, scheme: "http",
			door: &handlerDoor{w: w, control: http.NewResponseController(w)},
		}
		if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			ex.peer = addr.Addr().Unmap()
		}
		if r.TLS != nil {
			ex.scheme = "https"
		}
		p.serve(ex)
		if ex.cut {
			// The only way to end an answer of net/http so that the client
			// can see that it is incomplete.
			panic(http.ErrAbortHandler)
		}
	})
}

// handlerDoor answers through an http.ResponseWriter.
type handlerDoor struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (d *handlerDoor) inform(status int, h http.Header) {
	copyHeader(d.w.Header(), h)
	d.w.WriteHeader(status)
	clear(d.w.Header())
}

func (d *handlerDoor) begin(status int, h http.Header) error {
	copyHeader(d.w.Header(), h)
	if _, typed := h["Content-Type"]; !typed {
		d.w.Header()["Content-Type"] = nil // no guessing
	}
	d.w.WriteHeader(status)
	return nil
}

func (d *handlerDoor) Write(b []byte) (int, error) { return d.w.Write(b) }
func (d *handlerDoor) flush() error                { return d.control.Flush() }

func (d *handlerDoor) trailer(h http.Header) {
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
	// What net/http has set would cut the tunnel off.
	if err := conn.SetDeadline(time.Time{}); err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("taking over the client's connection: %w", err)
	}
	return conn, rw.Reader, nil
}

// A connection that cannot have a deadline works without one.
func (d *handlerDoor) readDeadline(t time.Time)  { _ = d.control.SetReadDeadline(t) }
func (d *handlerDoor) writeDeadline(t time.Time) { _ = d.control.SetWriteDeadline(t) }

func (d *handlerDoor) closeAfter() { d.w.Header().Set("Connection", "close") }

func copyHeader(dst, src http.Header) {
	for k, v := range src {
		dst[k] = append(dst[k], v...)
	}
}
