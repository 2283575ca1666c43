package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server listens, and serves what it accepts through the proxy's doors. What
// it listens on can change while it runs.
type Server struct {
	Proxy *Proxy
	Log   *slog.Logger

	mu      sync.Mutex // guards the fields below
	config  Config
	port    *port
	servers []*http.Server // the newest last; older ones finish their connections
	serving sync.WaitGroup
	busy    busy
}

// lastWords is how long requests may take to record their end after their
// connections were cut off.
const lastWords = time.Second

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
	opened := &port{Listener: l, conns: make(chan net.Conn), done: make(chan struct{}), log: s.Log}
	return Change{Commit: func() { s.commit(c, opened) }, Discard: func() { opened.Close() }}, nil
}

// commit serves by c from now on, on the port that was opened for it or on the
// present one.
func (s *Server) commit(c Config, opened *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.config
	s.config = c
	switch {
	case opened != nil:
		if s.port != nil {
			s.port.Close()
			for _, old := range s.servers {
				s.serving.Go(func() { s.shutDown(old, c.Timeouts.Shutdown) })
			}
			s.servers = nil
		}
		s.port = opened
		s.serving.Go(opened.accept)
		s.Log.Info("listening", "addr", opened.Addr().String())
	case was.Limits.Header == c.Limits.Header && was.Timeouts.Header == c.Timeouts.Header && was.Timeouts.Idle == c.Timeouts.Idle:
		return
	}
	if n := len(s.servers); n > 0 {
		s.servers[n-1].Handler.(*connHandler).retire()
	}
	s.serve(c)
}

// serve starts a server for the connections that are accepted from now on.
// Older ones keep theirs.
func (s *Server) serve(c Config) {
	v := &view{port: s.port, done: make(chan struct{})}
	server := &http.Server{
		Handler:                      &connHandler{s.Proxy.Handler(), v, &s.busy},
		ReadHeaderTimeout:            c.Timeouts.Header,
		IdleTimeout:                  c.Timeouts.Idle,
		MaxHeaderBytes:               c.Limits.Header,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is for the origin
		ErrorLog:                     slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		Protocols:                    new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		// It ends when its view closes, which is always asked for.
		_ = server.Serve(v)
	})
}

// connHandler ties a server's handler to its view of the port, and counts.
type connHandler struct {
	handler http.Handler
	view    *view
	busy    *busy
}

// ServeHTTP implements http.Handler.
func (h *connHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.busy.enter()
	defer h.busy.leave()
	h.handler.ServeHTTP(w, r)
}

func (h *connHandler) retire() { h.view.Close() }

// Addr returns the address that is listened on, nil before the first change
// was committed.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port == nil {
		return nil
	}
	return s.port.Addr()
}

// Run serves until ctx ends. Then it accepts nothing more, lets what is in
// flight finish within timeouts.shutdown, and returns.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	if s.port != nil {
		s.port.Close()
	}
	servers, limit := s.servers, s.config.Timeouts.Shutdown
	s.mu.Unlock()

	var wg sync.WaitGroup
	for _, server := range servers {
		wg.Go(func() { s.shutDown(server, limit) })
	}
	late, stop := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer stop()
	wg.Wait() // first, because what is in flight may still become a tunnel
	s.Proxy.tunnels.wait(late.Done())
	s.serving.Wait()
	s.busy.wait(lastWords)
	return nil
}

// shutDown lets a server finish what is in flight, but not for ever.
func (s *Server) shutDown(server *http.Server, limit time.Duration) {
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	if err := server.Shutdown(ctx); err != nil {
		s.Log.Warn("requests were cut off: timeouts.shutdown is over", "after", limit)
		server.Close()
	}
}

// port is an open listener whose connections go to whichever server has a view
// of it.
type port struct {
	net.Listener
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
	log   *slog.Logger
}

// accept accepts until the port is closed. It waits when the system is short
// of something, such as file descriptors, and goes on.
func (p *port) accept() {
	for {
		c, err := p.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			p.log.Warn("accepting a connection", "addr", p.Addr().String(), "err", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-p.done:
				return
			}
			continue
		}
		p.offer(c)
	}
}

// offer hands a connection to whichever view takes it.
func (p *port) offer(c net.Conn) {
	select {
	case p.conns <- c:
	case <-p.done:
		c.Close()
	}
}

// Close stops accepting.
func (p *port) Close() error {
	p.once.Do(func() { close(p.done) })
	return p.Listener.Close()
}

// view is one server's listener: it hands over connections of the port until
// it is closed, which leaves the port open.
type view struct {
	port *port
	once sync.Once
	done chan struct{}
}

func (v *view) Accept() (net.Conn, error) {
	select {
	case c := <-v.port.conns:
		if !v.closed() {
			return c, nil
		}
		v.port.offer(c) // to the view that came after this one
	case <-v.done:
	case <-v.port.done:
	}
	return nil, net.ErrClosed
}

func (v *view) closed() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

func (v *view) Close() error {
	v.once.Do(func() { close(v.done) })
	return nil
}

func (v *view) Addr() net.Addr { return v.port.Addr() }
