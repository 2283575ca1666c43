package proxy

import (
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"divvy/backends"
	"divvy/proxy/http1"
)

// Bounds of what is kept for one backend.
const (
	maxIdle         = 256
	idleFor         = 90 * time.Second
	maxAnswerHeader = 256 << 10
)

// upstream is the connections to one backend. It lives as long as the backend.
// Those of HTTP/1.1 carry one request at a time, and are links; those of HTTP/2 are
// muxes, and a link is one of their streams.
type upstream struct {
	backend *backends.Backend
	memory  *memory
	life    context.Context // ends when no connections are wanted any more
	end     context.CancelFunc

	mu   sync.Mutex // guards the fields below, and next and prev of each link
	idle []*link    // the one used last is the last
	busy *link      // the first of those that carry a request
	reap *time.Timer

	muxes   []*mux
	opening *opening // nil: no mux is being opened
}

// Open implements backends.Opener.
func (p *Proxy) Open(b *backends.Backend) backends.Conns {
	u := &upstream{backend: b, memory: &p.memory}
	u.life, u.end = context.WithCancel(context.Background())
	return u
}

func (p *Proxy) upstreamOf(b *backends.Backend) *upstream { return b.Conns(p).(*upstream) }

// take returns the connection that was used last, nil if there is none. Whether
// it is still open shows when it is used. One in which another dialect is spoken
// than now is not.
func (u *upstream) take() *link {
	d := u.backend.Dialect()
	if d.HTTP2() {
		return u.takeStream(d)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for n := len(u.idle) - 1; n >= 0; n-- {
		l := u.idle[n]
		u.idle[n] = nil
		u.idle = u.idle[:n]
		if l.dialect == d {
			u.enter(l)
			return l
		}
		l.out.conn.Close()
	}
	return nil
}

// enter and leave keep the list of those that carry a request. u.mu is held.
func (u *upstream) enter(l *link) {
	l.busy = true
	if l.next = u.busy; l.next != nil {
		l.next.prev = l
	}
	u.busy = l
}

func (u *upstream) leave(l *link) {
	if !l.busy {
		return
	}
	if l.next != nil {
		l.next.prev = l.prev
	}
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		u.busy = l.next
	}
	l.busy, l.next, l.prev = false, nil, nil
}

// give keeps a connection for the next request.
func (u *upstream) give(l *link) {
	if l.stream != nil {
		l.stream.finish()
		u.drop(l)
		return
	}
	l.since = time.Now()
	if !u.push(l) {
		l.close()
		return
	}
	if u.backend.Draining() {
		u.CloseIdleConnections() // whoever drains it may have been here before
	}
}

func (u *upstream) push(l *link) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.leave(l)
	if len(u.idle) == maxIdle {
		return false
	}
	u.idle = append(u.idle, l)
	if u.reap == nil {
		u.reap = time.AfterFunc(idleFor, u.closeOld)
	}
	return true
}

// closeOld closes connections that were idle for too long, which are the first.
func (u *upstream) closeOld() {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for n < len(u.idle) && time.Since(u.idle[n].since) >= idleFor {
		u.idle[n].out.conn.Close()
		n++
	}
	kept := copy(u.idle, u.idle[n:])
	clear(u.idle[kept:])
	u.idle = u.idle[:kept]
	if u.reap = nil; kept > 0 {
		u.reap = time.AfterFunc(idleFor-time.Since(u.idle[0].since), u.closeOld)
	}
}

// CloseIdleConnections implements backends.Conns.
func (u *upstream) CloseIdleConnections() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, l := range u.idle {
		l.out.conn.Close()
	}
	u.idle = nil
	if u.reap != nil {
		u.reap.Stop()
		u.reap = nil
	}
	u.retireAll()
}

// CloseConnections implements backends.Conns.
func (u *upstream) CloseConnections() {
	u.CloseIdleConnections()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.end()
	for l := u.busy; l != nil; l = l.next {
		l.ended.Store(true)
		l.cut()
	}
}

// add counts a new connection as one that carries a request. It reports whether
// it is still wanted.
func (u *upstream) add(l *link) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.enter(l)
	return u.life.Err() == nil
}

// link is one connection to a backend, or a stream that looks like one.
type link struct {
	inlet
	out     outlet
	up      *upstream
	dialect *backends.Dialect
	stream  *stream   // nil for a connection of its own
	since   time.Time // idle since

	next, prev *link       // among those that carry a request
	busy       bool        // it is one of them
	ended      atomic.Bool // it was closed because its backend drained for too long

	mu       sync.Mutex // guards answered
	answered bool       // the head of the answer has come
}

func (l *link) close() {
	l.cut()
	l.up.drop(l)
}

// cut ends the connection without a word. To take leave of who does not listen
// would take time.
func (l *link) cut() {
	if s, ok := l.out.conn.(*tls.Conn); ok {
		s.NetConn().Close()
		return
	}
	l.out.conn.Close()
}

// waitedInVain notes that an answer did not come, if it was waited for for so long.
func (l *link) waitedInVain(least time.Duration) {
	if l.stream == nil {
		return
	}
	if since := l.stream.since(); time.Since(since) >= least {
		l.up.suspect(l.stream.mux, since)
	}
}

// drop forgets a link that carries nothing any more.
func (u *upstream) drop(l *link) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.leave(l); l.stream != nil {
		u.left(l.stream)
	}
}

// kick implements kicker: it ends writes as well.
func (l *link) kick() {
	l.inlet.kick()
	l.out.kick()
}

// expect bounds the time for the head of the answer, from now on, when the
// request has been sent. It is called by whoever sent it, while another
// goroutine may be waiting for that head.
func (l *link) expect(limit time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.answered && limit > 0 {
		l.apply(time.Now().Add(limit))
	}
}

// gotHead ends what expect began.
func (l *link) gotHead() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered = true
	l.by = longAgo
}

// limits of an answer.
var answerLimits = http1.Limits{Head: maxAnswerHeader, Fields: 1000}
