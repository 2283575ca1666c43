package proxy

import (
	"net"
	"syscall"
)

// foresight is a socket below TLS whose reads tell the inlet above before they
// wait. Only here can be known that nothing has come: bytes may be no data, but a
// ticket for another session, or word that the other end closes.
//
//	inlet.fill ──> tls.Conn.Read ──> foresight.Read ──nothing──> inlet.waits ──> (request is sent)
//	      ^                                │
//	      └── data, end or error ──────────┘
type foresight struct {
	*net.TCPConn
	inlet *inlet          // nil while the connection is set up
	raw   syscall.RawConn // nil: it cannot be known

	into  []byte
	n     int
	err   error
	ready func(fd uintptr) bool // c.readReady, bound once
}

func newForesight(c *net.TCPConn) *foresight {
	f := &foresight{TCPConn: c}
	f.ready = f.readReady
	if raw, err := c.SyscallConn(); err == nil && canReadReady {
		f.raw = raw
	}
	return f
}

// Read implements net.Conn.
func (c *foresight) Read(p []byte) (int, error) {
	if c.raw == nil {
		c.tell()
		return c.TCPConn.Read(p)
	}
	c.into, c.n, c.err = p, 0, nil
	err := c.raw.Read(c.ready)
	if c.into = nil; err != nil {
		return 0, err
	}
	return c.n, c.err
}

// readReady reads once from a socket that does not block, and reports whether it
// is done. Otherwise it is called again when something has come.
func (c *foresight) readReady(fd uintptr) bool {
	c.n, c.err = read(fd, c.into)
	if c.err == syscall.EAGAIN {
		c.tell()
		return false
	}
	return true
}

func (c *foresight) tell() {
	if c.inlet != nil && c.inlet.waits != nil {
		c.inlet.waits()
	}
}
