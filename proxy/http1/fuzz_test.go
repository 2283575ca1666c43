package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"reflect"
	"testing"
)

// These compare with net/http, which is what most origins and many clients of
// divvy are or resemble. Where both accept a message, both must find the same
// in it, and its end at the same byte.
//
// net/http is stricter: it refuses an empty line before a request, targets
// that net/url does not understand ("//[::1"), a Trailer field with names that
// are forbidden there, bodies whose chunk headers outweigh their data. It is
// laxer: it accepts bare LFs, lines that are folded, lengths that are repeated,
// whitespace at the end of chunk sizes, whatever Host with an absolute target,
// fragments, Transfer-Encoding with Content-Length.

// seeds adds the requests or the answers of the corpus.
func seeds(f *testing.F, answers bool, add func(*hostile)) {
	f.Helper()
	const enough = 4 << 10 // longer ones slow fuzzing down
	n := 0
	for _, h := range hostiles(f) {
		if h.Answer == answers && len(h.Raw) < enough {
			add(h)
			n++
		}
	}
	if n == 0 {
		f.Fatal("the seed corpus is empty")
	}
}

// message is what somebody found in bytes.
type message struct {
	start  string // request line or status line, canonical
	host   string
	length int64 // as net/http has it: -1 for unknown
	close  bool
	header http.Header
	body   string
	end    int // where the next message begins
}

// header returns fields as net/http has them.
func (f *Fields) header() http.Header {
	h := http.Header{}
	for name, value := range f.All() {
		key := textproto.CanonicalMIMEHeaderKey(string(name))
		h[key] = append(h[key], string(value))
	}
	return compared(h)
}

// compared returns h without what net/http moves elsewhere or changes.
func compared(h http.Header) http.Header {
	for _, name := range []string{"Host", "Transfer-Encoding", "Content-Length", "Trailer", "Connection"} {
		delete(h, name)
	}
	if h.Get("Pragma") == "no-cache" {
		delete(h, "Cache-Control") // net/http adds it
	}
	return h
}

// content reads a body, and reports whether it is complete.
func content(b Body, in []byte) (data []byte, used int, ok bool) {
	switch b.Framing {
	case Length:
		if int64(len(in)) < b.Length {
			return nil, 0, false
		}
		return in[:b.Length], int(b.Length), true
	case Chunks:
		var c Chunked
		data, used, err := unchunk(&c, in)
		return data, used, c.Done() && err == nil
	case UntilClose, Tunnel:
		return in, len(in), true
	}
	return nil, 0, true
}

func ourRequest(raw []byte) (m message, ok bool) {
	var r Request
	n, err := r.Parse(raw)
	if n == 0 || err != nil {
		return m, false
	}
	data, used, ok := content(r.Body, raw[n:])
	m = message{
		start: string(r.Method) + " " + string(r.Target), host: string(r.Host), close: !r.KeepAlive,
		header: r.header(), body: string(data), end: n + used, length: r.Body.Length,
	}
	if r.Body.Framing == Chunks {
		m.length = -1
	}
	return m, ok
}

func theirRequest(raw []byte) (m message, ok bool) {
	in := bytes.NewReader(raw)
	br := bufio.NewReader(in)
	r, err := http.ReadRequest(br)
	if err != nil {
		return m, false
	}
	data, err := io.ReadAll(r.Body)
	return message{
		start: r.Method + " " + r.RequestURI, host: r.Host, close: r.Close, header: compared(r.Header),
		body: string(data), end: len(raw) - in.Len() - br.Buffered(), length: r.ContentLength,
	}, err == nil
}

// agree fails if two that accept the same bytes have not found the same. That
// a connection is closed where the other would keep it is no disagreement.
func agree(t *testing.T, raw []byte, ours, theirs message) {
	t.Helper()
	if theirs.close != ours.close && ours.close {
		theirs.close = true
	}
	if !reflect.DeepEqual(ours, theirs) {
		t.Errorf("%q:\nours   %+v\ntheirs %+v", raw, ours, theirs)
	}
}

func FuzzRequest(f *testing.F) {
	seeds(f, false, func(h *hostile) { f.Add(h.Raw) })
	f.Fuzz(func(t *testing.T, raw []byte) {
		ours, ok := ourRequest(raw)
		if theirs, too := theirRequest(raw); ok && too {
			agree(t, raw, ours, theirs)
		}
	})
}

func FuzzResponse(f *testing.F) {
	methods := []string{"GET", "HEAD", "CONNECT", "POST"}
	seeds(f, true, func(h *hostile) {
		for i := range methods {
			f.Add(h.Raw, uint8(i))
		}
	})
	f.Fuzz(func(t *testing.T, raw []byte, m uint8) {
		method := methods[int(m)%len(methods)]
		var r Response
		n, err := r.Parse(raw, []byte(method))
		if n == 0 || err != nil {
			return
		}
		data, used, ok := content(r.Body, raw[n:])
		in := bytes.NewReader(raw)
		br := bufio.NewReader(in)
		res, err := http.ReadResponse(br, &http.Request{Method: method})
		if !ok || err != nil {
			return
		}
		theirs, err := io.ReadAll(res.Body)
		if r.Body.Framing == Tunnel {
			theirs = data // who tunnels does not ask for the body
			used = len(raw) - n - in.Len() - br.Buffered()
		}
		if err != nil {
			return
		}
		agree(t, raw, message{
			start: string(r.Reason), length: int64(r.Status), header: r.header(), close: !r.KeepAlive, body: string(data), end: n + used,
		}, message{
			start: reason(res), length: int64(res.StatusCode), header: compared(res.Header), close: res.Close, body: string(theirs),
			end: len(raw) - in.Len() - br.Buffered(),
		})
		if r.Body.Framing == Announced && method == "HEAD" && res.ContentLength != r.Body.Length {
			t.Errorf("%q: announces %d, and %d for net/http", raw, r.Body.Length, res.ContentLength)
		}
	})
}

// reason returns what stands behind the status.
func reason(res *http.Response) string {
	const status = len("200 ")
	return res.Status[min(status, len(res.Status)):]
}

func FuzzChunked(f *testing.F) {
	seeds(f, false, func(h *hostile) {
		if _, body, ok := bytes.Cut(h.Raw, []byte("\r\n\r\n")); ok {
			f.Add(body)
		}
	})
	f.Fuzz(func(t *testing.T, in []byte) {
		var c, r Chunked
		data, used, err := unchunk(&c, in)
		raw, usedRaw, errRaw := relay(&r, nil, in)
		if (err == nil) != (errRaw == nil) || c.Done() != r.Done() || c.Done() && used != usedRaw {
			t.Fatalf("%q: Next: %d, %v, %v; Raw: %d, %v, %v", in, used, err, c.Done(), usedRaw, errRaw, r.Done())
		}
		if !c.Done() || err != nil {
			return
		}
		if theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in))); err == nil && !bytes.Equal(data, theirs) {
			t.Errorf("%q: got %q, net/http %q", in, data, theirs)
		}
		// What is passed on is read by everybody, and the same.
		theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw)))
		if err != nil || !bytes.Equal(data, theirs) {
			t.Errorf("%q was passed on as %q: net/http got %q, %v, want %q", in, raw, theirs, err, data)
		}
		var again Chunked
		ours, n, err := unchunk(&again, raw)
		if n != len(raw) || err != nil || !again.Done() || !bytes.Equal(ours, data) {
			t.Errorf("%q was passed on as %q: got %q, %d, %v", in, raw, ours, n, err)
		}
		if a, b := c.Trailer().Append(nil), again.Trailer().Append(nil); !bytes.Equal(a, b) {
			t.Errorf("%q: trailers %q became %q", in, a, b)
		}
	})
}
