package http1

// Raw uses up the first n bytes of in, and returns those among them that can be
// passed on as they are: chunks whose lines have been checked, whole or in
// part, as many as there are, without extensions and superfluous zeros. The
// last chunk is included only if all of it has come and it has no trailers: see
// [Chunked.Closed]. Raw is called again until n is 0.
//
// It is either Raw or [Chunked.Next] for the whole of a body.
func (c *Chunked) Raw(in []byte) (keep []byte, n int, err error) {
	from := 0 // in[from:n] is kept
	for n < len(in) {
		k := 0
		switch c.state {
		case atEnd, inTrailer:
			end, err := c.rest(in, n)
			return in[from:n:n], end, err
		case inData:
			k = int(min(c.left, int64(len(in)-n)))
			c.took(int64(k))
		case atSizeEnd, atDataEnd:
			k, err = c.lineEnd(in[n:])
		case atSize:
			l, bad := parseChunkLine(in[n:])
			switch {
			case l.end == 0 || bad != nil:
				return in[from:n:n], n, bad
			case l.size == 0:
				return c.last(in, from, n, l)
			case l.digits > 0 && n > from:
				return in[from:n:n], n, nil // nothing behind a gap
			case l.digits > 0:
				from = n + l.digits
			}
			if err := c.begin(l); err != nil {
				return nil, n, err
			}
			if k = l.end; l.ext < l.end-2 {
				c.state = atSizeEnd
				ext := n + l.ext
				return in[from:ext:ext], n + l.end - 2, nil
			}
		}
		if k == 0 || err != nil {
			return in[from:n:n], n, err
		}
		n += k
	}
	return in[from:n:n], n, nil
}

// last uses up the last chunk, whose line l begins at n, while in[from:n] is
// kept.
func (c *Chunked) last(in []byte, from, n int, l chunkLine) (keep []byte, end int, err error) {
	const whole = "0\r\n\r\n"
	if len(in)-n >= len(whole) && string(in[n:n+len(whole)]) == whole {
		c.state, c.closed = atEnd, true
		n += len(whole)
		return in[from:n:n], n, nil
	}
	if err := c.begin(l); err != nil {
		return nil, n, err
	}
	end, err = c.rest(in, n+l.end)
	return in[from:n:n], end, err
}

// rest uses up trailers, which begin at n.
func (c *Chunked) rest(in []byte, n int) (end int, err error) {
	for c.state == inTrailer && n < len(in) && err == nil {
		var k int
		k, err = c.frame(in[n:])
		n += k
	}
	return n, err
}
