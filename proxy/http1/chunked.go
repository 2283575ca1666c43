package http1

// Chunked reads a body in chunks (RFC 9112 section 7.1) from bytes as they
// come. The zero value is ready for use; Reset makes it ready for the next body.
//
//	   5;ext=1␍␊hello␍␊0␍␊Sum: 1␍␊␍␊   next message
//	   └─size─┘└data─┘└┴end: data  └trailers┘
//	Raw:  5   ␍␊hello␍␊                          as it came, without the extension
//	Next:       hello
//
// A caller gives [Chunked.Raw] or [Chunked.Next] what it has, does something
// with what it gets, forgets the n bytes that are used up, and calls again
// when there is more; until Done. Only part of a line of framing, less than
// MaxChunkLine bytes, is ever left over for the next call.
type Chunked struct {
	// Limits bounds the trailers.
	Limits Limits

	// Received is the number of bytes of data so far.
	Received int64

	state      chunkState
	left       int64 // data to come in this chunk
	extensions int   // bytes of them so far
	closed     bool  // Raw has returned the end of the body
	trailer    trailer
}

type chunkState uint8

const (
	atSize    chunkState = iota // before a line with a size
	atSizeEnd                   // before the CRLF of that line, of which Raw has skipped a part
	inData
	atDataEnd // before the CRLF after data
	inTrailer // behind the line of the last chunk
	atEnd
)

// Reset makes c ready for the next body. Limits stay.
func (c *Chunked) Reset() {
	c.trailer.reset()
	c.Received, c.state, c.left, c.extensions, c.closed = 0, atSize, 0, 0, false
}

// Done reports whether the body has ended.
func (c *Chunked) Done() bool { return c.state == atEnd }

// Trailer returns the trailer fields, complete when Done. Those that must not
// be trailers are marked as omitted. They point into memory of c and are valid
// until Reset.
func (c *Chunked) Trailer() *Fields { return &c.trailer.Fields }

// Closed reports whether what Raw has returned includes the end of the body.
// Otherwise whoever passed it on has to [AppendLastChunk].
func (c *Chunked) Closed() bool { return c.closed }

// Pending returns how many bytes of data the current chunk still has. They can
// be moved without being looked at, and be accounted for by Skip.
func (c *Chunked) Pending() int64 {
	if c.state != inData {
		return 0
	}
	return c.left
}

// Skip accounts for n bytes of data that were moved by other means. It panics
// if the chunk has not so many.
func (c *Chunked) Skip(n int64) {
	if n < 0 || n > c.Pending() {
		panic("http1: Skip beyond the end of a chunk")
	}
	c.took(n)
}

func (c *Chunked) took(n int64) {
	c.Received += n
	if c.left -= n; c.left == 0 && c.state == inData {
		c.state = atDataEnd
	}
}

// Next uses up the first n bytes of in: framing, one piece of data, and the
// framing behind it as far as it has come. Without data it has used up what it
// can, or the body has ended.
func (c *Chunked) Next(in []byte) (data []byte, n int, err error) {
	for c.state != atEnd && n < len(in) {
		if c.state == inData {
			if data != nil {
				return data, n, nil
			}
			k := int(min(c.left, int64(len(in)-n)))
			data = in[n : n+k : n+k]
			n += k
			c.took(int64(k))
			continue
		}
		k, err := c.frame(in[n:])
		if k == 0 || err != nil {
			return data, n, err
		}
		n += k
	}
	return data, n, nil
}

// frame uses up one piece of framing, and returns its length: 0 if it has not
// come.
func (c *Chunked) frame(in []byte) (n int, err error) {
	switch c.state {
	case atSize:
		l, err := parseChunkLine(in)
		if l.end == 0 || err != nil {
			return 0, err
		}
		return l.end, c.begin(l)
	case atSizeEnd, atDataEnd:
		return c.lineEnd(in)
	default:
		n, done, err := c.trailer.read(in, &c.Limits)
		if done {
			c.state = atEnd
		}
		return n, err
	}
}

// begin starts the chunk behind a line.
func (c *Chunked) begin(l chunkLine) error {
	if c.extensions += l.end - 2 - l.ext; c.extensions > maxExtensions {
		return malformed("too many chunk extensions")
	}
	if c.left = l.size; l.size > 0 {
		c.state = inData
	} else {
		c.state = inTrailer
	}
	return nil
}

// lineEnd uses up a CRLF.
func (c *Chunked) lineEnd(in []byte) (n int, err error) {
	switch {
	case in[0] != '\r' || len(in) > 1 && in[1] != '\n':
		return 0, malformed("a chunk does not end where it should")
	case len(in) == 1:
		return 0, nil
	case c.state == atSizeEnd:
		c.state = inData
	default:
		c.state = atSize
	}
	return 2, nil
}
