package proxy

import (
	"bytes"
	"net/netip"
	"net/url"
	"strings"

	"divvy/proxy/http1"
	"divvy/router"
)

// Header, Cookie, Query, Client, Method and Path are what a decision may read.
// The strings are valid until the exchange ends.
func (ex *exchange) Header(name string) string {
	if strings.EqualFold(name, "Host") {
		return view(ex.req.Host)
	}
	return view(ex.req.Get(name))
}

// Cookie returns a cookie's value, "" if the request has none of this name or
// more than one: of two it is unknown which the server meant.
func (ex *exchange) Cookie(name string) string {
	var value []byte
	n := 0
	for line := range ex.req.Values("Cookie") {
		for part := range bytes.SplitSeq(line, []byte(";")) {
			if k, v, ok := bytes.Cut(bytes.TrimSpace(part), []byte("=")); ok && string(k) == name {
				value = bytes.Trim(v, `"`)
				n++
			}
		}
	}
	if n != 1 {
		return ""
	}
	return view(value)
}

// Query returns the first value of a parameter of the request's target, as
// [url.ParseQuery] reads it.
func (ex *exchange) Query(name string) string {
	query, _ := ex.req.Query()
	for pair := range strings.SplitSeq(view(query), "&") {
		if strings.IndexByte(pair, ';') >= 0 {
			continue // servers disagree about what it separates
		}
		k, v, _ := strings.Cut(pair, "=")
		if k, ok := unescape(k); !ok || k != name {
			continue
		}
		if v, ok := unescape(v); ok {
			return v
		}
	}
	return ""
}

func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, true
	}
	s, err := url.QueryUnescape(s)
	return s, err == nil
}

// Client returns the address of the client.
func (ex *exchange) Client() netip.Addr { return ex.addr }

// Method returns the method of the request.
func (ex *exchange) Method() string { return view(ex.req.Method) }

// Path returns the path by which the service is found.
func (ex *exchange) Path() string {
	path := ex.req.Path()
	if bytes.IndexByte(path, '%') < 0 {
		return view(path)
	}
	if len(ex.path) == 0 {
		ex.path = ex.req.AppendDecodedPath(ex.path[:0])
	}
	return view(ex.path)
}

// hide prepares what the origin gets instead of what was said to divvy. The
// access log does not see it either, since some of it is secret. Another
// decision, for another attempt, does: the request itself stays as it is.
func (ex *exchange) hide() {
	if ex.service.HidesToken() {
		ex.req.Omit(router.TokenHeader)
	}
	if !ex.service.HidesQuery() {
		return
	}
	came := ex.req.Target
	if query, _ := ex.req.Query(); ex.told(query) {
		ex.target = ex.req.SetQuery(ex.target, ex.query)
		ex.record.Target, ex.req.Target = view(ex.target), came
	}
	// The page that a link has led to names the link in its further requests.
	if page, query, _ := bytes.Cut(ex.req.Get("Referer"), []byte("?")); ex.told(query) {
		ex.req.Omit("Referer")
		ex.record.Referer = view(page)
	}
}

// told reports whether something of a query was said to divvy. It leaves the
// rest of it in ex.query.
func (ex *exchange) told(query []byte) (some bool) {
	ex.query = ex.query[:0]
	separated := false
	for pair := range bytes.SplitSeq(query, []byte("&")) {
		name, _, _ := bytes.Cut(pair, []byte("="))
		if name, ok := unescape(view(name)); ok && ex.service.Hides(name) {
			some = true
			continue
		}
		if separated {
			ex.query = append(ex.query, '&')
		}
		ex.query, separated = append(ex.query, pair...), true
	}
	return some
}

// upgrade returns the protocols that the client asks to change to, nil for
// none. A change to HTTP/2 is never passed on: what came after it would reach
// the origin past every rule (h2c smuggling).
func (ex *exchange) upgrade() []byte { return upgradable(ex.req.Upgrade) }

func upgradable(protocols []byte) []byte {
	for i := range protocols {
		if rest := protocols[i:]; len(rest) >= 2 && http1.EqualFold(rest[:2], "h2") || len(rest) >= 4 && http1.EqualFold(rest[:4], "http") {
			return nil
		}
	}
	return protocols
}

// compose writes the request as the origin gets it, with what has come of the
// body. Where the client, of HTTP/1.0, named no host, it is the service's name:
// many origins refuse a request without one.
func (ex *exchange) compose() error {
	r := &ex.req
	ex.dropClaims()
	if len(r.Host) == 0 {
		r.Host = []byte(ex.service.Name)
	}
	came := r.Target
	if len(ex.target) > 0 {
		r.Target = ex.target // see hide
	}
	dst := r.AppendHead(ex.outgoing[:0])
	r.Target = came
	if referer := ex.record.Referer; len(referer) < len(r.Get("Referer")) {
		dst = http1.AppendField(dst, "Referer", referer)
	}
	protocols := ex.upgrade()
	switch {
	case protocols != nil && r.TakesTrailers:
		dst = append(dst, "Connection: Upgrade, TE\r\n"...)
	case protocols != nil:
		dst = append(dst, "Connection: Upgrade\r\n"...)
	case r.TakesTrailers:
		dst = append(dst, "Connection: TE\r\n"...)
	}
	if protocols != nil {
		dst = http1.AppendFieldBytes(dst, "Upgrade", protocols)
	}
	if r.TakesTrailers {
		dst = append(dst, "TE: trailers\r\n"...)
	}
	dst = appendAnnounced(dst, &r.Fields, r.Body)
	dst = ex.appendForwarded(dst)
	dst = ex.appendCertificate(dst)
	if ex.early && !r.Passes("Early-Data") {
		dst = append(dst, "Early-Data: 1\r\n"...)
	}
	if h := ex.world.config.RequestIDHeader; h != "" {
		dst = http1.AppendField(dst, h, ex.record.RequestID)
	}
	if ex.world.config.Via {
		dst = ex.appendVia(dst)
	}
	dst = http1.AppendEnd(r.Body.Append(dst))
	var err error
	if !ex.body.held {
		dst, err = ex.body.buffered(dst)
	}
	ex.outgoing = dst
	return err
}

// appendAnnounced appends the Trailer fields of a message, which say what may
// come after its body: Trailer is a hop-by-hop field.
func appendAnnounced(dst []byte, f *http1.Fields, body http1.Body) []byte {
	if body.Framing == http1.Chunks {
		for names := range f.Values("Trailer") {
			dst = http1.AppendFieldBytes(dst, "Trailer", names)
		}
	}
	return dst
}

// appendVia appends a Via field of ours, after those that are there (RFC 9110
// section 7.6.3).
func (ex *exchange) appendVia(dst []byte) []byte {
	_, version, _ := strings.Cut(ex.proto, "/")
	return append(append(append(dst, "Via: "...), version...), " divvy\r\n"...)
}
