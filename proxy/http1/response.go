package http1

// Response is the head of an answer. The zero value is ready for use; Limits
// may be set before. It must not be copied once it is in use.
type Response struct {
	Fields
	Limits Limits // Target does not apply

	scan              scan
	reason, reasonEnd int // offsets in the buffer

	// What follows is set when Parse has returned the length of the head. All
	// slices point into the buffer that Parse got last.

	Minor  int // 0 for HTTP/1.0, else 1
	Status int // 100 to 999
	Reason []byte

	// Body is what follows. If it is UntilClose, whoever passes the answer on
	// has to find another way to say where it ends.
	Body Body

	// KeepAlive reports whether the connection may be used again when the
	// answer has been read. It is false also for an answer that cannot have a
	// body but announces one: perhaps it comes.
	KeepAlive bool

	// Upgrade holds the protocols of a 101 or 426, nil for none.
	Upgrade []byte
}

// Reset makes r ready for the next message. Limits stay.
func (r *Response) Reset() {
	r.Fields.reset()
	r.scan = scan{}
	r.Reason, r.Upgrade = nil, nil
}

// Parse reads the head that buf begins with, and returns its length: like
// [Request.Parse]. The method is that of the request which this answers, and
// decides whether a body follows.
//
// The error is ErrMalformed, ErrHeaderTooLarge, ErrVersion or
// ErrUnsupportedCoding, for [errors.Is]; to a client all of them are a 502.
func (r *Response) Parse(buf, method []byte) (n int, err error) {
	if !r.scan.begun {
		if r.scan.begun, err = r.statusLine(buf); !r.scan.begun {
			return 0, err
		}
	}
	if n, err = r.scan.fields(&r.Fields, buf, &r.Limits); n == 0 {
		return 0, err
	}
	r.Reason = buf[r.reason:r.reasonEnd:r.reasonEnd]
	if err := r.decide(method); err != nil {
		return 0, err
	}
	return n, nil
}

// statusLine reads the status line (RFC 9112 section 4), and reports whether
// it was there. The space before a reason that is missing may be missing, too:
// many origins forget it, and nothing depends on it.
func (r *Response) statusLine(buf []byte) (ok bool, err error) {
	if len(buf) > 0 && buf[0] != 'H' {
		return false, malformed("not an answer")
	}
	cr, err := r.scan.line(buf, r.Limits.head(), errHead)
	if cr < 0 || err != nil {
		return false, err
	}
	const version, status = len("HTTP/1.1"), len("HTTP/1.1 200")
	line := buf[:cr]
	if len(line) < status || line[version] != ' ' {
		return false, malformedAt("not a status line:", line)
	}
	major, minor, ok := parseVersion(line[:version])
	switch {
	case !ok:
		return false, malformedAt("not a version:", line[:version])
	case major != 1:
		return false, &fault{class: ErrVersion, text: "this is", bytes: string(line[:version])}
	}
	r.Minor, r.Status = minor, 0
	for _, c := range line[version+1 : status] {
		if c < '0' || c > '9' {
			return false, malformedAt("not a status:", line[version+1:])
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	r.reason, r.reasonEnd = min(status+1, cr), cr
	switch {
	case r.Status < 100:
		return false, malformedAt("not a status:", line[version+1:status])
	case len(line) > status && line[status] != ' ':
		return false, malformedAt("no space behind the status:", line)
	case !isText(line[r.reason:]):
		return false, malformed("control character in the reason")
	}
	r.scan.next(cr)
	return true, nil
}

// decide finds out what follows from the fields (RFC 9112 section 6.3). The
// framing must be sound even where it does not count.
func (r *Response) decide(method []byte) error {
	declared, err := r.body(r.Minor)
	if err != nil {
		return err
	}
	o, err := r.options()
	if err != nil {
		return err
	}
	r.KeepAlive, r.Upgrade = o.persists(r.Minor), r.upgrade(o, r.Minor)

	informational := r.Status < 200
	switch {
	case r.Status == 101, string(method) == "CONNECT" && r.Status/100 == 2:
		r.Body, r.KeepAlive = Body{Framing: Tunnel}, false
	case informational, r.Status == 204:
		r.Body = Body{}
		r.KeepAlive = r.KeepAlive && declared.Empty()
	case r.Status == 304, string(method) == "HEAD":
		r.Body = Body{}
		if declared.Framing == Length {
			r.Body = Body{Framing: Announced, Length: declared.Length}
		}
	case declared.Framing == None:
		r.Body, r.KeepAlive = Body{Framing: UntilClose}, false
	default:
		r.Body = declared
	}
	return nil
}
