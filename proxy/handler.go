package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"divvy/proxy/environ"
	"divvy/proxy/http1"
	"divvy/router"
)

var _ = environ.Done // before net/http is initialised

// handle answers a request that came to a port by what net/http and its relatives
// speak, which is everything but HTTP/1: what they deliver is written as HTTP/1.1 and
// read like any other request, so that from there on nothing is different.
func (p *Proxy) handle(w http.ResponseWriter, r *http.Request, at *port) {
	d, ok := p.doors.Get().(*handlerDoor)
	if !ok {
		d = newHandlerDoor(&p.memory)
	}
	d.begins(w, r)
	over := context.AfterFunc(r.Context(), func() { d.leash.pull(errClientGone) })
	ex := p.exchange(d, &d.inlet, &d.leash)
	ex.record.Start = time.Now()
	d.describe(ex)
	if r.ProtoMajor == 2 && ex.secure {
		ex.offer = *at.offer.Load()
	}
	slow := d.lookForBody(ex.world.config.Timeouts.Header)
	err := d.request()
	if err == nil {
		_, err = ex.req.Parse(d.head)
	}
	switch {
	case err != nil:
		p.reject(ex, err)
	case slow != nil:
		p.reject(ex, slow)
	case d.unknown:
		p.reject(ex, errProtocol)
	default:
		p.serve(ex)
	}
	cut := ex.cut
	if cap(d.answer) > cap(ex.answering) {
		ex.answering = d.answer
	}
	d.inlet.in.skip(d.inlet.in.len())
	d.inlet.in.release(&p.memory)
	p.recycle(ex)
	if over() { // else somebody is still about to pull its leash
		d.ends()
		p.doors.Put(d)
	}
	if cut {
		panic(http.ErrAbortHandler) // what net/http has for this
	}
}

// handlerDoor answers through an http.ResponseWriter. As a source it delivers
// the body of the request, in chunks if its length is not known.
type handlerDoor struct {
	inlet   inlet
	leash   leash
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	writes  bound
	body    io.Reader
	length  int64   // of the body, -1 if it is not known
	chunks  chunker // the body, then
	head    []byte  // of the request
	answer  []byte  // memory of its head
	res     http1.Response

	connects bool   // the stream is to become a tunnel
	unknown  bool   // of a protocol that is not known
	key      string // of the handshake with the origin, for that
	tunnel   streamEnd
}

func newHandlerDoor(m *memory) *handlerDoor {
	d := &handlerDoor{head: make([]byte, 0, 1024)}
	d.inlet.open(d, m, largeSize)
	d.writes.set = func(t time.Time) error { return d.control.SetWriteDeadline(t) }
	d.res.Limits = answerLimits
	d.res.Limits.Head *= 2 // what was added to it must not be refused
	d.res.Limits.Fields *= 2
	return d
}

// begins makes d the door to who sent a request.
func (d *handlerDoor) begins(w http.ResponseWriter, r *http.Request) {
	d.w, d.r, d.control = w, r, http.NewResponseController(w)
	d.body, d.length = r.Body, r.ContentLength
	d.chunks = chunker{body: readerFunc(d.readBody), trailer: func() http.Header { return d.r.Trailer }}
	if protocol := connectProtocol(r); protocol != "" {
		d.connects, d.unknown = true, protocol != webSocket
		d.key = newWebSocketKey()
	}
}

// lookForBody finds out whether there is a body where quic-go does not say and one
// is unusual: what looks like one keeps an origin from noticing that its client has
// left. The end of a stream without comes with its head.
func (d *handlerDoor) lookForBody(limit time.Duration) error {
	if d.r.ProtoMajor < 3 || d.length >= 0 || d.connects || expectsBody(d.r.Method) {
		return nil
	}
	_ = d.SetReadDeadline(time.Now().Add(limit))
	defer func() { _ = d.SetReadDeadline(time.Time{}) }()
	first := make([]byte, 1)
	switch n, err := io.ReadFull(d.body, first); {
	case n > 0:
		d.body = io.MultiReader(bytes.NewReader(first), d.r.Body)
	case err == io.EOF:
		d.length = 0
	case isTimeout(err):
		return errHeadSlow
	}
	return nil
}

// ends makes d ready for another request, for which it keeps its memory.
func (d *handlerDoor) ends() {
	for _, b := range []*bound{&d.inlet.bound, &d.writes, &d.tunnel.out.bound} {
		b.by = time.Time{}
		b.kicked.Store(false)
	}
	d.inlet.size, d.inlet.waits = largeSize, nil
	d.leash = leash{}
	d.w, d.r, d.control, d.body, d.answer = nil, nil, nil, nil, nil
	d.chunks, d.connects, d.unknown, d.key = chunker{}, false, false, ""
	d.tunnel.over.Store(false)
	if d.res.Reset(); cap(d.head) > keepScratch {
		d.head = nil
	}
}

// expectsBody reports whether requests with a method usually have a body.
func expectsBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// describe says of an exchange how it came.
func (d *handlerDoor) describe(ex *exchange) {
	r := d.r
	ex.proto, ex.connects = "HTTP/2.0", d.connects
	if r.ProtoMajor == 3 {
		ex.proto = "HTTP/3.0"
	}
	ex.peer, ex.peerText = peerOf(r.RemoteAddr)
	if r.TLS != nil {
		ex.secure, ex.named, ex.verified = true, router.HostName(r.TLS.ServerName), r.TLS.VerifiedChains
		ex.early = r.ProtoMajor == 3 && !r.TLS.HandshakeComplete
	}
}

// ambiguous reports what the libraries let pass, or correct in silence, and what is
// refused when it comes by HTTP/1.1. A length that they cannot read would make a
// request without a body of one that has one.
func (d *handlerDoor) ambiguous() error {
	r := d.r
	lengths, hosts := r.Header["Content-Length"], r.Header["Host"]
	switch {
	case len(lengths) > 1:
		return fmt.Errorf("%w: more than one content-length", http1.ErrMalformed)
	case len(lengths) == 1 && !isLength(lengths[0], r.ContentLength):
		return fmt.Errorf("%w: not a length: %.40q", http1.ErrMalformed, lengths[0])
	case len(hosts) > 1, len(hosts) == 1 && !strings.EqualFold(hosts[0], r.Host):
		return fmt.Errorf("%w: more than one host", http1.ErrMalformed)
	}
	return nil
}

// isLength reports whether a field says in digits that a body is n bytes long.
func isLength(s string, n int64) bool {
	said, err := strconv.ParseUint(s, 10, 63) // which takes no sign
	return err == nil && int64(said) == n
}

// request writes the head of the request.
func (d *handlerDoor) request() error {
	if err := d.ambiguous(); err != nil {
		return err
	}
	r, method := d.r, d.r.Method
	if d.connects {
		method = http.MethodGet
	}
	dst := http1.AppendRequestLine(d.head[:0], method, r.RequestURI) // which makes valid what is not
	if len(dst) != len(method)+len(r.RequestURI)+len("  HTTP/1.1\r\n") || string(dst[:len(method)]) != method {
		return fmt.Errorf("%w: not a method and a target: %.40q", http1.ErrMalformed, method+" "+r.RequestURI)
	}
	dst = http1.AppendField(dst, "Host", r.Host)
	for name, values := range r.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", ":protocol":
			continue
		case webSocketKey:
			if d.connects {
				continue
			}
		}
		for _, v := range values {
			dst = http1.AppendField(dst, name, v)
		}
	}
	if d.connects {
		d.head = http1.AppendEnd(appendHandshake(dst, d.key))
		return nil
	}
	for name := range r.Trailer {
		dst = http1.AppendField(dst, "Trailer", name)
	}
	body := http1.Body{Framing: http1.Length, Length: d.length}
	switch {
	case d.length < 0:
		body.Framing = http1.Chunks
	case d.length == 0 && r.Header["Content-Length"] == nil:
		body.Framing = http1.None
	}
	d.head = http1.AppendEnd(body.Append(dst))
	return nil
}

// Read implements source.
func (d *handlerDoor) Read(p []byte) (int, error) {
	if d.connects {
		return d.tunnel.read(p)
	}
	if d.length >= 0 {
		return d.readBody(p)
	}
	return d.chunks.Read(p)
}

// readerFunc is an io.Reader made of a function.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// readBody reads data of the body. quic-go returns nothing when it has read the
// trailers, and for frames without data.
func (d *handlerDoor) readBody(p []byte) (n int, err error) {
	for range 100 {
		if n, err = d.body.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// SetReadDeadline implements source.
func (d *handlerDoor) SetReadDeadline(t time.Time) error { return d.control.SetReadDeadline(t) }

func (d *handlerDoor) inform(head []byte) error {
	if err := d.header(head); err != nil {
		return err
	}
	d.w.WriteHeader(d.res.Status)
	clear(d.w.Header())
	return nil
}

// proceed has nothing to do for HTTP/2, where a client is asked when its body is
// first read.
func (d *handlerDoor) proceed() error {
	if d.r.ProtoMajor == 3 {
		d.w.WriteHeader(http.StatusContinue)
	}
	return nil
}

func (d *handlerDoor) begin(status int, head []byte, body http1.Body) error {
	if err := d.header(head); err != nil {
		return err
	}
	d.answer = head[:0]
	h := d.w.Header()
	if body.Framing == http1.Length || body.Framing == http1.Announced {
		h["Content-Length"] = []string{strconv.FormatInt(body.Length, 10)}
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // no guessing
	}
	d.w.WriteHeader(status)
	return nil
}

// header takes over the fields of a head. Those that say something about the
// connection have no meaning in newer protocols (RFC 9113 section 8.2.2).
func (d *handlerDoor) header(head []byte) error {
	res := &d.res
	res.Reset()
	text := string(http1.AppendEnd(head)) // of which names and values are parts
	if _, err := res.Parse(unsafe.Slice(unsafe.StringData(text), len(text)), nil); err != nil {
		return err
	}
	h, values := d.w.Header(), make([]string, res.Len())
	for i := range values {
		switch key := http.CanonicalHeaderKey(view(res.Name(i))); key {
		case "Connection", "Upgrade":
		default:
			values[i] = view(res.Value(i))
			if h[key] == nil {
				h[key] = values[i : i+1 : i+1]
				continue
			}
			h[key] = append(h[key], values[i])
		}
	}
	return nil
}

func (d *handlerDoor) takesChunks() bool           { return false }
func (d *handlerDoor) pass([]byte) error           { panic("not asked for") }
func (d *handlerDoor) Write(b []byte) (int, error) { return d.w.Write(b) }
func (d *handlerDoor) flush() error                { return d.control.Flush() }
func (d *handlerDoor) raw() (*inlet, error)        { return nil, nil }

// end sends the trailers. net/http gives a short body a length, after which no
// fields can come, unless it is made to send the head before.
func (d *handlerDoor) end(trailer *http1.Fields, _ bool) error {
	if trailer == nil || trailer.Len() == 0 {
		return nil // it ends when the handler does
	}
	err := d.control.Flush()
	for i := range trailer.Len() {
		if !trailer.Omitted(i) {
			d.w.Header().Add(http.TrailerPrefix+string(trailer.Name(i)), string(trailer.Value(i)))
		}
	}
	return err
}

// mayTake bounds writes. A connection that cannot have a deadline works without
// one.
func (d *handlerDoor) mayTake(limit time.Duration) { d.writes.within(limit) }

func (d *handlerDoor) gone() bool { return d.r.Context().Err() != nil }

// waiting has nothing to do: the context tells when the client has left.
func (d *handlerDoor) waiting() {}
