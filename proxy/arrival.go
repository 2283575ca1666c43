package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"
)

// guest is a connection from a client, in whichever protocol. All its methods may
// be called from any goroutine.
type guest interface {
	// leave ends it if it waits for a request.
	leave()

	// cutOff ends it, whatever it does.
	cutOff()

	// lookAfter finds out now and then whether the client is still there; what
	// has closed its side may be for half as yet.
	lookAfter(now time.Time, half time.Duration)
}

// arrival is a connection of which it is not known yet what is spoken on it. It is
// let begin what it has come for even when its port stops.
type arrival struct{ conn net.Conn }

func (a *arrival) leave()                             {}
func (a *arrival) cutOff()                            { a.conn.Close() }
func (a *arrival) lookAfter(time.Time, time.Duration) {}

// receive finds out what is spoken on a connection, and serves it.
func (p *port) receive(c net.Conn) {
	l := p.listens.Load()
	if !l.TLS && !l.speaks(HTTP2) && l.introduced.none() {
		p.host(c, nil)
		return
	}
	a := &arrival{c}
	p.greet(a)
	defer p.forget(a)
	limit := p.proxy.world.Load().config.Timeouts.Header
	if peer, _ := peerOf(c.RemoteAddr().String()); l.introduced.has(peer) {
		var err error
		if c, err = introduce(c, limit); err != nil {
			p.complain(a.conn, err)
			a.conn.Close()
			return
		}
	}
	switch {
	case l.TLS:
		p.decrypt(tls.Server(c, p.tls.Load()), limit)
		return
	case !l.speaks(HTTP2):
		p.host(c, nil)
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(limit))
	first := readPreface(c)
	_ = c.SetReadDeadline(time.Time{})
	switch {
	case string(first) == http2.ClientPreface:
		p.hostStreams(&begunConn{Conn: c, first: first, from: c.RemoteAddr()})
	case len(first) > 0 && l.speaks(HTTP11):
		p.host(c, first)
	default: // nothing was asked, so there is nobody to be told
		c.Close()
	}
}

// decrypt serves what comes under TLS.
func (p *port) decrypt(c *tls.Conn, limit time.Duration) {
	ctx, stop := context.WithTimeout(context.Background(), limit)
	err := c.HandshakeContext(ctx)
	stop()
	if err != nil {
		p.log.Debug("a TLS handshake failed", "client", c.RemoteAddr().String(), "err", err)
		tellInClear(err)
		c.NetConn().Close()
		return
	}
	switch c.ConnectionState().NegotiatedProtocol {
	case HTTP2:
		p.hostStreams(c)
	case HTTP11, "":
		p.host(c, nil)
	default: // it was all about the handshake (RFC 8737)
		c.Close()
	}
}

const notInClear = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 27\r\n\r\nThis port speaks TLS only.\n"

// tellInClear tells a client that speaks HTTP without TLS what is wrong.
func tellInClear(err error) {
	if alien := new(tls.RecordHeaderError); errors.As(err, alien) && alien.Conn != nil && 'A' <= alien.RecordHeader[0] && alien.RecordHeader[0] <= 'Z' {
		_ = alien.Conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(alien.Conn, notInClear)
	}
}

// host serves a connection that speaks HTTP/1, and of which some may have been
// read.
func (p *port) host(c net.Conn, first []byte) {
	from := c.RemoteAddr()
	if b, ok := c.(*begunConn); ok {
		c, first = b.Conn, append(first, b.first...)
	}
	cc := newClientConn(p, c, from)
	if len(first) > 0 {
		cc.in.room(cc.memory, cc.size)
		cc.in.w += copy(cc.in.data[cc.in.w:], first)
	}
	p.entertain(cc, cc.serve)
}

// hostStreams serves a connection that speaks HTTP/2.
func (p *port) hostStreams(c net.Conn) {
	s := p.newStreams(c)
	p.entertain(s, s.serve)
}

// entertain serves a guest as long as it stays. One that has come while the port
// ended is told to leave like the others.
func (p *port) entertain(g guest, serve func()) {
	p.greet(g)
	defer p.forget(g)
	if p.closing() {
		g.leave()
	}
	serve()
}

// readPreface reads what a connection begins with, for as long as that may be
// HTTP/2 (RFC 9113 section 3.4).
func readPreface(c net.Conn) []byte {
	const all = http2.ClientPreface
	first := make([]byte, 0, len(all))
	var err error
	for len(first) < len(all) && bytes.HasPrefix([]byte(all), first) && err == nil {
		var n int
		n, err = c.Read(first[len(first):len(all)])
		first = first[:len(first)+n]
	}
	return first
}

// begunConn is a connection of which some has been read already, of bytes that are
// few, and of which it is known whom it comes from.
type begunConn struct {
	net.Conn
	first []byte
	from  net.Addr
}

// RemoteAddr implements net.Conn.
func (c *begunConn) RemoteAddr() net.Addr { return c.from }

// NetConn returns what it goes over, as tls.Conn's does.
func (c *begunConn) NetConn() net.Conn { return c.Conn }

func (c *begunConn) Read(p []byte) (int, error) {
	if len(c.first) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.first)
	c.first = c.first[n:]
	return n, nil
}
