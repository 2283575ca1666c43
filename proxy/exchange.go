package proxy

import (
	"crypto/x509"
	"net/netip"
	"time"
	"unsafe"

	"divvy/backends"
	"divvy/metrics"
	"divvy/proxy/http1"
	"divvy/router"
)

// A door is the way back to a client. Each protocol has one. Its methods are
// called from the goroutine of the exchange.
type door interface {
	// inform sends an informational answer (1xx), given as a status line and
	// fields. It is not called after begin.
	inform(head []byte) error

	// proceed asks the client for the body that it holds back until it is asked
	// (RFC 9110 section 10.1.1).
	proceed() error

	// begin sends the head of an answer: a status line and fields, without what
	// says where the body ends, which is the door's concern. The door may
	// append to head until the exchange ends, and may hold it back until flush.
	begin(status int, head []byte, body http1.Body) error

	// takesChunks reports whether chunks can be passed on as they come, by
	// pass. It is asked after begin.
	takesChunks() bool

	// Write sends data of the body, pass chunks of it. Both may hold small
	// things back until flush, and do not keep p.
	Write(p []byte) (int, error)
	pass(chunks []byte) error
	flush() error

	// raw returns where data can be spliced to, nil for nowhere. What was held
	// back has been sent then.
	raw() (*inlet, error)

	// end ends the answer. trailer has the fields after the body, nil for none;
	// closed says that the end has been passed already.
	end(trailer *http1.Fields, closed bool) error

	// hijack sends the head of an answer that switches protocols, and gives the
	// client's connection or stream away, after which nothing else works. Only if
	// the error is a sendError has anything been sent.
	hijack(head []byte) (way, error)

	// mayTake bounds the time that the client may take for what is written from
	// now on; zero is no bound.
	mayTake(limit time.Duration)

	// gone reports whether the client is known to have left.
	gone() bool

	// waiting says that the exchange waits for a backend from now on, until
	// begin, hijack or its end, so that the door looks after the client
	// meanwhile, and pulls the leash when it has left.
	waiting()
}

// exchange is one request and what became of it, the same through every door.
// It belongs to one goroutine, but for what the pump sends of the body.
//
// Exchanges are used again and again: nothing of one may be kept after it has
// ended, strings included.
type exchange struct {
	state

	proxy     *Proxy
	req       http1.Request
	res       http1.Response
	body      requestBody
	chunked   http1.Chunked // the answer's
	upload    splicer
	download  splicer
	flushNow  func() // ex.flushWaiting, bound once
	sendNow   func() // ex.send, bound once
	path      []byte // memory for a path that has to be decoded
	query     []byte // memory for a query that is changed, and for the target
	target    []byte // with it
	id        [32]byte
	outgoing  []byte // the request as the origin gets it
	answering []byte // memory for the head of the answer
	tried     []*backends.Backend
}

// state is the part of an exchange that begins as zero each time.
type state struct {
	world  *world // the table, the counters and the configuration, for the whole of it
	door   door
	leash  *leash
	client *inlet // where the request comes from
	memory []byte // what the head of the request stands in

	proto    string                // as in a request line
	peer     netip.Addr            // who is connected
	peerText string                // the same in words
	secure   bool                  // over TLS
	early    bool                  // it may be a copy that somebody else has sent (RFC 8470)
	connects bool                  // the stream that it came on is to become a tunnel
	offer    string                // a field for its answer, of where else it could be asked; "" for none
	verified [][]*x509.Certificate // of the client: chains that lead from its certificate to an authority
	named    string                // the host that the connection was opened for, "" if that is not known
	trusted  bool                  // the peer is a trusted proxy
	addr     netip.Addr            // who the request comes from
	scheme   string                // as the client sees it

	service     *router.Service
	certificate *x509.Certificate // of the client, if the service trusts it
	random      uint64
	decision    router.Decision
	meter       *metrics.Meter
	tally       tally

	link       *link // that the request is sent on
	sent       bool  // it was, or it was tried
	sendErr    error // why nothing of it could be sent
	headLength int   // of the answer

	arrived  bool // something may have arrived at the backend that is tried
	answered bool // something came back from it
	begun    bool // the head of an answer was sent
	cut      bool // the answer is incomplete, and must not look complete
	last     bool // the connection cannot be used after this exchange
	cause    error
	record   metrics.Observation
}

// exchange returns one for a request from client through door. The request is
// still to be read.
func (p *Proxy) exchange(d door, client *inlet, l *leash) *exchange {
	ex, ok := p.exchanges.Get().(*exchange)
	if !ok {
		ex = &exchange{proxy: p}
		ex.flushNow, ex.sendNow = ex.flushWaiting, ex.send
		ex.download.bound = ex.boundTaking
		ex.upload.bound = func() { ex.link.out.within(ex.body.timeout) }
		ex.body.ended = make(chan struct{}, 1)
		ex.body.reset()
	}
	ex.world = p.world.Load()
	ex.door, ex.client, ex.leash = d, client, l
	limits := &ex.world.config.Limits
	ex.req.Limits = http1.Limits{Target: limits.Target, Fields: limits.Fields, Head: limits.Header}
	return ex
}

// keepScratch is how much memory an exchange keeps for the next one.
const keepScratch = 16 << 10

// recycle makes an exchange that has ended ready for another request.
func (p *Proxy) recycle(ex *exchange) {
	ex.req.Reset()
	ex.res.Reset()
	ex.body.reset()
	scratch := func(b []byte) []byte {
		if cap(b) > keepScratch {
			return nil
		}
		return b[:0]
	}
	for _, b := range []*[]byte{&ex.outgoing, &ex.answering, &ex.path, &ex.query, &ex.target} {
		*b = scratch(*b)
	}
	clear(ex.tried)
	ex.tried = ex.tried[:0]
	ex.state = state{}
	p.exchanges.Put(ex)
}

// view returns b as a string without copying it: valid as long as b is.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// begin sends the head of an answer.
func (ex *exchange) begin(status int, head []byte, body http1.Body) error {
	ex.begun = true
	ex.record.Status = status
	if !ex.body.done.Load() {
		// What is left of the body could be taken for the next request.
		ex.last = true
	}
	ex.door.mayTake(ex.world.config.Timeouts.Stream)
	return ex.door.begin(status, head, body)
}

// gone reports whether the client has given up.
func (ex *exchange) gone() bool { return ex.door.gone() }

// fail remembers why the exchange did not work.
func (ex *exchange) fail(err error) {
	if ex.cause == nil {
		ex.cause = err
	}
}
