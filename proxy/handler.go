package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"divvy/proxy/http1"
)

// Handler is the door for everything that net/http and its relatives speak but
// HTTP/1: what they deliver is written as HTTP/1.1 and read like any other
// request, so that from there on nothing is different.
func (p *Proxy) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := &handlerDoor{w: w, r: r, control: http.NewResponseController(w)}
		defer context.AfterFunc(r.Context(), func() { d.leash.pull(errClientGone) })()
		d.inlet.open(d, &p.memory, largeSize)
		d.writes.set = d.control.SetWriteDeadline
		ex := p.exchange(d, &d.inlet, &d.leash)
		ex.record.Start = time.Now()
		ex.proto, ex.secure = r.Proto, r.TLS != nil
		ex.peer, ex.peerText = peerOf(r.RemoteAddr)
		if _, err := ex.req.Parse(d.request()); err != nil {
			p.reject(ex, err)
		} else {
			p.serve(ex)
		}
		cut := ex.cut
		d.inlet.in.skip(d.inlet.in.len())
		d.inlet.in.release(&p.memory)
		p.recycle(ex)
		if cut {
			panic(http.ErrAbortHandler) // what net/http has for this
		}
	})
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
	ended   bool   // the end of the body was delivered
	rest    []byte // what of it did not fit
}

// request returns the head of the request.
func (d *handlerDoor) request() []byte {
	r := d.r
	dst := http1.AppendRequestLine(make([]byte, 0, 1024), r.Method, r.RequestURI)
	dst = http1.AppendField(dst, "Host", r.Host)
	for name, values := range r.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade":
			continue
		}
		for _, v := range values {
			dst = http1.AppendField(dst, name, v)
		}
	}
	for name := range r.Trailer {
		dst = http1.AppendField(dst, "Trailer", name)
	}
	body := http1.Body{Framing: http1.Length, Length: r.ContentLength}
	switch {
	case r.ContentLength < 0:
		body.Framing = http1.Chunks
	case r.ContentLength == 0 && r.Header["Content-Length"] == nil:
		body.Framing = http1.None
	}
	return http1.AppendEnd(body.Append(dst))
}

// Read implements source.
func (d *handlerDoor) Read(p []byte) (int, error) {
	if d.r.ContentLength >= 0 {
		return d.r.Body.Read(p)
	}
	if len(d.rest) > 0 {
		n := copy(p, d.rest)
		d.rest = d.rest[n:]
		return n, nil
	}
	if d.ended {
		return 0, io.EOF
	}
	// The data is read behind where the size of its chunk will stand.
	const before, behind = 16, len("\r\n")
	into := p
	if len(p) < 2*(before+behind) {
		into = make([]byte, 2*(before+behind))
	}
	n, err := d.r.Body.Read(into[before : len(into)-behind])
	chunk := into[:0]
	if n > 0 {
		chunk = http1.AppendChunkHeader(chunk, int64(n))
		chunk = append(chunk, into[before:before+n]...)
		chunk = append(chunk, "\r\n"...)
	}
	if errors.Is(err, io.EOF) {
		d.ended, err = true, nil
		d.rest = d.lastChunk()
	}
	sent := copy(p, chunk) // which is where it is already, if there was room
	d.rest = append(bytes.Clone(chunk[sent:]), d.rest...)
	if sent == 0 && len(d.rest) > 0 {
		return d.Read(p)
	}
	return sent, err
}

// lastChunk returns the end of a body in chunks.
func (d *handlerDoor) lastChunk() []byte {
	end := []byte("0\r\n")
	for name, values := range d.r.Trailer {
		for _, v := range values {
			end = http1.AppendField(end, name, v)
		}
	}
	return http1.AppendEnd(end)
}

// SetReadDeadline implements source.
func (d *handlerDoor) SetReadDeadline(t time.Time) error { return d.control.SetReadDeadline(t) }

func (d *handlerDoor) inform(head []byte) error {
	res, err := d.header(head)
	if err != nil {
		return err
	}
	d.w.WriteHeader(res.Status)
	clear(d.w.Header())
	return nil
}

// proceed has nothing to do: a client is asked when its body is first read.
func (d *handlerDoor) proceed() error { return nil }

func (d *handlerDoor) begin(status int, head []byte, body http1.Body) error {
	if _, err := d.header(head); err != nil {
		return err
	}
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
func (d *handlerDoor) header(head []byte) (*http1.Response, error) {
	res := &http1.Response{Limits: answerLimits}
	res.Limits.Head *= 2 // what was added to it must not be refused
	res.Limits.Fields *= 2
	if _, err := res.Parse(http1.AppendEnd(head), nil); err != nil {
		return nil, err
	}
	h := d.w.Header()
	for name, value := range res.All() {
		switch key := http.CanonicalHeaderKey(string(name)); key {
		case "Connection", "Upgrade":
		default:
			h[key] = append(h[key], string(value))
		}
	}
	return res, nil
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

var errNoTunnel = errors.New("this version of HTTP cannot switch protocols")

func (d *handlerDoor) hijack() (*clientConn, error) { return nil, errNoTunnel }

// mayTake bounds writes. A connection that cannot have a deadline works without
// one.
func (d *handlerDoor) mayTake(limit time.Duration) { d.writes.within(limit) }

func (d *handlerDoor) gone() bool { return d.r.Context().Err() != nil }

// waiting has nothing to do: the context tells when the client has left.
func (d *handlerDoor) waiting() {}
