package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"divvy/backends"
	"divvy/metrics"
	"divvy/router"
)

// A door is the way back to the client. Each protocol has one. Its methods are
// called from the goroutine of the exchange only, but for inform.
type door interface {
	// inform sends an informational answer (1xx). It may be called while the
	// request's body is read, from another goroutine, and never after begin.
	inform(status int, h http.Header)

	// proceed asks a client for the body that waits to be asked (RFC 9110
	// section 10.1.1), unless inform did. It may be called from any goroutine.
	proceed()

	// begin sends the head of the answer. The door owns h from then on.
	begin(status int, h http.Header) error

	// Write and flush send the body.
	io.Writer
	flush() error

	// trailer sends fields after the body. The answer ends when the exchange
	// does.
	trailer(h http.Header)

	// hijack gives the connection away, after which nothing else works. What
	// the client has sent already is in the reader.
	hijack() (net.Conn, *bufio.Reader, error)

	// readDeadline and writeDeadline bound reads and writes, those under way
	// too, until the exchange ends; zero is no bound. readDeadline reports
	// whether it could.
	readDeadline(time.Time) bool
	writeDeadline(time.Time)

	// closeAfter makes this the last exchange of its connection, if the
	// protocol has one at a time. It is called before begin.
	closeAfter()
}

// exchange is one request and what became of it, the same through every door.
// It belongs to one goroutine.
type exchange struct {
	world *world // the table, the counters and the configuration, for the whole of it
	door  door
	req   *http.Request
	body  *requestBody

	peer    netip.Addr // who is connected
	trusted bool       // the peer is a trusted proxy
	client  netip.Addr // who the request comes from
	scheme  string     // as the client sees it
	target  string     // the request target as the origin gets it

	service  *router.Service
	random   uint64
	decision router.Decision
	meter    *metrics.Meter
	tried    []*backends.Backend

	abort  func(error) // ends the attempt that is under way
	begun  bool        // the head of an answer was sent
	cut    bool        // the answer is incomplete, and must not look complete
	takeBy time.Time   // when the client must have taken what was written
	cause  error
	record metrics.Observation
}

// Header, Cookie, Query and Client are what a decision may read.
func (ex *exchange) Header(name string) string {
	if strings.EqualFold(name, "Host") {
		return ex.req.Host
	}
	return ex.req.Header.Get(name)
}

// Cookie returns a cookie's value, "" if the request has none of this name or
// more than one: of two it is unknown which the server meant.
func (ex *exchange) Cookie(name string) string {
	value, n := "", 0
	for _, line := range ex.req.Header["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok && k == name {
				value = strings.Trim(v, `"`)
				n++
			}
		}
	}
	if n != 1 {
		return ""
	}
	return value
}

// Query returns the first value of a parameter of the request's target.
func (ex *exchange) Query(name string) string {
	if ex.req.URL.RawQuery == "" {
		return ""
	}
	return ex.req.URL.Query().Get(name)
}

// Client returns the address of the client.
func (ex *exchange) Client() netip.Addr { return ex.client }

// gone reports whether the client has given up. net/http also ends the context
// of a request after a read of its body ran into a deadline.
func (ex *exchange) gone() bool { return ex.req.Context().Err() != nil && !ex.body.timedOut() }

// begin sends the head of an answer.
func (ex *exchange) begin(status int, h http.Header) error {
	ex.begun = true
	ex.record.Status = status
	if !ex.body.finished() {
		// What is left of the body could be taken for the next request.
		ex.door.closeAfter()
	}
	ex.mayTake()
	return ex.door.begin(status, h)
}

// mayTake gives the client until timeouts.stream from now to take what is
// written next. A deadline is moved only when a quarter of its time has
// passed.
func (ex *exchange) mayTake() {
	limit := ex.world.config.Timeouts.Stream
	if limit == 0 {
		return
	}
	if now := time.Now(); ex.takeBy.Sub(now) < limit*3/4 {
		ex.takeBy = now.Add(limit)
		ex.door.writeDeadline(ex.takeBy)
	}
}

// fail remembers why the exchange did not work.
func (ex *exchange) fail(err error) {
	if ex.cause == nil {
		ex.cause = err
	}
}
