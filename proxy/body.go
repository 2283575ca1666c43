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

	mu       sync.Mutex // guards the fields below; not held while reading
	n        int64
	touched  bool
	done     bool // read to its end
	detached bool
	deadline time.Time
}

// newRequestBody returns the body of the exchange's request.
func newRequestBody(ex *exchange) *requestBody {
	c := &ex.world.config
	b := &requestBody{src: ex.req.Body, door: ex.door, limit: c.Limits.Body, timeout: c.Timeouts.Stream}
	if ex.req.Body == nil || ex.req.Body == http.NoBody || ex.req.ContentLength == 0 {
		b.src, b.done = http.NoBody, true
	}
	return b
}

// Read reads from the client.
func (b *requestBody) Read(p []byte) (int, error) {
	if err := b.arm(); err != nil {
		return 0, err
	}
	n, err := b.src.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n += int64(n)
	var tooLarge *http.MaxBytesError
	switch {
	case b.detached:
	case b.limit > 0 && b.n > b.limit, errors.As(err, &tooLarge):
		return 0, errBodyTooLarge
	case errors.Is(err, io.EOF):
		b.done = true
		if !b.deadline.IsZero() {
			b.door.readDeadline(time.Time{})
		}
	case isTimeout(err):
		return n, errBodySlow
	case err != nil:
		return n, fmt.Errorf("%w: %w", errBodyBroken, err)
	}
	return n, err
}

// arm sets the deadline of the next read. A deadline is moved only when a
// quarter of its time has passed, so that it costs nothing per read.
func (b *requestBody) arm() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.detached {
		return io.ErrClosedPipe
	}
	b.touched = true
	if b.timeout == 0 || b.done {
		return nil
	}
	if now := time.Now(); b.deadline.Sub(now) < b.timeout*3/4 {
		b.deadline = now.Add(b.timeout)
		b.door.readDeadline(b.deadline)
	}
	return nil
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

// detach ends all use of the client's connection and returns the number of
// bytes that were read.
func (b *requestBody) detach() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.detached = true
	return b.n
}
