package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// Bounds of what comes in packets.
const (
	// alternative is for how long clients may remember that HTTP/3 is spoken (RFC
	// 7838 section 3.1). After that somebody may have switched it off.
	alternative = 24 * time.Hour

	// maxStrangers is how many connections a second are opened for clients that
	// need not prove first that they are where they say, which costs them a round
	// trip (RFC 9000 section 8.1.2).
	maxStrangers = 1000

	// parting is how long clients may take to close a connection, when they were
	// told that it ends and have got all their answers.
	parting = time.Second
)

// packets is the half of a port that speaks HTTP/3 (RFC 9114): over UDP, at the
// address at which the port listens. quic-go serves it.
type packets struct {
	port      *port
	socket    net.PacketConn // nil as long as the process that is replaced has it
	transport quic.Transport
	listener  *quic.EarlyListener
	server    http3.Server
	accepting sync.WaitGroup
	handling  attendance
	second    atomic.Int64 // in which connections are counted
	opened    atomic.Int64 // connections in it
	serves    atomic.Bool
	stopping  chan struct{}
	begun     sync.WaitGroup // until it is known whether there is a listener
}

// openPackets opens the socket beside that of an open port. Nothing is served yet.
//
// Where the port was handed over, the process that had it may still speak HTTP/3 to
// its clients, whose packets nobody else may take. Then the socket is opened when
// that has ended; clients go by the other half meanwhile.
func openPackets(p *port) (*packets, error) {
	q := &packets{port: p, stopping: make(chan struct{})}
	addr := p.listener.Addr()
	if _, ok := addr.(*net.TCPAddr); !ok {
		return nil, fmt.Errorf("listening on %s for HTTP/3: it has no port: leave h3 out of its protocols", p.addr)
	}
	err := q.bind()
	if err == nil || p.listener.Given() && errors.Is(err, syscall.EADDRINUSE) {
		return q, nil
	}
	if op := new(net.OpError); errors.As(err, &op) {
		err = op.Err // without the address, which we say ourselves
	}
	return nil, fmt.Errorf("listening on %s (UDP, for HTTP/3): %w: free it, or leave h3 out of the protocols", p.addr, err)
}

func (q *packets) bind() (err error) {
	q.socket, err = net.ListenPacket("udp", q.port.listener.Addr().String())
	if err != nil {
		q.socket = nil // rather than a nil of some type
	}
	return err
}

// close gives up what was opened and never served.
func (q *packets) close() {
	if q.socket != nil {
		q.socket.Close()
	}
}

// run serves from now on, with the certificates of base, or as soon as it can, and
// then calls late.
func (q *packets) run(base *tls.Config, late func()) {
	if q.socket != nil {
		q.listen(base)
		return
	}
	q.begun.Go(func() {
		tick := time.NewTicker(bindEvery)
		defer tick.Stop()
		for q.bind() != nil {
			select {
			case <-tick.C:
			case <-q.stopping:
				return
			}
		}
		q.listen(base)
		late()
	})
}

// bindEvery is how often it is looked whether the socket is free.
const bindEvery = 100 * time.Millisecond

// listen serves on the socket.
func (q *packets) listen(base *tls.Config) {
	q.transport = quic.Transport{Conn: q.socket, VerifySourceAddress: q.flooded}
	limits := &q.port.proxy.world.Load().config
	q.server = http3.Server{
		Handler:        http.HandlerFunc(q.serve),
		MaxHeaderBytes: limits.Limits.Header,
		IdleTimeout:    limits.Timeouts.Idle,
		Logger:         slog.New(slog.DiscardHandler), // of what clients do wrong
		ConnContext: func(ctx context.Context, _ *quic.Conn) context.Context {
			return context.WithValue(ctx, crowd{}, new(atomic.Int64))
		},
	}
	config := q.settings()
	config.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) { return q.settings(), nil }
	var err error
	if q.listener, err = q.transport.ListenEarly(http3.ConfigureTLSConfig(base), config); err != nil {
		q.port.log.Error("HTTP/3 is not spoken", "addr", q.socket.LocalAddr().String(), "err", err)
		return
	}
	q.port.log.Info("listening", "addr", q.socket.LocalAddr().String(), "protocol", HTTP3)
	q.accepting.Go(func() { _ = q.server.ServeListener(q.listener) })
	q.serves.Store(true)
}

// settings returns the bounds of a connection by what is configured now.
func (q *packets) settings() *quic.Config {
	t := &q.port.proxy.world.Load().config.Timeouts
	return &quic.Config{
		Allow0RTT:             true,
		MaxIncomingStreams:    maxStreams,
		MaxIncomingUniStreams: 10,           // three are used
		HandshakeIdleTimeout:  t.Header / 2, // and twice that in all
		KeepAlivePeriod:       pingAfter / 2,
		MaxIdleTimeout:        pingAfter + t.Header,
	}
}

// flooded reports whether more connections are opened than usual.
func (q *packets) flooded(net.Addr) bool {
	if now := time.Now().Unix(); q.second.Swap(now) != now {
		q.opened.Store(0)
	}
	return q.opened.Add(1) > maxStrangers
}

// crowd is the key of the number of requests that a connection's client is waiting
// for. A stream that is reset is none any more for the client at once, and another
// may be opened, before its request has ended.
type crowd struct{}

// serve answers a request.
func (q *packets) serve(w http.ResponseWriter, r *http.Request) {
	if !q.handling.enter() {
		panic(http.ErrAbortHandler)
	}
	defer q.handling.leave()
	n := r.Context().Value(crowd{}).(*atomic.Int64)
	defer n.Add(-1)
	if n.Add(1) > maxStreams || r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	q.port.proxy.handle(w, r, q.port)
}

// offers settles what clients of the other half are told.
func (p *port) offers() {
	field := ""
	if p.packets != nil && p.packets.serves.Load() {
		number := p.listener.Addr().(*net.TCPAddr).Port
		field = fmt.Sprintf("Alt-Svc: h3=\":%d\"; ma=%d\r\n", cmp.Or(p.listens.Load().Port, number), int(alternative.Seconds()))
	}
	p.offer.Store(&field)
}

// stop accepts no more connections, and tells clients to send no more requests
// (RFC 9114 section 5.2). It is called once, and followed by drain.
func (q *packets) stop() (leave context.CancelFunc, left <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	close(q.stopping)
	go func() {
		defer close(ended)
		q.begun.Wait()
		if q.listener != nil {
			q.listener.Close()
			q.accepting.Wait()
			_ = q.server.Shutdown(ctx)
			_ = q.transport.Close()
		}
		q.close()
	}()
	return cancel, ended
}

// drain stops, lets requests finish within a limit, and returns when all
// connections have ended.
func (q *packets) drain(limit time.Duration) {
	leave, left := q.stop()
	defer leave()
	finished := make(chan struct{})
	go func() {
		q.begun.Wait()
		q.accepting.Wait()
		<-q.handling.nobody()
		time.AfterFunc(parting, func() { close(finished) }) // what was answered is still to arrive
	}()
	select {
	case <-left:
	case <-finished:
	case <-time.After(limit):
		q.port.log.Warn("requests were cut off: timeouts.shutdown is over", "after", limit)
	}
	leave()
	<-left
	q.handling.end()
}
