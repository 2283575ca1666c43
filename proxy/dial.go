package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"divvy/backends"
)

// dial opens a connection, or a stream on one that is new if it can.
func (u *upstream) dial(ex *exchange) (l *link, err error) {
	ctx, stop := context.WithTimeout(u.life, ex.world.config.Timeouts.Connect)
	defer stop()
	if err := ex.leash.hold(cancelled(stop)); err != nil {
		return nil, err
	}
	if d := u.backend.Dialect(); d.HTTP2() {
		l, err = u.awaitStream(ctx, d, ex)
	} else {
		l, err = u.connect(ctx, d)
	}
	if cause := ex.leash.release(); cause != nil {
		if err == nil {
			l.close()
		}
		return nil, cause
	}
	if err != nil && u.life.Err() != nil {
		return nil, errDrained
	}
	return l, err
}

// connect opens a connection that carries one request at a time.
func (u *upstream) connect(ctx context.Context, d *backends.Dialect) (*link, error) {
	l := &link{up: u, dialect: d}
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	if !u.add(l) {
		l.close()
		return nil, errDrained
	}
	return l, nil
}

// connect opens the connection that l is.
func (l *link) connect(ctx context.Context) error {
	c, err := dialTCP(ctx, l.up.backend.Addr)
	if err != nil {
		return err
	}
	if !l.dialect.Secure() {
		l.out.open(c)
		l.open(c, l.up.memory, largeSize)
		return nil
	}
	from := newForesight(c)
	s, err := secure(ctx, from, l.dialect.TLS)
	if err != nil {
		return err
	}
	l.out.open(s)
	l.open(s, l.up.memory, largeSize)
	l.foreseen, from.inlet = true, &l.inlet
	return nil
}

func dialTCP(ctx context.Context, addr string) (*net.TCPConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// errHandshake means that a connection was opened, but that nothing could be said
// on it: nothing of a request can have arrived.
var errHandshake = errors.New("setting up the connection")

// secure makes c a secured connection. If it cannot be, c is closed.
func secure(ctx context.Context, c net.Conn, config *tls.Config) (*tls.Conn, error) {
	s := tls.Client(c, config)
	err := s.HandshakeContext(ctx)
	// Who knows of no protocols to agree on speaks HTTP/1.1 (RFC 7301 section 3.1).
	if got := s.ConnectionState().NegotiatedProtocol; err == nil && config.NextProtos[0] == "h2" && got != "h2" {
		err = errors.New("the backend does not speak HTTP/2: it did not agree on h2")
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	return s, nil
}
