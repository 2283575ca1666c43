package http1

import "bytes"

// Request is the head of a request. The zero value is ready for use; Limits
// may be set before. It must not be copied once it is in use.
type Request struct {
	Fields
	Limits Limits

	scan   scan
	target target

	method, methodEnd, targetEnd int // offsets in the buffer

	// What follows is set when Parse has returned the length of the head. All
	// slices point into the buffer that Parse got last.

	Method []byte // as it came; methods are case-sensitive
	Target []byte // as it came
	Minor  int    // 0 for HTTP/1.0, else 1

	// Host is whom the request is for: the authority of the target or the
	// value of Host. It is valid, and empty if the client left it so, or spoke
	// HTTP/1.0 and did not send it. AppendHead writes what stands here.
	Host []byte

	// Body is what follows: None, Length or Chunks.
	Body Body

	// KeepAlive reports whether the client may send another request.
	KeepAlive bool

	// ExpectContinue reports whether the client waits for a 100 before it
	// sends the body.
	ExpectContinue bool

	// TakesTrailers reports whether the client sent TE: trailers.
	TakesTrailers bool

	// Upgrade holds the protocols that the client wants to change to, nil for
	// none. Upgrade is a hop-by-hop field: who passes it on adds it, and
	// Connection, again.
	Upgrade []byte
}

// Reset makes r ready for the next message. Limits stay.
func (r *Request) Reset() {
	r.Fields.reset()
	r.scan, r.target = scan{}, target{}
	r.Method, r.Target, r.Host, r.Upgrade = nil, nil, nil, nil
}

// Parse reads the head that buf begins with, and returns its length. If buf
// does not hold all of it yet, Parse returns 0 and no error, and is called
// again when there is more: with the same bytes and more behind them, wherever
// they are now. After that, or after an error, r needs Reset.
//
// The error is ErrMalformed, ErrTargetTooLong, ErrHeaderTooLarge, ErrVersion,
// ErrUnsupportedCoding or ErrHTTP2Preface, for [errors.Is].
func (r *Request) Parse(buf []byte) (n int, err error) {
	if !r.scan.begun {
		if r.scan.begun, err = r.requestLine(buf); !r.scan.begun {
			return 0, err
		}
	}
	if n, err = r.scan.fields(&r.Fields, buf, &r.Limits); n == 0 {
		return 0, err
	}
	r.Method = buf[r.method:r.methodEnd:r.methodEnd]
	r.Target = buf[r.methodEnd+1 : r.targetEnd : r.targetEnd]
	if err := r.decide(); err != nil {
		return 0, err
	}
	return n, nil
}

// requestLine reads the request line (RFC 9112 section 3), and reports whether
// it was there.
func (r *Request) requestLine(buf []byte) (ok bool, err error) {
	if r.scan.pos == 0 {
		if ok, err := r.emptyLine(buf); !ok {
			return false, err
		}
	}
	start := r.scan.pos
	if start == len(buf) {
		return false, nil
	}
	if class[buf[start]]&token == 0 {
		return false, malformed("not a request") // TLS, most likely; this need not wait for a line to end
	}
	const most = 64 // for all but the target
	cr, err := r.scan.line(buf, min(r.Limits.target()+most, r.Limits.head()), errTarget)
	if cr < 0 || err != nil {
		return false, err
	}
	line := buf[start:cr]
	sp := 0
	for sp < len(line) && class[line[sp]]&token != 0 {
		sp++
	}
	if sp == len(line) || line[sp] != ' ' {
		return false, malformedAt("not a method and a space:", line)
	}
	method, rest := line[:sp], line[sp+1:]
	size := bytes.IndexByte(rest, ' ')
	if size <= 0 {
		return false, malformedAt("not a request target and a version:", rest)
	}
	target := rest[:size]
	if r.Minor, err = version(method, target, rest[size+1:]); err != nil {
		return false, err
	}
	if size > r.Limits.target() {
		return false, errTarget
	}
	if r.target, err = parseTarget(method, target); err != nil {
		return false, err
	}
	r.method, r.methodEnd, r.targetEnd = start, start+sp, start+sp+1+size
	r.scan.next(cr)
	return true, nil
}

// emptyLine skips the one that may come before a request (RFC 9112 section
// 2.2), and reports whether the request line can be looked for.
func (r *Request) emptyLine(buf []byte) (ok bool, err error) {
	switch {
	case len(buf) == 0:
		return false, nil
	case buf[0] != '\r':
		return true, nil
	case len(buf) == 1:
		return false, nil
	case buf[1] != '\n':
		return false, malformed("bare CR before the request")
	}
	r.scan.next(0)
	return true, nil
}

// version reads the version of a request line (RFC 9112 section 2.3).
func version(method, target, b []byte) (minor int, err error) {
	major, minor, ok := parseVersion(b)
	switch {
	case !ok:
		return 0, malformedAt("not a version:", b)
	case major == 1:
		return minor, nil
	case major == 2 && string(method) == "PRI" && string(target) == "*":
		return 0, ErrHTTP2Preface
	}
	return 0, &fault{class: ErrVersion, text: "this is", bytes: string(b)}
}

// parseVersion reads HTTP/d.d. A minor version that is not known yet is the
// highest that is (RFC 9110 section 2.5).
func parseVersion(b []byte) (major, minor int, ok bool) {
	if len(b) != len("HTTP/1.1") || string(b[:5]) != "HTTP/" || b[6] != '.' {
		return 0, 0, false
	}
	x, y := b[5]-'0', b[7]-'0'
	return int(x), int(min(y, 1)), x <= 9 && y <= 9
}

// decide finds out what follows from the fields.
func (r *Request) decide() (err error) {
	if r.Host, err = r.host(); err != nil {
		return err
	}
	if r.Body, err = r.body(r.Minor); err != nil {
		return err
	}
	if r.target.form == authority && !r.Body.Empty() {
		return malformed("CONNECT with a body") // RFC 9110 section 9.3.6
	}
	o, err := r.options()
	if err != nil {
		return err
	}
	r.KeepAlive = o.persists(r.Minor)
	r.Upgrade = r.upgrade(o, r.Minor)
	r.TakesTrailers = r.has(te, "trailers")
	// Section 10.1.1: HTTP/1.0 cannot expect this, nor one that sends nothing.
	r.ExpectContinue = r.Minor > 0 && !r.Body.Empty() && r.has(expect, "100-continue")
	if r.count[host] > 0 {
		r.lines[r.first[host]].omit = true // AppendHead writes Host
	}
	return nil
}
