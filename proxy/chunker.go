package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"divvy/proxy/http1"
)

// chunker delivers a body in chunks, with what comes behind it.
type chunker struct {
	body    io.Reader
	trailer func() http.Header // called at the end of the body
	ended   bool               // that was delivered
	rest    []byte             // what of it did not fit
}

// Read implements io.Reader.
func (c *chunker) Read(p []byte) (int, error) {
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	if c.ended {
		return 0, io.EOF
	}
	// The data is read behind where the size of its chunk will stand.
	const before, behind = 16, len("\r\n")
	into := p
	if len(p) < 2*(before+behind) {
		into = make([]byte, 2*(before+behind))
	}
	n, err := c.body.Read(into[before : len(into)-behind])
	chunk := into[:0]
	if n > 0 {
		chunk = http1.AppendChunkHeader(chunk, int64(n))
		chunk = append(chunk, into[before:before+n]...)
		chunk = append(chunk, "\r\n"...)
	}
	if errors.Is(err, io.EOF) {
		c.ended, err = true, nil
		c.rest = c.lastChunk()
	}
	sent := copy(p, chunk) // which is where it is already, if there was room
	c.rest = append(bytes.Clone(chunk[sent:]), c.rest...)
	if sent == 0 && len(c.rest) > 0 {
		return c.Read(p)
	}
	return sent, err
}

// lastChunk returns the end of a body in chunks.
func (c *chunker) lastChunk() []byte {
	end := []byte("0\r\n")
	for name, values := range c.trailer() {
		for _, v := range values {
			end = http1.AppendField(end, name, v)
		}
	}
	return http1.AppendEnd(end)
}
