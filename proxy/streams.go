package proxy

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of a connection that carries several requests at a time.
const (
	maxStreams = 250
	pingAfter  = time.Minute // of silence
)

// streams is a connection from a client that speaks HTTP/2. net/http serves it,
// by a server that has no other, so that it can be told to leave by itself. As a
// listener, it is accepted once.
type streams struct {
	conn     net.Conn
	server   http.Server
	handling attendance
	accepted bool

	first, last, shut sync.Once
	begun             chan struct{} // closed when there was a request
	ended             chan struct{} // closed when the connection has ended
	closed            chan struct{} // closed when the listener is
}

// newStreams returns one that is to be served on a port.
func (p *port) newStreams(c net.Conn) *streams {
	s := &streams{conn: c, begun: make(chan struct{}), ended: make(chan struct{}), closed: make(chan struct{})}
	config := &p.proxy.world.Load().config
	s.server = http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.first.Do(func() { close(s.begun) })
			if !s.handling.enter() {
				panic(http.ErrAbortHandler)
			}
			defer s.handling.leave()
			p.proxy.handle(w, r, p)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				s.last.Do(func() { close(s.ended) })
				s.Close()
			}
		},
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			MaxReadFrameSize:     16 << 10, // for which there is memory on each connection
			SendPingTimeout:      pingAfter,
			PingTimeout:          config.Timeouts.Header,
			WriteByteTimeout:     config.Timeouts.Stream,
		},
		Protocols:                    new(http.Protocols),
		IdleTimeout:                  config.Timeouts.Idle,
		MaxHeaderBytes:               config.Limits.Header,
		ErrorLog:                     log.New(io.Discard, "", 0), // of what clients do wrong
		DisableGeneralOptionsHandler: true,
	}
	s.server.Protocols.SetHTTP2(true)
	s.server.Protocols.SetUnencryptedHTTP2(true)
	return s
}

// serve serves the connection until it ends.
func (s *streams) serve() {
	_ = s.server.Serve(s)
	<-s.ended
	s.handling.end()
}

// leave implements guest: the client is told to send no more requests (RFC 9113
// section 6.8).
func (s *streams) leave() {
	go func() {
		late := time.NewTimer(begins)
		defer late.Stop()
		select {
		case <-s.begun:
		case <-s.ended:
		case <-late.C:
		}
		_ = s.server.Shutdown(context.Background())
	}()
}

// cutOff implements guest.
func (s *streams) cutOff() { s.conn.Close() }

// lookAfter implements guest: net/http does.
func (s *streams) lookAfter(time.Time, time.Duration) {}

// Accept implements net.Listener.
func (s *streams) Accept() (net.Conn, error) {
	if s.accepted {
		<-s.closed
		return nil, net.ErrClosed
	}
	s.accepted = true
	return s.conn, nil
}

// Close implements net.Listener.
func (s *streams) Close() error {
	s.shut.Do(func() { close(s.closed) })
	return nil
}

// Addr implements net.Listener.
func (s *streams) Addr() net.Addr { return s.conn.LocalAddr() }
