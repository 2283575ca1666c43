package http1

import (
	"errors"
	"strconv"
)

// What can be wrong with a message. Every error that this package returns is
// one of these for errors.Is, and its text says more.
var (
	// ErrMalformed: 400 for a request, 502 for an answer.
	ErrMalformed = errors.New("malformed message")

	// ErrTargetTooLong: 414.
	ErrTargetTooLong = errors.New("request target too long")

	// ErrHeaderTooLarge: too many fields or bytes, in a head or in trailers.
	// 431 for a request, 502 for an answer.
	ErrHeaderTooLarge = errors.New("header too large")

	// ErrVersion: 505 for a request, 502 for an answer.
	ErrVersion = errors.New("HTTP version not supported")

	// ErrUnsupportedCoding: a transfer coding before chunked. 501 for a
	// request, 502 for an answer.
	ErrUnsupportedCoding = errors.New("transfer coding not supported")

	// ErrHTTP2Preface means that the client speaks HTTP/2 from the first byte
	// (RFC 9113 section 3.4). Nothing has been lost: the buffer can be given
	// to whoever understands it. It is an ErrVersion for errors.Is.
	ErrHTTP2Preface error = &fault{class: ErrVersion, text: "this is an HTTP/2 connection preface"}
)

// fault is what is wrong with one message.
type fault struct {
	class error
	text  string
	bytes string // the bytes in question as they came, if that helps
}

func (f *fault) Unwrap() error { return f.class }

func (f *fault) Error() string {
	s := f.class.Error() + ": " + f.text
	if f.bytes != "" {
		s += " " + strconv.QuoteToASCII(f.bytes)
	}
	return s
}

func malformed(text string) error { return &fault{class: ErrMalformed, text: text} }

// malformedAt names the bytes in question, or the first of them.
func malformedAt(text string, at []byte) error {
	const enough = 40
	return &fault{class: ErrMalformed, text: text, bytes: string(at[:min(len(at), enough)])}
}
