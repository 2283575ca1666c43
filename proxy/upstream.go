package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"

	"divvy/backends"
)

// upstream is the connections to one backend. It lives as long as the backend.
type upstream struct {
	addr      string
	transport *http.Transport
}

// upstreamOf returns the connections to b.
func upstreamOf(b *backends.Backend) *upstream {
	return b.Conns(func() backends.Conns { return newUpstream(b.Addr) }).(*upstream)
}

func newUpstream(addr string) *upstream {
	var dialer net.Dialer
	return &upstream{addr, &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			if limit, ok := ctx.Value(connectTimeout{}).(time.Duration); ok {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, limit)
				defer stop()
			}
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &conn{TCPConn: c.(*net.TCPConn)}, nil
		},
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdleConns,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxAnswerHeader,
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         16 << 10,
		DisableCompression:     true, // what passes through is not ours to change
	}}
}

// conn is a connection to a backend that tells when it is closed.
type conn struct {
	*net.TCPConn
	closed atomic.Pointer[requestBody] // what is being sent on it
}

// Close implements net.Conn. The transport waits for a read of the request's
// body that is under way before it says that the connection is gone.
func (c *conn) Close() error {
	err := c.TCPConn.Close()
	if b := c.closed.Load(); b != nil {
		b.unwant()
	}
	return err
}

// connectTimeout is the key of the time that a connection may take, which is
// a matter of the configuration at the time of the request.
type connectTimeout struct{}

// Bounds of what is kept for one backend.
const (
	maxIdleConns    = 256
	idleConnTimeout = 90 * time.Second
	maxAnswerHeader = 256 << 10
)

// CloseIdleConnections implements backends.Conns.
func (u *upstream) CloseIdleConnections() { u.transport.CloseIdleConnections() }

// errSlow is the cause of a request's end when its time was up.
var errSlow = fmt.Errorf("it did not answer in time: %w", context.DeadlineExceeded)

// roundTrip sends the request and returns the head of the answer, whose body
// the caller must close.
func (u *upstream) roundTrip(ex *exchange, out *http.Request) (*http.Response, error) {
	t := &ex.world.config.Timeouts
	watch := newWatchdog(t.Response, func() { ex.abort(errSlow) })
	informs := ex.newInforms()
	var used *conn
	ctx := context.WithValue(out.Context(), connectTimeout{}, t.Connect)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			if used != nil {
				used.closed.Store(nil) // it was stale, and this is another
			}
			used = i.Conn.(*conn)
			used.closed.Store(ex.body)
			ex.body.want()
		},
		WroteRequest:   func(httptrace.WroteRequestInfo) { watch.start() },
		Got1xxResponse: informs.send,
	})
	out = out.WithContext(ctx)
	out.URL.Host = u.addr // becomes the Host field where the client sent none
	res, err := u.transport.RoundTrip(out)
	watch.end() // the request may be written to its end only now
	informs.close()
	if used != nil {
		used.closed.Store(nil)
	}
	switch {
	case err != nil:
		return nil, err
	case context.Cause(ctx) == errSlow:
		// The head came in the moment in which it was given up.
		res.Body.Close()
		return nil, errSlow
	}
	ex.record.FirstByte = time.Since(ex.record.Start)
	if res.StatusCode != http.StatusSwitchingProtocols {
		res.Body = newAnswerBody(ex, res)
	}
	return res, nil
}

func newAnswerBody(ex *exchange, res *http.Response) io.ReadCloser {
	limit := ex.world.config.Timeouts.Stream
	if res.Body == http.NoBody || limit == 0 {
		return res.Body
	}
	return &answerBody{res.Body, newWatchdog(limit, func() { ex.abort(errSlow) })}
}

// answerBody is the body of an answer, whose reads are bounded in time.
type answerBody struct {
	io.ReadCloser
	watch *watchdog
}

func (b *answerBody) Read(p []byte) (int, error) {
	b.watch.start()
	n, err := b.ReadCloser.Read(p)
	b.watch.stop()
	return n, err
}

// watchdog calls a function when start was called and stop was not within the
// limit. A nil watchdog never does. Its methods may be called from any
// goroutine.
type watchdog struct {
	limit time.Duration
	timer *time.Timer

	mu   sync.Mutex // guards over
	over bool
}

func newWatchdog(limit time.Duration, bite func()) *watchdog {
	if limit == 0 {
		return nil
	}
	t := time.AfterFunc(time.Hour, bite)
	t.Stop()
	return &watchdog{limit: limit, timer: t}
}

func (w *watchdog) start() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.timer.Reset(w.limit)
	}
}

func (w *watchdog) stop() {
	if w != nil {
		w.timer.Stop()
	}
}

// end stops it for good: a start that comes later does nothing.
func (w *watchdog) end() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// informs passes informational answers on while the final one is awaited. The
// transport delivers them in a goroutine of its own.
type informs struct {
	ex     *exchange
	gate   chan struct{} // holds a value while open and nobody sends
	passes bool
}

func (ex *exchange) newInforms() *informs {
	i := &informs{ex: ex, gate: make(chan struct{}, 1), passes: ex.req.ProtoAtLeast(1, 1)}
	i.gate <- struct{}{}
	return i
}

func (i *informs) send(status int, h textproto.MIMEHeader) error {
	if _, open := <-i.gate; !open {
		return nil
	}
	if i.passes { // HTTP/1.0 knows no informational answers (RFC 9110 section 15.2)
		i.ex.mayTake()
		i.ex.door.inform(status, endToEnd(http.Header(h)))
	}
	if status == http.StatusContinue {
		i.ex.body.ask()
	}
	i.gate <- struct{}{}
	return nil
}

// close lets nothing more through, and returns when nothing is under way.
func (i *informs) close() {
	<-i.gate
	close(i.gate)
}
