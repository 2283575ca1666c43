package proxy

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"divvy/proxy/http1"
)

// requestBody is the body of a request on its way to a backend: what of it is
// there, where it ends, and whether all of it can still be sent once more.
//
// The part that came with the head is sent with the head, by the goroutine of
// the exchange. For the rest that starts another one, the pump, so that the
// answer can pass while the body is still on its way. What is short enough is
// kept behind the head, until the answer comes, and can be sent again.
type requestBody struct {
	from    *inlet
	framing http1.Body
	left    int64         // of a Length
	chunked http1.Chunked // of Chunks
	limit   int64         // 0: none
	timeout time.Duration // 0: none

	held    bool  // nobody has asked for it yet, and the client waits to be asked
	touched bool  // the pump has been started
	spilled bool  // part of what it sent was not kept
	owed    bool  // the backend waits for more of the request; the pump's while that runs
	n       int64 // bytes so far; the pump's while that runs
	ended   chan struct{}
	running bool        // ended will have a value
	done    atomic.Bool // nothing of it is left on the client's connection
	stopped atomic.Bool // nobody wants the rest
}

// unasked is how long a backend may take to ask for a body that the client
// holds back until it is asked (RFC 9110 section 10.1.1).
const unasked = time.Second

// begin makes b the body of ex's request.
func (b *requestBody) begin(ex *exchange) {
	c := &ex.world.config
	b.from, b.framing, b.left = ex.client, ex.req.Body, ex.req.Body.Length
	b.limit, b.timeout = c.Limits.Body, c.Timeouts.Stream
	b.done.Store(ex.req.Body.Empty())
	b.held = ex.req.ExpectContinue && b.from.in.len() == 0
}

// reset makes b the body of a request that has none, or of which that is not
// known yet.
func (b *requestBody) reset() {
	b.chunked.Reset()
	b.held, b.touched, b.spilled, b.owed, b.running, b.n = false, false, false, false, false, 0
	b.done.Store(true)
	b.stopped.Store(false)
}

// buffered appends what has come of the body.
func (b *requestBody) buffered(dst []byte) ([]byte, error) {
	for !b.done.Load() && b.from.in.len() > 0 {
		before := b.from.in.len()
		piece, err := b.take()
		if err != nil {
			return dst, err
		}
		dst = append(dst, piece...)
		if b.from.in.len() == before {
			break
		}
	}
	if b.done.Load() {
		dst = b.tail(dst)
	}
	return dst, nil
}

// take uses up bytes that have come and returns what is to be sent of them,
// with its framing. Without any there is only part of a line, or the end.
func (b *requestBody) take() (piece []byte, err error) {
	in := b.from.in.bytes()
	if b.framing.Framing == http1.Length {
		piece = in[:min(b.left, int64(len(in)))]
		b.moved(int64(len(piece)))
		b.from.in.skip(len(piece))
		return piece, nil
	}
	for len(piece) == 0 && len(in) > 0 && !b.chunked.Done() {
		var n int
		piece, n, err = b.chunked.Raw(in)
		if err != nil {
			return nil, err
		}
		in = in[n:]
		b.from.in.skip(n)
		if n == 0 {
			break
		}
	}
	b.n = b.chunked.Received
	if b.limit > 0 && b.n > b.limit {
		return nil, errBodyTooLarge
	}
	if b.chunked.Done() {
		b.done.Store(true)
	}
	return piece, nil
}

// moved accounts for bytes of a body of known length.
func (b *requestBody) moved(n int64) {
	b.n += n
	if b.left -= n; b.left == 0 {
		b.done.Store(true)
	}
}

// tail appends what ends a body that has come to its end.
func (b *requestBody) tail(dst []byte) []byte {
	if b.framing.Framing != http1.Chunks || b.chunked.Closed() {
		return dst
	}
	return http1.AppendLastChunk(dst, b.chunked.Trailer())
}

// keepBody is how much of a body is kept.
const keepBody = 16 << 10

// keep keeps what the pump sends.
func (ex *exchange) keep(piece, tail []byte) {
	b := &ex.body
	if b.spilled = b.spilled || len(ex.outgoing)+len(piece)+len(tail) > keepBody; !b.spilled {
		ex.outgoing = append(append(ex.outgoing, piece...), tail...)
	}
}

// whole reports whether all of the body can be sent once more: what the pump has
// sent, which must not run any more, and what is still to come. That does not come
// to a reader that was interrupted if it reads from a stream.
func (b *requestBody) whole() bool {
	return !b.touched || !b.spilled && (b.done.Load() || b.from.lasts)
}

// startPump lets the pump send to l what has not been sent with the head.
func (ex *exchange) startPump(l *link) {
	b := &ex.body
	b.held = false
	if b.done.Load() {
		l.expect(ex.world.config.Timeouts.Response)
		return
	}
	b.touched, b.running, b.owed = true, true, true
	b.stopped.Store(false)
	b.from.size = largeSize
	go ex.pump(l)
}

// pump sends what is left of the body.
func (ex *exchange) pump(l *link) {
	defer func() {
		if bug := recover(); bug != nil {
			ex.proxy.logBug(ex, "a bug: the body of the request is given up", bug)
			ex.leash.pull(fmt.Errorf("%w: %v", errBug, bug))
		}
		ex.body.ended <- struct{}{}
	}()
	b := &ex.body
	for !b.done.Load() && !b.stopped.Load() {
		err := ex.pumpOnce(l)
		sending := new(sendError)
		switch {
		case err == nil:
			continue
		case b.stopped.Load():
		case !errors.As(err, &sending):
			ex.leash.pull(bodyFailure(err))
		case isTimeout(err):
			ex.leash.pull(errBodyUntaken)
		default: // the answer, or its lack, tells the rest
			l.expect(ex.world.config.Timeouts.Response)
		}
		return
	}
	b.owed = !b.done.Load()
	l.expect(ex.world.config.Timeouts.Response)
}

// sendError means that a backend did not take what was sent to it.
type sendError struct{ error }

func (e *sendError) Unwrap() error { return e.error }

// pumpOnce sends a piece of the body. If it is the backend that fails, the error
// is a sendError.
func (ex *exchange) pumpOnce(l *link) error {
	b := &ex.body
	b.from.within(b.timeout)
	if b.framing.Framing == http1.Length && b.from.in.len() == 0 && canSplice(b.from, &l.inlet, b.left) {
		n, err := ex.upload.move(&ex.proxy.pipes, b.from, l.raw, b.left)
		if err != errNoPipe {
			b.spilled = true
			b.moved(n)
			return err
		}
	}
	if b.from.in.len() == 0 {
		if err := b.from.fill(); err != nil {
			return err
		}
	}
	before := b.from.in.len()
	piece, err := b.take()
	if err != nil {
		return err
	}
	var tail []byte
	if b.done.Load() {
		tail = b.tail(nil)
	}
	ex.keep(piece, tail)
	if len(piece)+len(tail) > 0 {
		l.out.within(b.timeout)
		if _, err := l.out.send(piece, tail); err != nil {
			return &sendError{err}
		}
	} else if b.from.in.len() == before {
		return b.from.fill() // only part of a line
	}
	return nil
}

// stopPump ends the pump, if it runs, and returns the body as it left it.
func (ex *exchange) stopPump(l *link) *requestBody {
	b := &ex.body
	if !b.running {
		return b
	}
	b.running = false
	select {
	case <-b.ended:
		return b
	default:
	}
	b.stopped.Store(true)
	b.from.kick()
	l.out.kick()
	<-b.ended
	b.from.unkick()
	l.out.unkick()
	return b
}

// bodyFailure says what it means that a client's body could not be read.
func bodyFailure(err error) error {
	switch {
	case errors.Is(err, errBodyTooLarge):
		return err
	case isTimeout(err):
		return errBodySlow
	case errors.Is(err, http1.ErrMalformed), errors.Is(err, http1.ErrHeaderTooLarge):
		return fmt.Errorf("%w: %w", errBodyBroken, err)
	default:
		return errClientGone
	}
}
