package proxy

import (
	"context"
	"net"
	"sync"
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

// upstream is the idle connections to one backend. It lives as long as the
// backend.
type upstream struct {
	backend *backends.Backend
	memory  *memory

	mu   sync.Mutex // guards the fields below
	idle []*link    // the one used last is the last
	reap *time.Timer
}

// Open implements backends.Opener.
func (p *Proxy) Open(b *backends.Backend) backends.Conns {
	return &upstream{backend: b, memory: &p.memory}
}

func (p *Proxy) upstreamOf(b *backends.Backend) *upstream { return b.Conns(p).(*upstream) }

// take returns the connection that was used last, nil if there is none. Whether
// it is still open shows when it is used.
func (u *upstream) take() *link {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := len(u.idle) - 1
	if n < 0 {
		return nil
	}
	l := u.idle[n]
	u.idle[n] = nil
	u.idle = u.idle[:n]
	return l
}

// give keeps a connection for the next request.
func (u *upstream) give(l *link) {
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
		u.idle[n].close()
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
		l.close()
	}
	u.idle = nil
	if u.reap != nil {
		u.reap.Stop()
		u.reap = nil
	}
}

// dial opens a connection.
func (u *upstream) dial(ex *exchange) (*link, error) {
	ctx, stop := context.WithTimeout(context.Background(), ex.world.config.Timeouts.Connect)
	defer stop()
	err := ex.leash.hold(cancelled(stop))
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", u.backend.Addr)
	if cause := ex.leash.release(); cause != nil {
		if err == nil {
			c.Close()
		}
		return nil, cause
	}
	if err != nil {
		return nil, err
	}
	l := &link{up: u}
	l.out.open(c)
	l.open(c.(*net.TCPConn), u.memory, largeSize)
	return l, nil
}

// link is one connection to a backend.
type link struct {
	inlet
	out   outlet
	up    *upstream
	since time.Time // idle since

	mu       sync.Mutex // guards answered
	answered bool       // the head of the answer has come
}

func (l *link) close() { l.out.conn.Close() }

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
