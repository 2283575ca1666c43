package proxy

import (
	"errors"
	"fmt"
	"io"
	"time"

	"divvy/backends"
	"divvy/proxy/http1"
	"divvy/router"
)

// forward sends the request to a backend of its version, and to another where
// that failed and it is safe, until there is an answer or nothing is left.
func (p *Proxy) forward(ex *exchange) {
	var last error
	failed := ex.meter
	for ex.record.Attempts < ex.world.config.Attempts {
		b := ex.nextBackend()
		if b == nil {
			break
		}
		if ex.record.Attempts++; ex.record.Attempts > 1 {
			failed.Retried()
		}
		failed = ex.meter
		ex.record.Container, ex.record.Backend = b.ID, b.Addr
		again, err := p.attempt(ex, b)
		if err == nil {
			return
		}
		if last = ex.blame(b, err); !again {
			break
		}
		ex.tried = append(ex.tried, b)
	}
	if last == nil {
		last = errNoBackend
	}
	p.refuse(ex, last)
}

// attempt sends the request to b and passes the answer on. It reports whether
// another backend may be tried when it returns an error.
func (p *Proxy) attempt(ex *exchange, b *backends.Backend) (again bool, err error) {
	defer b.Release()
	if b.Dialect().HTTP2() && http1.HasToken(ex.upgrade(), "websocket") {
		b.Saw(backends.Unknown, 0)
		return false, errNoSocket
	}
	if len(ex.outgoing) == 0 {
		if err := ex.compose(); err != nil {
			b.Saw(backends.Unknown, 0)
			return false, bodyFailure(err)
		}
	}
	l, err := p.converse(ex, p.upstreamOf(b))
	if err == nil {
		return false, p.answer(ex, b, l)
	}
	ex.accuse(b, err)
	return ex.mayRepeat(err), err
}

// converse sends the request and returns the connection on which the head of
// the answer has come. If a connection that was used before turns out to be
// stale, a new one is tried where that is safe.
func (p *Proxy) converse(ex *exchange, u *upstream) (*link, error) {
	ex.arrived, ex.answered = false, false
	for l := u.take(); l != nil; l = u.take() {
		err := ex.ask(l)
		switch {
		case err == nil:
			return l, nil
		case ex.answered || isTimeout(err) || errors.Is(err, errDrained) || !ex.mayRepeat(err):
			return nil, err
		}
		if ex.arrived {
			break // the next may be stale in the same way
		}
	}
	l, err := u.dial(ex)
	if err != nil {
		return nil, err
	}
	return l, ex.ask(l)
}

// ask sends the request over l and waits for the head of the answer. After an
// error l is closed.
func (ex *exchange) ask(l *link) error {
	err := ex.leash.hold(l)
	if err == nil {
		l.answered = false
		ex.link, ex.sent, ex.sendErr = l, false, nil
		l.waits = ex.sendNow
		l.within(ex.world.config.Timeouts.Response)
		ex.door.waiting()
		err = ex.awaitHead(l)
		l.waits = nil
		if ex.sendErr != nil {
			err = ex.sendErr
		}
	}
	if err == nil {
		return nil
	}
	l.close()
	ex.stopPump(l)
	cause := ex.leash.release()
	switch {
	case cause != nil:
		l.waitedInVain(silence)
		return cause
	case l.ended.Load():
		return errDrained
	case isTimeout(err):
		l.waitedInVain(0)
		return errSlow
	case ex.body.owed && !ex.answered:
		return fmt.Errorf("%w: %w", errBodyUnwanted, err)
	}
	return err
}

// send sends the head of the request and what has come of its body, and lets
// the pump do the rest. It is called when nothing has come on the connection,
// and before the answer is waited for: a connection that its backend has closed,
// or sent something on that nobody asked for, is found out by the read that
// there has to be anyway.
func (ex *exchange) send() {
	l := ex.link
	l.waits, ex.sent = nil, true
	l.out.within(ex.world.config.Timeouts.Stream)
	n, err := l.out.conn.Write(ex.outgoing)
	ex.arrived = ex.arrived || n > 0
	switch {
	case err != nil && n == 0:
		ex.sendErr = err
		l.kick()
	case err != nil:
		ex.body.owed = true
		l.within(time.Second) // there may be an answer all the same
	case ex.body.held:
		l.until(time.Now().Add(unasked))
	case !ex.body.done.Load():
		l.within(0)
		ex.startPump(l)
	default: // it may have taken long to be sent
		l.within(ex.world.config.Timeouts.Response)
	}
}

// awaitHead reads the head of the answer into ex.res. What it stands in is still
// in l.in.
func (ex *exchange) awaitHead(l *link) error {
	ex.res.Reset()
	ex.res.Limits = answerLimits
	for {
		if in := l.in.bytes(); len(in) > 0 {
			if !ex.sent {
				return errUnasked
			}
			ex.answered = true
			n, err := ex.res.Parse(in, ex.req.Method)
			if err != nil {
				return fmt.Errorf("%w: %w", errAnswer, err)
			}
			if n > 0 && ex.res.Status >= 200 || n > 0 && ex.res.Status == 101 {
				ex.headCame(l, n)
				return nil
			}
			if n > 0 {
				if err := ex.inform(l, n); err != nil {
					return err
				}
				continue
			}
		}
		err := l.fill()
		switch {
		case err == nil:
		case ex.sent && ex.sendErr == nil && ex.body.held && isTimeout(err) && ex.leash.reason() == nil:
			// It need not know of expectations.
			if err := ex.door.proceed(); err != nil {
				return errClientGone
			}
			l.within(0)
			ex.startPump(l)
		case err == io.EOF && ex.answered:
			return io.ErrUnexpectedEOF
		case err == io.EOF:
			return errNoAnswer
		default:
			return err
		}
	}
}

// headCame notes that the head of the answer, of n bytes, has come.
func (ex *exchange) headCame(l *link, n int) {
	if ex.body.touched {
		l.gotHead()
	}
	ex.headLength = n
	ex.record.FirstByte = time.Since(ex.record.Start)
}

// inform passes an informational answer on. HTTP/1.0 knows none (RFC 9110
// section 15.2).
func (ex *exchange) inform(l *link, n int) error {
	status := ex.res.Status
	ours := status == 100 && !ex.body.held // it was asked, or did not wait
	if ex.req.Minor > 0 && !ours {
		ex.door.mayTake(ex.world.config.Timeouts.Stream)
		ex.answering = ex.res.AppendHead(ex.answering[:0])
		if err := ex.door.inform(ex.answering); err != nil {
			return errClientGone
		}
	}
	l.in.skip(n)
	ex.res.Reset()
	if status == 100 && ex.body.held {
		l.within(0)
		ex.startPump(l)
	}
	return nil
}

// nextBackend acquires a backend that was not tried yet: of the version that
// was decided or, when that has none left, of the one that the hash names now.
// The caller must release it.
func (ex *exchange) nextBackend() *backends.Backend {
	if b := ex.decision.Version.Pool.Acquire(ex.tried); b != nil {
		return b
	}
	if ex.decision.Reason == router.ByOverride {
		return nil
	}
	for range decisions {
		d := ex.service.Decide(ex.asks())
		if d.Version == nil {
			return nil
		}
		b := d.Version.Pool.Acquire(ex.tried)
		if b == nil {
			continue
		}
		if d.Version != ex.decision.Version { // which may have one again
			was := ex.meter
			d.Assigned = ex.decision.Assigned
			ex.assign(d)
			was.End()
			ex.meter.Begin()
		}
		return b
	}
	return nil
}

// decisions is how often it is decided anew for a request: between a decision and its
// use the last backend of the version may go.
const decisions = 3

// mayRepeat reports whether a request that failed like this, before any of an
// answer was passed on, may be sent once more. That is so when nothing of it can
// have arrived, or when to do it twice is to do it once (RFC 9110 section
// 9.2.2), and all of its body is still there to be sent.
func (ex *exchange) mayRepeat(err error) bool {
	if ex.gone() || ex.begun || !ex.body.whole() || ex.clientsFault(err) {
		return false
	}
	return !ex.arrived || errors.Is(err, errUnprocessed) || ex.repeatable() && !isTimeout(err)
}

// repeatable reports whether to send the request twice is to send it once.
func (ex *exchange) repeatable() bool {
	switch string(ex.req.Method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	default:
		return false
	}
}
