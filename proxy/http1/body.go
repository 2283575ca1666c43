package http1

import (
	"math"
	"strconv"
)

// Framing says how the end of a body is found.
type Framing uint8

const (
	// None: no body follows.
	None Framing = iota
	// Announced: no body follows, but Length is that of the body that a GET
	// would have got (answers to HEAD, and 304).
	Announced
	// Length: so many bytes follow.
	Length
	// Chunks follow, to be read by Chunked.
	Chunks
	// UntilClose: all bytes up to the end of the connection. Only for answers.
	UntilClose
	// Tunnel: what follows is not HTTP (101, and 2xx to CONNECT).
	Tunnel
)

// Body says where a message ends.
type Body struct {
	Framing Framing
	Length  int64 // for Announced and Length
}

// Empty reports whether no byte follows the head.
func (b Body) Empty() bool {
	return b.Framing <= Announced || b.Framing == Length && b.Length == 0
}

// Append appends the field that says where the message ends, if it has one.
func (b Body) Append(dst []byte) []byte {
	switch b.Framing {
	case Announced, Length:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, max(b.Length, 0), 10)
		return append(dst, "\r\n"...)
	case Chunks:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	return dst
}

// body reads the framing that the fields declare: None, Length or Chunks (RFC
// 9112 section 6.3). The order of that section, in which one field overrides
// another, is of no interest: there must be one only.
func (f *Fields) body(minor int) (Body, error) {
	lengths, codings := f.count[contentLength], f.count[transferEncoding]
	switch {
	case lengths|codings == 0:
		return Body{}, nil
	case lengths > 0 && codings > 0:
		return Body{}, malformed("both Content-Length and Transfer-Encoding")
	case lengths > 1:
		return Body{}, malformed("more than one Content-Length")
	case codings > 1:
		return Body{}, malformed("more than one Transfer-Encoding")
	case lengths == 1:
		n, ok := parseLength(f.Value(int(f.first[contentLength])))
		if !ok {
			return Body{}, malformedAt("not a length:", f.Value(int(f.first[contentLength])))
		}
		return Body{Framing: Length, Length: n}, nil
	case minor == 0:
		return Body{}, malformed("Transfer-Encoding in HTTP/1.0") // section 6.1
	}
	return Body{Framing: Chunks}, checkCoding(f.Value(int(f.first[transferEncoding])))
}

// parseLength reads a Content-Length (RFC 9110 section 8.6).
func parseLength(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 19 { // digits of 2^63-1
		return 0, false
	}
	var u uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		u = u*10 + uint64(c-'0')
	}
	return int64(u), u <= math.MaxInt64
}

// checkCoding returns nil for chunked and nothing else.
func checkCoding(value []byte) error {
	if EqualFold(value, "chunked") {
		return nil
	}
	var last []byte
	chunked, odd := 0, false
	for rest := value; rest != nil; {
		last, rest = cutElement(rest)
		odd = odd || !isCoding(last)
		if EqualFold(last, "chunked") {
			chunked++
		}
	}
	if chunked == 1 && !odd && EqualFold(last, "chunked") {
		return &fault{class: ErrUnsupportedCoding, text: "before chunked", bytes: string(value[:min(len(value), 40)])}
	}
	return malformedAt("Transfer-Encoding is not chunked but", value)
}

// isCoding reports whether b is the name of a coding, perhaps with parameters
// (RFC 9112 section 7).
func isCoding(b []byte) bool {
	for i, c := range b {
		if class[c]&token == 0 {
			return i > 0 && (c == ';' || isSpace(c))
		}
	}
	return len(b) > 0
}
