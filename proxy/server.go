package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"

	"divvy/proxy/sockets"
)

// Server listens, and serves what it accepts. What it listens on can change
// while it runs.
type Server struct {
	Proxy *Proxy
	Log   *slog.Logger

	// Sockets opens what is listened on; nil if it is never handed over.
	Sockets *sockets.Set

	// TLS has the certificates for listeners with TLS; nil if there can be none.
	TLS *tls.Config

	mu      sync.Mutex // guards the fields below
	config  Config
	stopped bool
	hurry   context.Context // see Replaced; nil for no patience
	ports   []*port         // in the order of the configuration
	serving sync.WaitGroup  // ports, old ones included
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
	var next, opened []*port
	halves := map[*port]*packets{} // opened
	discard := func() {
		for _, p := range opened {
			p.listener.Close()
		}
		for _, q := range halves {
			q.close()
		}
	}
	wanted := c.listeners()
	for i := range wanted {
		l := &wanted[i]
		p := s.port(l.Address, next)
		var q *packets
		var err error
		if p == nil {
			if p, q, err = s.open(l, &c); err == nil {
				opened = append(opened, p)
			}
		} else if p.packets == nil && s.packets(l) {
			q, err = openPackets(p)
		}
		if err != nil {
			discard()
			return Change{}, err
		}
		next = append(next, p)
		if q != nil {
			halves[p] = q
		}
	}
	commit := func() {
		s.commit(c, wanted, next)
		s.commitPackets(next, halves)
	}
	return Change{Commit: commit, Discard: discard}, nil
}

// packets reports whether HTTP/3 is spoken at a listener.
func (s *Server) packets(l *Listener) bool { return l.speaks(HTTP3) && s.TLS != nil }

// maxChoices is how many ports of the machine's choice are tried, until one is free
// for TCP and UDP.
const maxChoices = 8

// open opens the port of a listener, and the half for HTTP/3 if it is spoken there.
func (s *Server) open(l *Listener, c *Config) (*port, *packets, error) {
	for choice := 1; ; choice++ {
		socket, err := s.Sockets.Listen(l.at(c))
		if err != nil {
			return nil, nil, err
		}
		p := newPort(socket, l.Address, s.Proxy, s.Log)
		if !s.packets(l) {
			return p, nil, nil
		}
		q, err := openPackets(p)
		if err == nil {
			return p, q, nil
		}
		socket.Close()
		if choice == maxChoices || !strings.HasSuffix(l.Address, ":0") || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil, err
		}
	}
}

// port returns one that is open at an address of the configuration and not taken,
// nil for none: there may be several at ":0". s.mu is held.
func (s *Server) port(addr string, taken []*port) *port {
	for _, p := range s.ports {
		if p.addr == addr && !slices.Contains(taken, p) {
			return p
		}
	}
	return nil
}

// commit serves by c from now on, on these ports.
func (s *Server) commit(c Config, listens []Listener, next []*port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = c
	for i, p := range next {
		was := p.listens.Swap(&listens[i])
		if s.TLS != nil && (was == nil || !slices.Equal(was.Protocols, listens[i].Protocols)) {
			// Not otherwise: with it, sessions are forgotten that could be resumed.
			p.tls.Store(s.Proxy.demand(listens[i].handshake(s.TLS)))
		}
		if err := p.listener.SetMode(listens[i].at(&c)); err != nil {
			s.Log.Warn("a unix socket keeps its mode", "err", err)
		}
		if slices.Contains(s.ports, p) {
			continue
		}
		if s.stopped {
			p.listener.Close() // it comes too late
			continue
		}
		p.run()
		s.Log.Info("listening", "addr", p.listener.Addr().String())
	}
	if s.stopped {
		return
	}
	for _, old := range s.ports {
		if !slices.Contains(next, old) {
			old.stop(false)
			s.serving.Go(func() { old.drain(c.Timeouts.Shutdown, grace{}) })
			s.endPackets(old)
		}
	}
	s.ports = next
}

// commitPackets speaks HTTP/3 on the ports on which it is to be spoken from now on,
// and no more on others.
func (s *Server) commitPackets(next []*port, halves map[*port]*packets) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range next {
		l, q := p.listens.Load(), halves[p]
		switch {
		case q != nil && s.stopped:
			q.close()
		case q != nil:
			p.packets = q
			q.run(s.Proxy.demand(s.TLS), func() { s.offer(p) })
		case !l.speaks(HTTP3):
			s.endPackets(p)
		}
		p.offers()
	}
}

// offer tells clients of what a port has begun to speak by itself.
func (s *Server) offer(p *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.offers()
}

// endPackets speaks no more HTTP/3 on a port. s.mu is held.
func (s *Server) endPackets(p *port) {
	if q := p.packets; q != nil {
		p.packets = nil
		p.offers()
		limit := s.config.Timeouts.Shutdown
		s.serving.Go(func() { q.drain(limit) })
	}
}

// Addr returns the address that is listened on first, nil before the first change
// was committed.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ports) == 0 {
		return nil
	}
	return s.ports[0].listener.Addr()
}

// Replaced is called before Run ends because another process accepts from the same
// sockets now. Clients need not notice: Run leaves to it what is in their queues, and
// waits as long as timeouts.shutdown, but not longer than ctx, for one more request on
// each connection, whose answer says that it was the last. Then it does what it always
// does.
func (s *Server) Replaced(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hurry = ctx
}

// Run serves until ctx ends. Then it accepts nothing more, lets what is in
// flight finish within timeouts.shutdown, and returns.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	s.stopped = true
	last, limit, wait := s.ports, s.config.Timeouts.Shutdown, grace{until: s.hurry}
	if s.hurry != nil {
		wait.limit = limit
	}
	s.mu.Unlock()
	for _, p := range last {
		p.stop(wait.until != nil)
		s.serving.Go(func() { p.drain(limit, wait) })
		s.mu.Lock()
		s.endPackets(p)
		s.mu.Unlock()
	}
	s.serving.Wait()
	return nil
}
