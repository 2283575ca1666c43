package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// stream is one request over HTTP/2 that looks like a connection on which HTTP/1.1
// is spoken: what is written to it is the request as the exchange composes it, and
// what is read from it is the answer. So whatever is done to a request is done
// whoever answers it; see Proxy.handle for the same at the other end.
//
//	exchange, pump ── Write ──> streamed (the request) ──┐
//	                                                     RoundTrip
//	exchange       <── Read ─── ready, body (the answer) ┘
//
// It carries one request, and is closed after it.
type stream struct {
	mux    *mux
	ctx    context.Context
	cancel context.CancelFunc
	sent   streamed

	// The answer, for its reader alone.

	ready []byte    // heads that can be read
	body  io.Reader // what follows them; nil before the head has come
	rest  io.Reader // of the library, where the body ends before its stream does

	left bool // it is counted no more; guarded by the upstream's mu

	came chan struct{} // receives a value after a change of what follows

	mu      sync.Mutex // guards the fields below
	begun   time.Time  // when the request was sent; zero: it was not
	early   []byte     // informational answers that were not read
	res     *http.Response
	err     error // why there will be no answer
	closed  bool
	timer   *time.Timer // calls expire
	by      time.Time   // when reads end
	late    bool        // it is later than that
	reading bool        // somebody waits for more of the body
}

func newStream(m *mux) *stream {
	s := &stream{mux: m, came: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Write takes a part of the request. Its head comes in one piece.
func (s *stream) Write(p []byte) (int, error) {
	if s.sent.request != nil {
		return s.sent.Write(p)
	}
	r, n, err := s.sent.begin(p, s.mux.scheme)
	if err != nil {
		return 0, err
	}
	trace := &httptrace.ClientTrace{Got1xxResponse: s.inform}
	s.mu.Lock()
	s.begun = time.Now()
	s.mu.Unlock()
	go s.roundTrip(r.WithContext(httptrace.WithClientTrace(s.ctx, trace)))
	return n, nil
}

// roundTrip sends the request, and leaves the head of the answer to be read.
func (s *stream) roundTrip(r *http.Request) {
	res, err := s.mux.conn.RoundTrip(r)
	if err != nil && unprocessed(err) {
		err = fmt.Errorf("%w: %w", errUnprocessed, err)
	}
	s.mu.Lock()
	s.res, s.err = res, err
	closed := s.closed
	s.mu.Unlock()
	if closed && err == nil {
		res.Body.Close()
	}
	s.signal()
}

func (s *stream) signal() {
	select {
	case s.came <- struct{}{}:
	default:
	}
}

// inform takes an informational answer. It must not block: who reads for all
// streams of the connection calls it.
func (s *stream) inform(status int, header textproto.MIMEHeader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.early = appendHead(s.early, status, header); len(s.early) > maxAnswerHeader {
		return errAnswer
	}
	s.early = append(s.early, "\r\n"...)
	s.signal()
	return nil
}

// Read implements source.
func (s *stream) Read(p []byte) (int, error) {
	if err := s.wait(); err != nil {
		return 0, err
	}
	if len(s.ready) > 0 {
		n := copy(p, s.ready)
		s.ready = s.ready[n:]
		return n, nil
	}
	if !s.begins() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := s.body.Read(p)
	if late := s.ends(); late && err != nil && err != io.EOF {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// wait implements patient: it waits for a head. Most of the time that a backend takes
// is before that.
func (s *stream) wait() error {
	if len(s.ready) > 0 || s.body != nil {
		return nil
	}
	for {
		s.mu.Lock()
		early, res, err, late := s.early, s.res, s.err, s.late
		s.early = nil
		s.mu.Unlock()
		switch {
		case len(early) > 0:
			s.ready = early
			return nil
		case res != nil:
			s.answer(res)
			return nil
		case err != nil:
			return err
		case late:
			return os.ErrDeadlineExceeded
		}
		<-s.came
	}
}

// answer makes the answer ready to be read.
func (s *stream) answer(res *http.Response) {
	head := appendHead(s.ready[:0], res.StatusCode, res.Header)
	s.ready, s.body, s.rest = s.finishHead(head, res)
}

// begins and ends say that somebody waits for more of the body. It can only be
// given up for good, so it is when it is late and somebody waits. begins reports
// whether there is time.
func (s *stream) begins() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = !s.late
	return s.reading
}

func (s *stream) ends() (late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = false
	return s.late
}

// SetReadDeadline implements source.
func (s *stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by, s.late = t, false
	d := time.Until(t)
	switch {
	case t.IsZero():
	case d <= 0:
		s.expired()
	case s.timer == nil:
		s.timer = time.AfterFunc(d, s.expire)
	default:
		s.timer.Reset(d)
	}
	return nil
}

// expire is called when reads may be late: a deadline may have been moved.
func (s *stream) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.by.IsZero() && !time.Now().Before(s.by) {
		s.expired()
	}
}

func (s *stream) expired() {
	s.late = true
	s.signal()
	if s.reading {
		s.giveUp()
	}
}

// giveUp ends both directions. While the library waits for more of a body it looks
// at nothing else.
func (s *stream) giveUp() {
	s.cancel()
	s.sent.close()
}

// since returns when the request was sent.
func (s *stream) since() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

// SetWriteDeadline implements net.Conn.
func (s *stream) SetWriteDeadline(t time.Time) error { return s.sent.SetWriteDeadline(t) }

// SetDeadline implements net.Conn.
func (s *stream) SetDeadline(t time.Time) error {
	_ = s.SetWriteDeadline(t)
	return s.SetReadDeadline(t)
}

// Close gives up what of the stream is under way.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.begun.IsZero() {
		s.mux.conn.Release()
	}
	s.giveUp()
	if s.res != nil {
		go s.res.Body.Close() // which gives back what was not read of the window
	}
	return nil
}

// finish ends a stream after a sound answer. Word of the end may still be on its way
// behind a body of known length.
func (s *stream) finish() {
	if s.rest == nil {
		s.ended()
		return
	}
	go func() {
		defer s.Close()
		defer time.AfterFunc(lingering, s.cancel).Stop()
		if _, err := s.rest.Read(make([]byte, 1)); err == io.EOF {
			s.ended()
		}
	}()
}

// ended closes a stream of which nothing is under way any more.
func (s *stream) ended() {
	s.mu.Lock()
	s.res = nil
	s.mu.Unlock()
	s.Close()
}

// LocalAddr and RemoteAddr implement net.Conn.
func (s *stream) LocalAddr() net.Addr  { return s.mux.wire.LocalAddr() }
func (s *stream) RemoteAddr() net.Addr { return s.mux.wire.RemoteAddr() }

// errUnprocessed means that the backend has said that it did nothing about the
// request, so that it may be sent again, whatever it is (RFC 9113 section 8.7).
var errUnprocessed = errors.New("the backend did not take the request")

// What the library says without a name for it: a GOAWAY came that excludes the
// request, or the connection was closed before it was sent. A test holds both.
var goneAway = []string{
	"http2: Transport received Server's graceful shutdown GOAWAY",
	"http2: client conn not usable",
}

// unprocessed reports whether err says that nothing was done about the request.
func unprocessed(err error) bool {
	var reset http2.StreamError
	if errors.As(err, &reset) {
		return reset.Code == http2.ErrCodeRefusedStream
	}
	for _, text := range goneAway {
		if err.Error() == text {
			return true
		}
	}
	return false
}

var _ net.Conn = (*stream)(nil)
