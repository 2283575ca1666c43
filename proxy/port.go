package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"divvy/proxy/sockets"
)

// port is an open listener, and the connections that it accepted.
type port struct {
	listener *sockets.Listener
	addr     string // as in the configuration
	proxy    *Proxy
	log      *slog.Logger
	listens  atomic.Pointer[Listener]
	tls      atomic.Pointer[tls.Config]
	packets  *packets               // HTTP/3, nil for none; the server's, whose mu guards it
	offer    atomic.Pointer[string] // the field that tells clients of it

	waiting    atomic.Bool  // for one more request on each connection, though it ends
	complained atomic.Int64 // when it was told last that introductions are amiss, in Unix nanoseconds

	done     chan struct{}  // closed when it ends
	accepted chan struct{}  // closed when it accepts nothing more
	serving  sync.WaitGroup // accept and the connections
	drained  chan struct{}  // closed when they have ended
	patrols  sync.WaitGroup

	mu         sync.Mutex // guards the fields below
	guests     map[guest]struct{}
	patrolling bool
}

func newPort(l *sockets.Listener, addr string, p *Proxy, log *slog.Logger) *port {
	next := &port{
		listener: l, addr: addr, proxy: p, log: log,
		done: make(chan struct{}), accepted: make(chan struct{}), drained: make(chan struct{}), guests: map[guest]struct{}{},
	}
	next.offer.Store(new(string))
	return next
}

func (p *port) run() { p.serving.Go(p.accept) }

func (p *port) closing() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// accept accepts until the port stops. It waits when the system is short of
// something, such as file descriptors, and goes on.
func (p *port) accept() {
	defer close(p.accepted)
	for {
		c, err := p.listener.Accept()
		switch {
		case err == nil:
			p.serving.Go(func() { p.receive(c) })
			p.hurry()
		case errors.Is(err, net.ErrClosed), p.closing():
			return
		default:
			p.log.Warn("accepting a connection", "addr", p.listener.Addr().String(), "err", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-p.done:
				return
			}
		}
	}
}

// greet notes that a guest has come.
func (p *port) greet(g guest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.patrolling {
		p.patrolling = true
		p.patrols.Go(p.patrol)
	}
	p.guests[g] = struct{}{}
}

func (p *port) forget(g guest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.guests, g)
}

// each calls f for all guests, and reports whether there are any.
func (p *port) each(f func(guest)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for g := range p.guests {
		f(g)
	}
	return len(p.guests) > 0
}

// patient reports whether the port, which ends, waits for one more request on each
// connection.
func (p *port) patient() bool { return p.waiting.Load() }

// stop accepts nothing more and ends connections without a request. It is called
// once, and followed by drain. With patience it leaves them until drain does; then
// another process has the socket, and with it what is in its queue.
func (p *port) stop(patient bool) {
	p.waiting.Store(patient)
	close(p.done)
	if !patient {
		p.hurry()
		select {
		case <-p.accepted:
		case <-time.After(lastCall):
		}
	}
	p.listener.Close()
	p.each(guest.leave)
}

// When the port ends, what is in the queue of its socket is accepted: the system
// would reset it. It is empty when for so long nothing has come, and is left alone
// if it never is.
const (
	lull     = time.Millisecond
	lastCall = 50 * time.Millisecond
)

// hurry ends accept when nothing comes, if the port ends.
func (p *port) hurry() {
	if p.closing() && !p.patient() {
		_ = p.listener.SetDeadline(time.Now().Add(lull))
	}
}

// grace is how long a port waits for further requests, and until when at most.
type grace struct {
	limit time.Duration
	until context.Context
}

// drain returns when all connections have ended. What takes longer than the
// limit when its patience is over is cut off.
func (p *port) drain(limit time.Duration, wait grace) {
	late := time.AfterFunc(wait.limit+limit, func() {
		if p.each(guest.cutOff) {
			p.log.Warn("requests were cut off: timeouts.shutdown is over", "after", limit)
		}
	})
	defer late.Stop()
	if p.patient() {
		enough := func() {
			p.waiting.Store(false)
			p.each(guest.leave)
			late.Reset(limit)
		}
		defer time.AfterFunc(wait.limit, enough).Stop()
		defer context.AfterFunc(wait.until, enough)()
	}
	p.serving.Wait()
	close(p.drained)
	p.patrols.Wait()
}
