package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Server listens, and serves what it accepts. What it listens on can change
// while it runs.
type Server struct {
	Proxy *Proxy
	Log   *slog.Logger

	mu      sync.Mutex // guards the fields below
	config  Config
	stopped bool
	port    *port
	serving sync.WaitGroup // ports, old ones included
}

// Change is a change that has been prepared. Exactly one of Commit and Discard
// must be called.
type Change struct {
	Commit  func() // makes it effective; cannot fail
	Discard func() // gives back what was prepared
}

// Prepare opens what c listens on that is not open yet. The server goes on as
// it is until the change is committed.
func (s *Server) Prepare(c Config) (Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port != nil && c.HTTP == s.config.HTTP {
		return Change{Commit: func() { s.commit(c, nil) }, Discard: func() {}}, nil
	}
	l, err := net.Listen("tcp", c.HTTP)
	if err != nil {
		if op := new(net.OpError); errors.As(err, &op) {
			err = op.Err // without the address, which we say ourselves
		}
		return Change{}, fmt.Errorf("listening on %s: %w", c.HTTP, err)
	}
	opened := newPort(l, s.Proxy, s.Log)
	return Change{Commit: func() { s.commit(c, opened) }, Discard: func() { l.Close() }}, nil
}

// commit serves by c from now on, on the port that was opened for it or on the
// present one.
func (s *Server) commit(c Config, opened *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = c
	switch {
	case opened == nil:
		return
	case s.stopped:
		opened.listener.Close() // it comes too late
		return
	}
	if old := s.port; old != nil {
		old.stop()
		s.serving.Go(func() { old.drain(c.Timeouts.Shutdown) })
	}
	s.port = opened
	opened.run()
	s.Log.Info("listening", "addr", opened.listener.Addr().String())
}

// Addr returns the address that is listened on, nil before the first change
// was committed.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port == nil {
		return nil
	}
	return s.port.listener.Addr()
}

// Run serves until ctx ends. Then it accepts nothing more, lets what is in
// flight finish within timeouts.shutdown, and returns.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	s.stopped = true
	last, limit := s.port, s.config.Timeouts.Shutdown
	s.mu.Unlock()
	if last != nil {
		last.stop()
		last.drain(limit)
	}
	s.serving.Wait()
	return nil
}

// port is an open listener, and the connections that it accepted.
type port struct {
	listener net.Listener
	proxy    *Proxy
	log      *slog.Logger
	done     chan struct{}  // closed when it accepts nothing more
	serving  sync.WaitGroup // accept and the connections
	drained  chan struct{}  // closed when they have ended
	patrols  sync.WaitGroup

	mu         sync.Mutex // guards the fields below
	conns      map[*clientConn]struct{}
	patrolling bool
}

func newPort(l net.Listener, p *Proxy, log *slog.Logger) *port {
	return &port{listener: l, proxy: p, log: log, done: make(chan struct{}), drained: make(chan struct{}), conns: map[*clientConn]struct{}{}}
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
	for {
		c, err := p.listener.Accept()
		switch {
		case err == nil:
			p.serve(c)
		case errors.Is(err, net.ErrClosed):
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

// serve serves a connection.
func (p *port) serve(c net.Conn) {
	cc := newClientConn(p.proxy, p, c)
	p.mu.Lock()
	if !p.patrolling {
		p.patrolling = true
		p.patrols.Go(p.patrol)
	}
	p.conns[cc] = struct{}{}
	p.mu.Unlock()
	p.serving.Go(func() {
		defer p.forget(cc)
		cc.serve()
	})
}

func (p *port) forget(c *clientConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// each calls f for all connections, and reports whether there are any.
func (p *port) each(f func(*clientConn)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		f(c)
	}
	return len(p.conns) > 0
}

// stop accepts nothing more and ends connections without a request. It is called
// once, and followed by drain.
func (p *port) stop() {
	close(p.done)
	p.listener.Close()
	p.each((*clientConn).leave)
}

// drain returns when all connections have ended. What takes longer than the
// limit is cut off.
func (p *port) drain(limit time.Duration) {
	late := time.AfterFunc(limit, func() {
		if p.each((*clientConn).cutOff) {
			p.log.Warn("requests were cut off: timeouts.shutdown is over", "after", limit)
		}
	})
	defer late.Stop()
	p.serving.Wait()
	close(p.drained)
	p.patrols.Wait()
}
