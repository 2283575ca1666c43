package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"divvy/backends"
)

// Bounds of a connection that requests share.
const (
	maxMuxes     = 256      // to one backend
	streamWindow = 64 << 10 // what of an answer is taken in before its client takes it
)

// silence is how long nothing is heard on a connection until it is suspect, when a
// client has left in the meantime.
const silence = time.Second

// mux is one connection to a backend that many requests share (HTTP/2).
type mux struct {
	conn    *http.ClientConn
	wire    *greeting
	dialect *backends.Dialect
	scheme  string

	// Guarded by the upstream's mu.
	streams int  // that are under way
	retired bool // no other is begun, and it closes with the last of them
}

// opening is a mux that is being opened, for all who wait for one.
type opening struct {
	dialect *backends.Dialect
	done    chan struct{} // closed when it is over
	err     error         // set before
}

var errTooMany = fmt.Errorf("%d connections are open, and none takes another request", maxMuxes)

// takeStream begins a stream on the connection that was opened last of those that
// may carry another, and returns nil if there is none.
func (u *upstream) takeStream(d *backends.Dialect) *link {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.muxes = slices.DeleteFunc(u.muxes, func(m *mux) bool { return m.conn.Err() != nil })
	for _, m := range slices.Backward(u.muxes) {
		switch {
		case m.dialect != d:
			u.retire(m)
		case !m.retired && m.conn.Reserve() == nil:
			return u.begin(m)
		}
	}
	return nil
}

// begin begins a stream, for which there is room. u.mu is held.
func (u *upstream) begin(m *mux) *link {
	m.streams++
	l := &link{up: u, dialect: m.dialect, stream: newStream(m)}
	l.out.open(l.stream)
	l.open(l.stream, u.memory, largeSize)
	u.enter(l)
	return l
}

// left notes that a stream has ended. u.mu is held.
func (u *upstream) left(s *stream) {
	if s.left {
		return
	}
	s.left = true
	m := s.mux
	if m.streams--; m.streams == 0 && m.retired {
		u.closeMux(m)
	}
}

// retire lets m end with its last stream. u.mu is held.
func (u *upstream) retire(m *mux) {
	if m.retired = true; m.streams == 0 {
		u.closeMux(m)
	}
}

func (u *upstream) retireAll() {
	for _, m := range slices.Clone(u.muxes) {
		u.retire(m)
	}
}

// closeMux closes m, elsewhere: that may take until what was written is sent.
func (u *upstream) closeMux(m *mux) {
	u.muxes = slices.DeleteFunc(u.muxes, func(o *mux) bool { return o == m })
	go m.conn.Close()
}

// suspect retires m if nothing was heard on it since a request was sent on it at
// this time, which was in vain: whoever is there may be there no more.
func (u *upstream) suspect(m *mux, since time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if m.wire.heard.Load() < since.UnixNano() {
		u.retire(m)
	}
}

// awaitStream returns a stream on a connection that is new, if it can.
func (u *upstream) awaitStream(ctx context.Context, d *backends.Dialect, ex *exchange) (*link, error) {
	for again := !ex.arrived; ; again = true {
		if again {
			if l := u.takeStream(d); l != nil {
				return l, nil
			}
		}
		o := u.open(d, ex.world.config.Timeouts.Connect)
		select {
		case <-o.done:
			if o.err != nil {
				return nil, o.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errHandshake, ctx.Err())
		}
	}
}

// open opens a connection, once for all who want one at the same time. Its end is
// nobody's in particular, so that a client that leaves takes it from no other.
func (u *upstream) open(d *backends.Dialect, limit time.Duration) *opening {
	u.mu.Lock()
	defer u.mu.Unlock()
	if o := u.opening; o != nil && o.dialect == d {
		return o
	}
	o := &opening{dialect: d, done: make(chan struct{})}
	if len(u.muxes) >= maxMuxes {
		o.err = errTooMany
		close(o.done)
		return o
	}
	u.opening = o
	go func() {
		ctx, stop := context.WithTimeout(u.life, limit)
		defer stop()
		m, err := openMux(ctx, u.backend.Addr, d)
		u.opened(o, m, err)
	}()
	return o
}

// opened ends an opening.
func (u *upstream) opened(o *opening, m *mux, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer close(o.done)
	if o.err = err; u.opening == o {
		u.opening = nil
	}
	switch {
	case err != nil:
	case u.life.Err() != nil:
		o.err = errDrained
		go m.conn.Close()
	default:
		u.muxes = append(u.muxes, m)
	}
}

// openMux opens a connection, and waits until the backend has said what it can do:
// how many requests at a time, before all.
//
// It is not asked now and then whether it is still there. Servers of gRPC take more
// than one such question in five minutes for an attack, and end the connection with
// all that is under way on it. See suspect for what finds out that it is not.
func openMux(ctx context.Context, addr string, d *backends.Dialect) (*mux, error) {
	c, err := dialTCP(ctx, addr)
	if err != nil {
		return nil, err
	}
	m := &mux{dialect: d, scheme: "http", wire: newGreeting(c)}
	if d.Secure() {
		s, err := secure(ctx, c, d.TLS)
		if err != nil {
			return nil, err
		}
		m.scheme, m.wire.Conn = "https", s
	}
	t := &http.Transport{
		// To the library it is a connection in clear, which is secure already.
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return m.wire, nil },
		Protocols:              new(http.Protocols),
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: streamWindow},
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswerHeader,
		IdleConnTimeout:        idleFor,
	}
	t.Protocols.SetUnencryptedHTTP2(true)
	if m.conn, err = t.NewClientConn(ctx, "http", addr); err != nil {
		m.wire.Close()
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	select {
	case <-m.wire.settled:
		return m, nil
	case <-m.wire.closed:
		err = errors.New("the backend does not speak HTTP/2")
	case <-ctx.Done():
		err = fmt.Errorf("the backend does not begin to speak HTTP/2: %w", ctx.Err())
	}
	m.conn.Close()
	return nil, fmt.Errorf("%w: %w", errHandshake, err)
}

// greeting is a connection that tells when both ends have said what they can do.
// The library writes twice before there is a request: its own settings, and that
// it has got those of the other end.
type greeting struct {
	net.Conn
	base    net.Conn // which Conn may secure
	written atomic.Int32
	settled chan struct{}
	closed  chan struct{}
	once    sync.Once    // closes closed
	heard   atomic.Int64 // when anything came the last time, in Unix nanoseconds
}

func newGreeting(c net.Conn) *greeting {
	return &greeting{Conn: c, base: c, settled: make(chan struct{}), closed: make(chan struct{})}
}

func (g *greeting) Write(p []byte) (int, error) {
	if g.written.Load() < 2 && g.written.Add(1) == 2 {
		close(g.settled)
	}
	return g.Conn.Write(p)
}

func (g *greeting) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if n > 0 {
		g.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

func (g *greeting) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.base.Close()
}
