package http1

import (
	"cmp"
	"strconv"
)

// What is written is well-formed whatever was read. A head is written as
//
//	dst = r.AppendHead(dst)                          // or AppendStatusLine
//	dst = http1.AppendField(dst, "Via", "1.1 divvy") // what is added
//	dst = r.Body.Append(dst)                         // where it ends
//	dst = http1.AppendEnd(dst)

// AppendHead appends the request line with the target that the origin gets,
// Host, and the fields that are passed on. Framing and the empty line are left
// to the caller. The version is always our own, HTTP/1.1 (RFC 9110 section 2.5).
func (r *Request) AppendHead(dst []byte) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = r.AppendTarget(dst)
	dst = append(dst, " HTTP/1.1\r\n"...)
	dst = AppendFieldBytes(dst, "Host", r.Host)
	return r.Fields.Append(dst)
}

// AppendHead appends the status line and the fields that are passed on.
// Framing and the empty line are left to the caller.
func (r *Response) AppendHead(dst []byte) []byte {
	dst = appendStatusLine(dst, r.Status, r.Reason)
	return r.Fields.Append(dst)
}

// AppendRequestLine appends the request line of a request of our own. What
// must not stand in a method becomes an underscore, and what must not stand in
// a target is percent-encoded.
func AppendRequestLine(dst []byte, method, target string) []byte {
	for _, c := range view(cmp.Or(method, "_")) {
		if class[c]&token == 0 {
			c = '_'
		}
		dst = append(dst, c)
	}
	dst = append(dst, ' ')
	for _, c := range view(cmp.Or(target, "/")) {
		const digits = "0123456789ABCDEF"
		if class[c]&inTarget == 0 {
			dst = append(dst, '%', digits[c>>4], digits[c&0xf])
			continue
		}
		dst = append(dst, c)
	}
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends the status line of an answer of our own. A status
// that is none is written as 500.
func AppendStatusLine(dst []byte, status int, reason string) []byte {
	return appendStatusLine(dst, status, view(reason))
}

func appendStatusLine(dst []byte, status int, reason []byte) []byte {
	if status < 100 || status > 999 {
		status = 500
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = appendText(dst, reason)
	return append(dst, "\r\n"...)
}

// AppendField appends a field. CR, LF, NUL and other control characters in the
// value become spaces (RFC 9110 section 5.5), whitespace around it is dropped,
// and a field whose name is no token is left out.
func AppendField(dst []byte, name, value string) []byte {
	return AppendFieldBytes(dst, name, view(value))
}

// AppendFieldBytes is AppendField for a value that is no string.
func AppendFieldBytes(dst []byte, name string, value []byte) []byte {
	if len(name) == 0 || !all(view(name), token) {
		return dst
	}
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	for len(value) > 0 && isBlank(value[0]) {
		value = value[1:]
	}
	for len(value) > 0 && isBlank(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	dst = appendText(dst, value)
	return append(dst, "\r\n"...)
}

// isBlank reports whether c is whitespace or would become a space.
func isBlank(c byte) bool { return c == ' ' || class[c]&text == 0 || c == '\t' }

func appendText(dst, value []byte) []byte {
	if isText(value) {
		return append(dst, value...)
	}
	for _, c := range value {
		if class[c]&text == 0 {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

// AppendEnd appends the empty line that ends a head.
func AppendEnd(dst []byte) []byte { return append(dst, "\r\n"...) }

// Append appends the fields that are passed on: all but hop-by-hop fields,
// those that Connection names, framing, Host of a request, and those that were
// given to Omit. Lines that are next to each other and written as this package
// would write them, which is most, are copied at once.
func (f *Fields) Append(dst []byte) []byte {
	var from, to uint32 // to be copied
	for i := range f.lines {
		switch l := &f.lines[i]; {
		case l.omit:
		case l.plain && l.start == to:
			to = l.end
		case l.plain:
			dst = append(dst, f.buf[from:to]...)
			from, to = l.start, l.end
		default:
			dst = append(dst, f.buf[from:to]...)
			from, to = 0, 0
			dst = append(dst, f.buf[l.start:l.colon]...)
			dst = append(dst, ": "...)
			dst = append(dst, f.buf[l.value:l.valueEnd]...)
			dst = append(dst, "\r\n"...)
		}
	}
	return append(dst, f.buf[from:to]...)
}

// AppendChunkHeader appends the line before a chunk of n bytes, which CRLF has
// to follow. A chunk of no bytes would end the body: for n < 1 nothing is
// appended, and nothing must be sent.
func AppendChunkHeader(dst []byte, n int64) []byte {
	if n < 1 {
		return dst
	}
	dst = strconv.AppendInt(dst, n, 16)
	return append(dst, "\r\n"...)
}

// AppendChunk appends a chunk with its data; none for no data.
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = AppendChunkHeader(dst, int64(len(data)))
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}

// AppendLastChunk appends the chunk that ends the body, with the trailers that
// are passed on. trailers may be nil.
func AppendLastChunk(dst []byte, trailers *Fields) []byte {
	dst = append(dst, "0\r\n"...)
	if trailers != nil {
		dst = trailers.Append(dst)
	}
	return append(dst, "\r\n"...)
}
