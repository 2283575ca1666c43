// Package http1 is the HTTP/1.1 wire format (RFC 9112): it reads heads and
// chunked bodies from bytes that somebody else received, and appends to bytes
// that somebody else sends. It knows no sockets and copies nothing it can
// point at.
//
// # How a message passes through
//
//	request.go     Request.Parse: request line, fields, and what follows from them
//	target.go      the four forms of a request target
//	host.go        which host a request is for
//	response.go    Response.Parse: the same for an answer
//	head.go        lines of a head, as they arrive; the limits
//	fields.go      the fields of a head: lookup, iteration, what is left out
//	names.go       the few fields that this package understands
//	connection.go  what concerns one connection only
//	body.go        where a body ends
//	chunked.go     chunks, as they arrive
//	chunkraw.go    chunks as they came, for a relay
//	chunkline.go   the line before a chunk
//	trailer.go     what may follow the last chunk
//	append.go      writing all of this
//	ascii.go       the character classes
//	errors.go      what can be wrong
//
// A caller reads bytes into a buffer and calls Parse with all it has until
// Parse returns the length of the head; what follows in the buffer is body:
//
//	buf  GET /a?b HTTP/1.1␍␊Host: shop␍␊Connection: x-1␍␊X-1:  v␍␊␍␊{"id":7}
//	     └┬┘ └─┬┘           └─────┬────┘└───────┬───────┘└───┬───┘  └───┬──┘
//	     Method Target        lines[0]      lines[1]     lines[2]    buf[n:]
//
//	lines[2]  start, colon, value, valueEnd, end   offsets in buf
//	          kind   which of the fields that decide something, if one of them
//	          omit   not passed on (true here: Connection names it)
//	          plain  written as this package writes, so the line can be copied
//	                 as it is (false here: there are two spaces)
//
// Fields are offsets and not slices, so that a buffer may be moved to a larger
// one while a head is incomplete, and so that the collector finds no pointers
// in them. All byte slices that a head returns point into the buffer: they are
// valid until the caller changes it. Nothing is allocated once the structures
// have grown to what is usual; Reset makes them ready for the next message.
//
// # One understanding of where a message ends
//
// Whoever forwards a message has to agree with whoever receives it about where
// it ends, or the rest is taken for another message (RFC 9112 section 11.2).
// So this package refuses what others are known to read in different ways, and
// what it writes is written anew: framing fields are never copied, always
// [Body.Append]ed; what concerns one connection is left out; chunk extensions
// and superfluous zeros vanish.
//
// Where the standard leaves a choice, this package chooses:
//
//   - One empty line (CRLF) before a request is skipped, as section 2.2 asks;
//     a second one is refused, and so is any before an answer.
//   - A line ends with CRLF. A bare LF, which section 2.2 lets a recipient
//     accept, is refused, like a bare CR.
//   - HTTP/1.2 to 1.9 are read as 1.1 (RFC 9110 section 2.5). HTTP/0.9 without
//     a version is malformed; any other major version is ErrVersion.
//   - Targets may contain any byte above 0x20 but DEL and '#', also those above
//     0x7F, which browsers and scripts do send: they reach the origin byte for
//     byte and have no part in framing. Percent signs in a path must be
//     followed by two digits. An authority is plain ASCII.
//   - A host is letters, digits, '-', '.', '_', '~', or an IPv6 address in
//     brackets: what DNS can resolve (RFC 3986 section 3.2.2). Percent signs,
//     commas and other punctuation, which a registered name may contain, are
//     refused: they occur in attacks only.
//   - A second Content-Length is refused even if it says the same, and so is a
//     list. Transfer-Encoding is one field with the value "chunked".
//     A coding before a final chunked is ErrUnsupportedCoding: 501 for
//     a request; an answer can only be refused with 502, whatever is wrong.
//     Anything else is malformed (RFC 9112 section 6.3).
//   - Chunk sizes have at most 16 digits and are at most 2^63-1. Whitespace
//     around chunk extensions is refused.
//   - Trailer fields that frame, route, authenticate or describe content are
//     dropped, not refused (RFC 9110 section 6.5.1).
package http1
