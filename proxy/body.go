package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// requestBody is the body of a request on its way to a backend. It bounds its
// length and the time between two reads, and knows whether any of it is gone,
// which decides whether the request may be sent once more.
//
// The transport reads it in a goroutine of its own, which may outlast the
// exchange: after detach it touches the client's connection no more.
type requestBody struct {
	src     io.Reader
	door    door
	limit   int64         // 0: none
	timeout time.Duration // 0: none
	expects bool          // the client waits to be asked for it
	trailer http.Header   // has the fields after the body once that has been read

	mu       sync.Mutex // guards the fields below; not held while reading
	changed  sync.Cond  // of mu: what a reader or detach waits for
	held     bool       // it must not be read yet, because nobody has asked
	n        int64
	touched  bool
	reading  bool
	done     bool  // read to its end
	failed   error // why it ended early
	unwanted bool  // the connection that it was being sent on is closed
	detached bool
	deadline time.Time
}

// lingering is how long a client may go on sending a body that nobody reads
// any more. To close the connection at once could cost it the answer (RFC 9112
// section 9.6).
const lingering = time.Second

// unasked is how long a backend may take to ask for a body that the client
// holds back until it is asked (RFC 9110 section 10.1.1).
const unasked = time.Second

// longAgo is a deadline that ends what is under way.
var longAgo = time.Unix(1, 0)

// newRequestBody returns the body of the exchange's request.
func newRequestBody(ex *exchange) *requestBody {
	c := &ex.world.config
	b := &requestBody{src: ex.req.Body, door: ex.door, limit: c.Limits.Body, timeout: c.Timeouts.Stream}
	b.changed.L = &b.mu
	if ex.req.Body == nil || ex.req.Body == http.NoBody || ex.req.ContentLength == 0 {
		b.src, b.done = http.NoBody, true
		return b
	}
	if ex.req.Trailer == nil && ex.req.ContentLength < 0 {
		ex.req.Trailer = http.Header{} // for what was not announced
	}
	b.trailer = ex.req.Trailer
	b.expects = ex.req.ProtoAtLeast(1, 1) && hasToken(ex.req.Header, "Expect", "100-continue")
	b.held = b.expects
	return b
}

// Read reads from the client.
func (b *requestBody) Read(p []byte) (int, error) {
	if err := b.arm(); err != nil {
		return 0, err
	}
	if b.expects {
		b.door.proceed()
	}
	n, err := b.src.Read(p)
	return b.took(n, err)
}

// arm sets the deadline of the next read. A deadline is moved only when a
// quarter of its time has passed, so that it costs nothing per read.
func (b *requestBody) arm() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held {
		defer time.AfterFunc(unasked, b.ask).Stop()
		for b.held && !b.detached && !b.unwanted {
			b.changed.Wait()
		}
	}
	switch {
	case b.detached:
		return io.ErrClosedPipe
	case b.unwanted:
		return errBodyUnwanted
	}
	b.touched, b.reading = true, true
	if b.timeout == 0 || b.done {
		return nil
	}
	if now := time.Now(); b.deadline.Sub(now) < b.timeout*3/4 {
		b.deadline = now.Add(b.timeout)
		b.door.readDeadline(b.deadline)
	}
	return nil
}

// took judges what a read gave.
func (b *requestBody) took(n int, err error) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	b.changed.Broadcast()
	b.n += int64(n)
	switch {
	case b.detached:
		return 0, io.ErrClosedPipe
	case b.limit > 0 && b.n > b.limit:
		b.failed = errBodyTooLarge
		return 0, b.failed
	case errors.Is(err, io.EOF):
		b.done = true
		dropHopByHop(b.trailer)
		if !b.deadline.IsZero() {
			b.door.readDeadline(time.Time{})
		}
		return n, io.EOF
	case isTimeout(err) && b.unwanted && (b.deadline.IsZero() || time.Now().Before(b.deadline)):
		b.failed = errBodyUnwanted
	case isTimeout(err):
		b.failed = errBodySlow
	case err != nil:
		b.failed = fmt.Errorf("%w: %w", errBodyBroken, err)
	}
	return n, b.failed
}

// Close does nothing: another attempt may still need the body.
func (b *requestBody) Close() error { return nil }

// untouched reports whether all of the body is still there to be sent.
func (b *requestBody) untouched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.touched || b.src == http.NoBody
}

// finished reports whether nothing of the body is left on the connection.
func (b *requestBody) finished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done
}

// failure returns why the body ended early, nil if it did not.
func (b *requestBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// timedOut reports whether a read was ended by a deadline.
func (b *requestBody) timedOut() bool {
	failed := b.failure()
	return errors.Is(failed, errBodySlow) || errors.Is(failed, errBodyUnwanted)
}

// ask lets a body be read that the client holds back until it is asked.
func (b *requestBody) ask() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = false
	b.changed.Broadcast()
}

// want says that there is a connection for the body.
func (b *requestBody) want() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unwanted = false
}

// unwant ends a read that is under way: the backend that it was for is gone,
// and the client, who may be slow to send more, can be told so at once.
func (b *requestBody) unwant() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.detached || b.done {
		return
	}
	b.unwanted = true
	b.changed.Broadcast()
	if b.reading {
		b.door.readDeadline(longAgo)
	}
}

// detach ends all use of the client's connection and returns the number of
// bytes that were read. What is left of the body is the door's, which must be
// done with it by the deadline that is set here.
func (b *requestBody) detach(linger time.Duration) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.detached {
		return b.n
	}
	b.detached = true
	b.changed.Broadcast()
	if b.done {
		return b.n
	}
	if b.reading && b.door.readDeadline(longAgo) {
		for b.reading {
			b.changed.Wait()
		}
	}
	b.door.readDeadline(time.Now().Add(linger))
	return b.n
}
