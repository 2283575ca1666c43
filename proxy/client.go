package proxy

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"divvy/proxy/http1"
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

	isGone atomic.Bool
	since  atomic.Int64 // when the request began that a backend has to answer, in Unix nanoseconds; or one of the values below
	unsure atomic.Bool  // the client may have ended its side together with its last request
	looked time.Time    // when somebody looked after it; the patrol's

	mu    sync.Mutex // guards phase
	phase phase

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

// What a connection waits for, besides a backend.
const (
	forNothing = 0
	forTheBody = -1 // of an answer whose head has come
)

// phase is what a connection is doing.
type phase uint8

const (
	idle    phase = iota // it waits for a request
	leaving              // it is told to end if none has come
	busy                 // it reads a request, or answers it
)

// holdMost is how much of an answer is held back to be sent with what follows.
const holdMost = 8 << 10

// lingering is how long a client may go on sending a body that nobody reads
// any more. To close the connection at once could cost it the answer (RFC 9112
// section 9.6).
const lingering = time.Second

func newClientConn(p *Proxy, at *port, c net.Conn) *clientConn {
	cc := &clientConn{proxy: p, port: at}
	cc.out.conn = c
	tune(c)
	cc.open(c, &p.memory, smallSize)
	cc.attending, cc.reading = cc.attend, cc.ready
	if addr, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		cc.peer = plain(addr.Addr())
	}
	cc.peerText = peerText(cc.peer)
	return cc
}

func peerText(a netip.Addr) string {
	if !a.IsValid() {
		return "unknown"
	}
	return a.String()
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
		if c.port.closing() {
			return c.lastLook()
		}
		c.within(c.proxy.world.Load().config.Timeouts.Idle)
		c.ready = c.attending
		err := c.fill()
		c.ready = c.reading
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
}

// leave ends the connection if it waits for a request. It may be called from
// any goroutine.
func (c *clientConn) leave() {
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
	c.out.conn.Close()
}

// lastLook finds out whether a request has come on a connection that is about
// to be closed.
func (c *clientConn) lastLook() bool {
	c.enter(busy)
	c.until(time.Now().Add(time.Millisecond))
	return c.fill() == nil
}

// newExchange opens an exchange for a request of which something has come.
func (c *clientConn) newExchange() *exchange {
	ex := c.proxy.exchange(c, &c.inlet, &c.leash)
	ex.record.Start = time.Now()
	ex.peer, ex.peerText, ex.proto = c.peer, c.peerText, "HTTP/1.1"
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

// abort breaks the connection, so that the client sees that it has not got all.
func (c *clientConn) abort() {
	if tcp, ok := c.out.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.out.conn.Close()
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

// The door.

func (c *clientConn) inform(head []byte) error {
	_, err := c.out.send(http1.AppendEnd(head), nil)
	return err
}

func (c *clientConn) proceed() error {
	c.mayTake(c.ex.world.config.Timeouts.Stream)
	_, err := io.WriteString(c.out.conn, "HTTP/1.1 100 Continue\r\n\r\n")
	return err
}

func (c *clientConn) begin(status int, head []byte, body http1.Body) error {
	ex := c.ex
	if body.Framing == http1.UntilClose {
		body.Framing = http1.Chunks
	}
	if body.Framing == http1.Chunks {
		if ex.req.Minor == 0 {
			body.Framing, ex.last = http1.UntilClose, true
		} else {
			c.chunking = true
			c.passing = ex.res.Body.Framing == http1.Chunks
		}
	}
	head = body.Append(head)
	switch {
	case ex.last || c.port.closing():
		ex.last = true
		head = append(head, "Connection: close\r\n"...)
	case ex.req.Minor == 0:
		head = append(head, "Connection: keep-alive\r\n"...)
	}
	c.pending = http1.AppendEnd(head)
	c.since.Store(forTheBody)
	return nil
}

func (c *clientConn) takesChunks() bool { return c.passing }

// Write implements door.
func (c *clientConn) Write(p []byte) (int, error) {
	if c.chunking {
		c.pending = http1.AppendChunkHeader(c.pending, int64(len(p)))
	}
	if err := c.pass(p); err != nil {
		return 0, err
	}
	if c.chunking {
		c.pending = append(c.pending, "\r\n"...)
	}
	return len(p), nil
}

func (c *clientConn) pass(p []byte) error {
	if len(c.pending)+len(p) <= holdMost {
		c.pending = append(c.pending, p...)
		return nil
	}
	_, err := c.out.send(c.pending, p)
	c.pending = c.pending[:0]
	return err
}

func (c *clientConn) flush() error {
	if len(c.pending) == 0 {
		return nil
	}
	_, err := c.out.conn.Write(c.pending)
	c.pending = c.pending[:0]
	return err
}

func (c *clientConn) raw() (*inlet, error) {
	if c.inlet.raw == nil {
		return nil, nil
	}
	return &c.inlet, c.flush()
}

func (c *clientConn) end(trailer *http1.Fields, closed bool) error {
	if c.chunking && !closed {
		c.pending = http1.AppendLastChunk(c.pending, trailer)
	}
	return c.flush()
}

func (c *clientConn) hijack() (*clientConn, error) {
	c.ex.last = true
	return c, nil
}

func (c *clientConn) mayTake(limit time.Duration) { c.out.within(limit) }

func (c *clientConn) gone() bool { return c.isGone.Load() }

func (c *clientConn) waiting(yes bool) {
	if yes {
		c.since.Store(c.ex.record.Start.UnixNano())
	} else {
		c.since.Store(forNothing)
	}
}

// How often it is looked after clients that wait: as soon as their requests take
// long, and less often the longer they take.
const (
	lookSoon = 100 * time.Millisecond
	lookLate = 2 * time.Second
)

// lookAfter pulls the leash if the client has left while the exchange waits for
// a backend. It is called now and then, by the patrol. A client that has closed
// its side may wait for its answer nevertheless (RFC 9112 section 9.6), but not
// for longer than half; 0 is no bound. What it gets of an answer that has begun
// shows whether it is there.
func (c *clientConn) lookAfter(now time.Time, half time.Duration) {
	since := c.since.Load()
	if since == forNothing {
		if c.unsure.CompareAndSwap(true, false) && c.look() != present {
			c.leave()
		}
		return
	}
	waited, pause := time.Duration(0), lookLate
	if since != forTheBody {
		waited = now.Sub(time.Unix(0, since))
		pause = min(max(waited/8, lookSoon), lookLate)
	}
	if now.Sub(c.looked) < pause {
		return
	}
	c.looked = now
	switch c.look() {
	case present:
		return
	case halfClosed:
		if since == forTheBody || half == 0 || waited < half {
			return
		}
	}
	c.isGone.Store(true)
	c.leash.pull(errClientGone)
}
