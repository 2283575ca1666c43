package proxy

import (
	"io"
	"net"
	"syscall"
	"time"
)

// source is where an inlet reads from.
type source interface {
	io.Reader

	// SetReadDeadline bounds reads, those under way too; zero is no bound.
	SetReadDeadline(time.Time) error
}

// inlet is the receiving side of a connection. It holds memory only while
// bytes are in it, and what bounds its waits costs nothing for each of them.
//
// It belongs to one goroutine, but for kick.
type inlet struct {
	bound
	src    source
	raw    syscall.RawConn // nil: src cannot tell when there is something to read
	memory *memory
	size   int // of the memory that it reads into
	in     buffer

	// waits is called when nothing has come, before that is waited for; nil if
	// nobody cares.
	waits func()

	ready   func(fd uintptr) bool // i.readReady, bound once
	readErr error                 // of the last readReady

	peek  func(fd uintptr) // i.lookReady, bound once
	probe [1]byte
	seen  presence
}

// presence is what can be known of the other end of a connection without
// reading from it.
type presence int

const (
	present presence = iota
	talking          // and has sent something
	halfClosed
	absent
)

func (i *inlet) open(src source, m *memory, size int) {
	i.src, i.memory, i.size, i.set = src, m, size, src.SetReadDeadline
	i.ready, i.peek = i.readReady, i.lookReady
	if c, ok := src.(*net.TCPConn); ok && canReadReady {
		if raw, err := c.SyscallConn(); err == nil {
			i.raw = raw
		}
	}
}

// fill reads once, and waits if nothing has come. It returns io.EOF at the end.
func (i *inlet) fill() error {
	if i.raw == nil {
		return i.fillPlain()
	}
	i.readErr = nil
	if err := i.raw.Read(i.ready); err != nil {
		return err
	}
	return i.readErr
}

// fillPlain is fill where nobody tells when there is something to read.
func (i *inlet) fillPlain() error {
	if i.waits != nil {
		i.waits()
	}
	i.in.room(i.memory, i.size)
	n, err := i.src.Read(i.in.data[i.in.w:])
	if i.in.w += n; n > 0 {
		return nil // the error comes again
	}
	i.in.release(i.memory)
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// outlet is the sending side of a connection. It belongs to one goroutine at a
// time.
type outlet struct {
	bound
	conn net.Conn
	both [2][]byte
	vec  net.Buffers
}

func (o *outlet) open(c net.Conn) { o.conn, o.set = c, c.SetWriteDeadline }

// send writes a and b, with one system call where the system can.
func (o *outlet) send(a, b []byte) (n int, err error) {
	switch {
	case len(a) == 0:
		return o.conn.Write(b)
	case len(b) == 0:
		return o.conn.Write(a)
	}
	o.both = [2][]byte{a, b}
	o.vec = o.both[:]
	m, err := o.vec.WriteTo(o.conn)
	o.both, o.vec = [2][]byte{}, nil
	return int(m), err
}
