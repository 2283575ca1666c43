package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"divvy/proxy/http1"
)

// streamed is the request of a stream: what is written to it in HTTP/1.1 is read
// by the library as head, body and trailers. What of the body comes with the head
// is kept for it; the rest goes through a pipe, so that who sends it waits for
// who takes it.
type streamed struct {
	head    http1.Request
	request *http.Request // nil before the head was written
	framing http1.Body
	lacking int64 // of a Length
	chunked http1.Chunked
	partial []byte // a line of chunks that has not come to its end

	whole atomic.Bool // all of the body was written
	first []byte      // of the body; the library's
	read  bool        // all of it was; the library's

	to, from net.Conn // the pipe; nil where nothing follows first

	mu     sync.Mutex // guards to, as far as others may look at it, and the fields below
	by     time.Time  // when writes end
	closed bool
}

// begin takes the head, which p begins with, and what follows it, and returns the
// request and the length of both.
func (b *streamed) begin(p []byte, scheme string) (*http.Request, int, error) {
	b.head.Limits = http1.Limits{Target: 2 << 20, Head: 4 << 20, Fields: 20_000} // it is our own
	n, err := b.head.Parse(p)
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errBug, err)
	}
	r := b.make(scheme)
	b.framing, b.lacking = b.head.Body, b.head.Body.Length
	if b.framing.Empty() {
		b.whole.Store(true)
		b.request = r
		return r, n, nil
	}
	b.chunked.Limits = b.head.Limits
	more, err := b.data(p[n:], func(data []byte) error {
		b.first = append(b.first, data...)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	r.Body, r.ContentLength = b, -1
	if b.framing.Framing == http1.Length {
		r.ContentLength = b.framing.Length
	}
	if !b.whole.Load() {
		b.connect()
	}
	b.request = r
	return r, n + more, nil
}

// make returns the request that the head is, without a body.
func (b *streamed) make(scheme string) *http.Request {
	h := &b.head
	host, target := string(h.Host), string(h.AppendTarget(nil))
	r := &http.Request{
		Method: string(h.Method), Host: host, Header: make(http.Header, h.Len()),
		Proto: "HTTP/2.0", ProtoMajor: 2,
		// The target has to arrive as it is, byte for byte. The library takes what
		// stands before the path of a target in this form away again.
		URL: &url.URL{Scheme: scheme, Host: host, Opaque: scheme + "://" + host + target},
	}
	if target == "*" {
		r.URL.Opaque = target
	}
	for name, value := range h.All() {
		switch key := http.CanonicalHeaderKey(string(name)); key {
		case "Host", "Connection", "Upgrade", "Transfer-Encoding", "Content-Length":
		case "Trailer":
			r.Trailer = announced(r.Trailer, string(value))
		default:
			r.Header[key] = append(r.Header[key], string(value))
		}
	}
	if _, said := r.Header["User-Agent"]; !said {
		r.Header["User-Agent"] = nil // or the library has its own
	}
	if r.Trailer == nil && h.Body.Framing == http1.Chunks {
		r.Trailer = http.Header{} // some may come without notice
	}
	return r
}

// announced adds the names of a Trailer field to trailers.
func announced(trailers http.Header, names string) http.Header {
	for name := range strings.SplitSeq(names, ",") {
		switch key := http.CanonicalHeaderKey(strings.TrimSpace(name)); key {
		case "", "Transfer-Encoding", "Trailer", "Content-Length":
		default:
			if trailers == nil {
				trailers = http.Header{}
			}
			trailers[key] = nil
		}
	}
	return trailers
}

// Write takes a part of the body.
func (b *streamed) Write(p []byte) (int, error) {
	return b.data(p, func(data []byte) error {
		if b.to == nil {
			return io.ErrClosedPipe
		}
		_, err := b.to.Write(data)
		return err
	})
}

// data hands what p has of the body to take, and returns how much of p that was.
func (b *streamed) data(p []byte, take func([]byte) error) (n int, err error) {
	if b.framing.Framing == http1.Length {
		piece := p[:min(b.lacking, int64(len(p)))]
		if err := take(piece); err != nil {
			return 0, err
		}
		if b.lacking -= int64(len(piece)); b.lacking == 0 {
			b.end()
		}
		return len(piece), nil
	}
	in := p
	if len(b.partial) > 0 {
		in = append(b.partial, p...)
	}
	for {
		data, n, err := b.chunked.Next(in)
		if len(data) > 0 {
			if err := take(data); err != nil {
				return 0, err
			}
		}
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errBug, err)
		}
		if in = in[n:]; n == 0 || b.chunked.Done() {
			break
		}
	}
	if b.partial = bytes.Clone(in); b.chunked.Done() {
		b.end()
	}
	return len(p), nil
}

// end says that all of the body was written.
func (b *streamed) end() {
	b.whole.Store(true)
	if b.to != nil {
		b.to.Close()
	}
}

// connect opens the pipe.
func (b *streamed) connect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to, b.from = net.Pipe()
	_ = b.to.SetWriteDeadline(b.by)
	if b.closed {
		b.to.Close()
	}
}

// SetWriteDeadline bounds what waits for the library to take the body.
func (b *streamed) SetWriteDeadline(t time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.by = t; b.to != nil {
		return b.to.SetWriteDeadline(t)
	}
	return nil
}

// close gives the body up. What was sent of it must not look like all of it.
func (b *streamed) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed = true; b.to != nil {
		b.to.Close()
	}
}

var errGivenUp = errors.New("the body was given up")

// Read gives the body to the library.
func (b *streamed) Read(p []byte) (int, error) {
	if len(b.first) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	if b.from != nil {
		n, err := b.from.Read(p)
		if n > 0 || err != nil && err != io.EOF {
			return n, err
		}
	}
	if !b.whole.Load() {
		return 0, errGivenUp
	}
	if !b.read {
		b.read = true
		b.trailers()
	}
	return 0, io.EOF
}

// trailers leaves to the library what came behind the body.
func (b *streamed) trailers() {
	t := b.chunked.Trailer()
	for i := range t.Len() {
		if !t.Omitted(i) {
			key := http.CanonicalHeaderKey(string(t.Name(i)))
			b.request.Trailer[key] = append(b.request.Trailer[key], string(t.Value(i)))
		}
	}
}

// Close says that the library wants no more of it.
func (b *streamed) Close() error {
	if b.from != nil {
		return b.from.Close()
	}
	return nil
}
