package proxy

import (
	"io"
	"time"

	"divvy/proxy/http1"
)

// clientConn is the door to a client that speaks HTTP/1. What it writes is held
// back for a moment, so that a short answer leaves in one piece:
//
//	begin        pending: head
//	Write, pass  pending: head, data     too much: both are sent
//	flush, end   pending: -              it is sent
var _ door = (*clientConn)(nil)

// holdMost is how much of an answer is held back to be sent with what follows.
const holdMost = 8 << 10

func (c *clientConn) inform(head []byte) error {
	_, err := c.out.send(http1.AppendEnd(head), nil)
	return err
}

func (c *clientConn) proceed() error {
	c.mayTake(c.ex.world.config.Timeouts.Stream)
	_, err := io.WriteString(c.out.conn, "HTTP/1.1 100 Continue\r\n\r\n")
	return err
}

func (c *clientConn) begin(status int, head []byte, body http1.Body) error {
	ex := c.ex
	if body.Framing == http1.UntilClose {
		body.Framing = http1.Chunks
	}
	if body.Framing == http1.Chunks {
		if ex.req.Minor == 0 {
			body.Framing, ex.last = http1.UntilClose, true
		} else {
			c.chunking = true
			c.passing = ex.res.Body.Framing == http1.Chunks
		}
	}
	head = body.Append(head)
	switch {
	case ex.last || c.port.closing():
		ex.last = true
		head = append(head, "Connection: close\r\n"...)
	case ex.req.Minor == 0:
		head = append(head, "Connection: keep-alive\r\n"...)
	}
	c.pending = http1.AppendEnd(head)
	c.since.Store(forTheBody)
	return nil
}

func (c *clientConn) takesChunks() bool { return c.passing }

// Write implements door.
func (c *clientConn) Write(p []byte) (int, error) {
	if c.chunking {
		c.pending = http1.AppendChunkHeader(c.pending, int64(len(p)))
	}
	if err := c.pass(p); err != nil {
		return 0, err
	}
	if c.chunking {
		c.pending = append(c.pending, "\r\n"...)
	}
	return len(p), nil
}

func (c *clientConn) pass(p []byte) error {
	if c.secure {
		return c.passRecords(p)
	}
	if len(c.pending)+len(p) <= holdMost {
		c.pending = append(c.pending, p...)
		return nil
	}
	_, err := c.out.send(c.pending, p)
	c.pending = c.pending[:0]
	return err
}

// record is how much is sealed and sent at a time under TLS (RFC 8446 section
// 5.1).
const record = 16 << 10

// passRecords is pass under TLS, where each write costs a record of its own, and
// the time that it may take must not be that of many.
func (c *clientConn) passRecords(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), record-len(c.pending))
		if len(c.pending) > 0 || n < record {
			c.pending = append(c.pending, p[:n]...)
		}
		piece := c.pending
		if len(c.pending) == 0 {
			piece = p[:n]
		}
		if p = p[n:]; len(piece) < record {
			return nil
		}
		_, err := c.out.conn.Write(piece)
		if c.pending = c.pending[:0]; err != nil {
			return err
		}
		c.mayTake(c.ex.world.config.Timeouts.Stream)
	}
	return nil
}

func (c *clientConn) flush() error {
	if len(c.pending) == 0 {
		return nil
	}
	_, err := c.out.conn.Write(c.pending)
	c.pending = c.pending[:0]
	return err
}

func (c *clientConn) raw() (*inlet, error) {
	if c.inlet.raw == nil {
		return nil, nil
	}
	return &c.inlet, c.flush()
}

func (c *clientConn) end(trailer *http1.Fields, closed bool) error {
	if c.chunking && !closed {
		c.pending = http1.AppendLastChunk(c.pending, trailer)
	}
	return c.flush()
}

func (c *clientConn) hijack(head []byte) (way, error) {
	c.ex.last = true
	c.since.Store(forNothing)
	w := way{&c.inlet, &c.out}
	if _, err := c.out.send(head, nil); err != nil {
		return w, &sendError{err}
	}
	return w, nil
}

func (c *clientConn) mayTake(limit time.Duration) { c.out.within(limit) }

func (c *clientConn) gone() bool { return c.isGone.Load() }

func (c *clientConn) waiting() { c.since.Store(c.ex.record.Start.UnixNano()) }
