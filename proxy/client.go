package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"divvy/router"
)

// clientConn is one connection from a client that speaks HTTP/1, and the door
// to it. It belongs to the goroutine that serves it, but for what is atomic.
type clientConn struct {
	inlet
	out      outlet
	leash    leash
	proxy    *Proxy
	port     *port
	peer     netip.Addr
	peerText string
	secure   bool                  // over TLS
	named    string                // the host that it was opened for, as TLS says
	verified [][]*x509.Certificate // as in an exchange

	isGone atomic.Bool
	since  atomic.Int64 // when the request began that a backend has to answer, in Unix nanoseconds, or what else is waited for
	unsure atomic.Bool  // the client may have ended its side together with its last request
	looked time.Time    // when somebody looked after it; the patrol's

	mu    sync.Mutex // guards the fields below
	phase phase
	asked bool // there was a request, or what may become one

	attending func(fd uintptr) bool // c.attend, bound once
	reading   func(fd uintptr) bool // the inlet's own
	over      bool                  // attend has served the last request

	// The exchange that is under way, nil for none.

	ex       *exchange
	head     int    // length of the head, if that has been read
	headErr  error  // or why it could not be
	pending  []byte // written, but not sent
	chunking bool   // data is sent in chunks
	passing  bool   // chunks are sent as they come
}

// phase is what a connection is doing.
type phase uint8

const (
	idle    phase = iota // it waits for a request
	leaving              // it is told to end if none has come
	busy                 // it reads a request, or answers it
)

// lingering is how long a client may go on sending a body that nobody reads
// any more. To close the connection at once could cost it the answer (RFC 9112
// section 9.6).
const lingering = time.Second

// newClientConn returns one for a socket or what stands for one, and says who is at
// its other end.
func newClientConn(at *port, c net.Conn, from net.Addr) *clientConn {
	p := at.proxy
	cc := &clientConn{proxy: p, port: at}
	cc.out.open(c)
	cc.open(c, &p.memory, smallSize)
	tune(cc.socket)
	cc.attending, cc.reading = cc.attend, cc.ready
	cc.peer, cc.peerText = peerOf(from.String())
	if c, ok := c.(*tls.Conn); ok {
		state := c.ConnectionState()
		cc.secure, cc.named, cc.verified = true, router.HostName(state.ServerName), state.VerifiedChains
	}
	return cc
}

// serve answers requests until the connection ends.
func (c *clientConn) serve() {
	defer c.out.conn.Close()
	defer func() {
		if bug := recover(); bug != nil {
			c.proxy.Log.Error("a bug: the connection is given up", "client", c.peerText, "panic", fmt.Sprint(bug), "stack", string(debug.Stack()))
		}
	}()
	for c.awaitRequest() && c.serveOne() {
	}
}

// awaitRequest waits for the first bytes of a request, and reports whether they
// have come.
func (c *clientConn) awaitRequest() bool {
	c.enter(idle)
	for c.in.len() == 0 {
		if c.asked && c.port.closing() && !c.port.patient() {
			return c.lastLook()
		}
		c.within(c.proxy.world.Load().config.Timeouts.Idle)
		err := c.fillFirst()
		switch {
		case c.over:
			return false
		case err != nil:
			return c.kicked.Load() && c.lastLook()
		}
	}
	c.enter(busy)
	return true
}

// fillFirst waits for the first bytes of a request.
func (c *clientConn) fillFirst() error {
	if c.secure {
		return c.fillRecord()
	}
	c.ready = c.attending
	err := c.fill()
	c.ready = c.reading
	return err
}

// attend reads from the socket and answers, in place, requests that need no
// more to be read from it. It reports whether it is done, because there is
// something else; otherwise it is called again when something has come.
//
// The poller tells of every arrival after the last wait. So after a read that
// emptied the socket there is nothing to be found by another before the next
// wait, and that system call is saved for each request. What such a read does
// not show is an end that came together with the request: the patrol looks for
// that.
func (c *clientConn) attend(fd uintptr) bool {
	for {
		if !c.readReady(fd) {
			return false
		}
		if c.readErr != nil {
			return true
		}
		emptied := c.in.w < len(c.in.data)
		if !c.serveInPlace() || c.in.len() > 0 || c.port.closing() {
			return true
		}
		if emptied {
			c.in.release(c.memory)
			c.unsure.Store(true)
			return false
		}
	}
}

// serveInPlace answers the request that has come if it is a simple one, and
// reports whether it was and there can be another. What is not simple is left to
// serveOne. The connection must not be closed or read here.
func (c *clientConn) serveInPlace() bool {
	ex := c.newExchange()
	r := &ex.req
	if c.head, c.headErr = r.Parse(c.in.bytes()); c.head == 0 || !r.Body.Empty() || r.Upgrade != nil || r.Minor == 0 {
		return false
	}
	c.enter(busy)
	c.over = !c.run(ex)
	if !c.over {
		c.enter(idle)
		c.within(c.proxy.world.Load().config.Timeouts.Idle)
	}
	return !c.over
}

// enter changes the phase. A connection that was told to leave, and has a
// request nevertheless, stays for that.
func (c *clientConn) enter(next phase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == leaving {
		c.unkick()
	}
	c.phase = next
	c.asked = c.asked || next == busy
}

// begins is how long a connection that is told to leave may take to send its first
// request. It was opened to send one.
const begins = time.Second

// leave ends the connection if it waits for a request: one that has had none yet
// after a moment, and all of them only when the port's patience is over.
func (c *clientConn) leave() {
	if c.port.patient() {
		return // it is told again
	}
	c.mu.Lock()
	fresh := !c.asked
	c.mu.Unlock()
	if fresh {
		time.AfterFunc(begins, c.dismiss)
		return
	}
	c.dismiss()
}

// dismiss ends the connection if it waits for a request. It may be called from
// any goroutine.
func (c *clientConn) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == idle {
		c.phase = leaving
		c.kick()
	}
}

// cutOff ends the connection, whatever it does. It may be called from any
// goroutine.
func (c *clientConn) cutOff() {
	c.isGone.Store(true)
	c.leash.pull(errClientGone)
	beneath(c.out.conn).Close() // without a word, which could have to wait
}

// lastMoment is how long it is looked for a request on a connection that is about
// to be closed. Nothing is read at all, not even what is there, once the time is over
// (internal/poll), so it is long enough for a goroutine that is kept waiting for a
// processor.
const lastMoment = 50 * time.Millisecond

// lastLook finds out whether a request has come on a connection that is about
// to be closed.
func (c *clientConn) lastLook() bool {
	c.enter(busy)
	c.until(time.Now().Add(lastMoment))
	return c.fill() == nil
}

// newExchange opens an exchange for a request of which something has come.
func (c *clientConn) newExchange() *exchange {
	ex := c.proxy.exchange(c, &c.inlet, &c.leash)
	ex.record.Start = time.Now()
	ex.peer, ex.peerText, ex.proto, ex.secure, ex.named = c.peer, c.peerText, "HTTP/1.1", c.secure, c.named
	if c.secure {
		ex.offer, ex.verified = *c.port.offer.Load(), c.verified
	}
	c.ex, c.pending, c.chunking, c.passing = ex, ex.answering[:0], false, false
	c.head, c.headErr = 0, nil
	return ex
}

// serveOne reads and answers one request, and reports whether there can be
// another.
func (c *clientConn) serveOne() bool {
	ex := c.ex
	if ex == nil {
		ex = c.newExchange()
	}
	if c.head == 0 && c.headErr == nil {
		c.head, c.headErr = c.readHead(ex)
	}
	if c.headErr == nil {
		return c.run(ex)
	}
	if ex.last = true; c.headErr != io.EOF {
		c.proxy.reject(ex, c.headErr)
	}
	return c.finish(ex)
}

// run answers the request whose head has been read.
func (c *clientConn) run(ex *exchange) bool {
	c.in.skip(c.head)
	ex.memory = c.in.lend()
	if ex.req.Minor == 0 {
		ex.proto = "HTTP/1.0"
	}
	ex.last = !ex.req.KeepAlive || c.port.closing()
	c.proxy.serve(ex)
	return c.finish(ex)
}

// readHead reads the head of a request, of which something has come, and
// returns its length. io.EOF means that there is nobody to be answered.
func (c *clientConn) readHead(ex *exchange) (n int, err error) {
	for first := true; ; first = false {
		if n, err = ex.req.Parse(c.in.bytes()); n > 0 || err != nil {
			return n, err
		}
		if first {
			c.until(ex.record.Start.Add(ex.world.config.Timeouts.Header))
		}
		switch err := c.fill(); {
		case err == nil:
		case isTimeout(err) && !c.kicked.Load():
			return 0, errHeadSlow
		default:
			return 0, io.EOF
		}
	}
}

// finish ends an exchange, and reports whether there can be another.
func (c *clientConn) finish(ex *exchange) bool {
	last, cut := ex.last || ex.cut || c.isGone.Load() || c.leash.reason() != nil, ex.cut
	unread := !ex.body.done.Load() || ex.memory == nil
	if m := ex.memory; m != nil && !c.in.regain(m) {
		c.memory.put(m)
	}
	if cap(c.pending) > cap(ex.answering) {
		ex.answering = c.pending
	}
	c.ex, c.pending, c.size = nil, nil, smallSize
	c.since.Store(forNothing)
	http10 := ex.proto == "HTTP/1.0"
	c.proxy.recycle(ex)
	switch {
	case cut && http10:
		// The end of the connection is the end of the answer there, so the
		// connection has to break.
		c.abort()
	case last && !cut && unread:
		c.linger()
	}
	return !last
}

// abort breaks the connection, so that the client sees that it has not got all:
// under TLS, too, where a closed one says that this was the end.
func (c *clientConn) abort() {
	below := beneath(c.out.conn)
	if tcp, ok := below.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	below.Close()
}

// linger reads what the client still sends, and drops it.
func (c *clientConn) linger() {
	if half, ok := c.out.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	c.until(time.Now().Add(lingering))
	for {
		c.in.skip(c.in.len())
		if c.fill() != nil {
			return
		}
	}
}
