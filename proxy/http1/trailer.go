package http1

import (
	"bytes"
	"slices"
)

// trailer is the trailer section of one body (RFC 9112 section 7.1.2). It is
// rare and short, so it is collected in memory of its own rather than asking
// callers for a buffer that holds all of it.
type trailer struct {
	Fields
	scan scan
	raw  []byte
}

// keepTrailer is how much memory is kept for the trailers of the next body.
const keepTrailer = 1 << 10

func (t *trailer) reset() {
	t.Fields.reset()
	t.scan = scan{}
	if t.raw = t.raw[:0]; cap(t.raw) > keepTrailer {
		t.raw = nil
	}
}

// read uses up the first n bytes of in, at most one line, and reports whether
// the empty line was there that ends the section.
func (t *trailer) read(in []byte, limits *Limits) (n int, done bool, err error) {
	if len(t.raw) == 0 && len(in) >= 2 && in[0] == '\r' && in[1] == '\n' {
		return 2, true, nil
	}
	n = len(in)
	if i := bytes.IndexByte(in, '\n'); i >= 0 {
		n = i + 1
	}
	if len(t.raw)+n > limits.head() {
		return 0, false, errHead
	}
	t.raw = append(t.raw, in[:n]...)
	end, err := t.scan.fields(&t.Fields, t.raw, limits)
	if end == 0 || err != nil {
		return n, false, err
	}
	for i := range t.lines {
		t.lines[i].omit = t.lines[i].omit || neverTrailer(t.Name(i))
	}
	return n, true, nil
}

// neverTrailer reports whether a field must not be merged from trailers into
// the head, or was forbidden there before it became a matter of definition
// (RFC 9110 section 6.5.1, RFC 7230 section 4.1.2). Who sends it there means
// no good, or does not get what he means.
func neverTrailer(name []byte) bool {
	return slices.ContainsFunc(notInTrailers, func(known string) bool { return EqualFold(name, known) })
}

// Hop-by-hop fields and framing are left out everywhere and so not listed.
var notInTrailers = []string{
	// routing and forwarding
	"host", "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip",
	// modifiers of the request
	"cache-control", "expect", "max-forwards", "pragma", "range",
	"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
	// authentication, and cookies
	"authorization", "authentication-info", "www-authenticate", "proxy-authentication-info", "cookie", "set-cookie",
	// control data of the answer
	"age", "date", "expires", "location", "retry-after", "vary", "warning",
	// how to read the content
	"content-encoding", "content-type", "content-range",
}
