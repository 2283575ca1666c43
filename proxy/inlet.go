package proxy

import (
	"cmp"
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

// patient is a source that can be waited for without memory to read into. wait
// returns when there may be something to read, or why there will not be.
type patient interface{ wait() error }

// inlet is the receiving side of a connection. It holds memory only while
// bytes are in it, and what bounds its waits costs nothing for each of them.
//
// It belongs to one goroutine, but for kick.
type inlet struct {
	bound
	src    source
	raw    syscall.RawConn // nil: src cannot tell when there is something to read
	socket syscall.RawConn // what src reads from in the end, nil if it is none
	lasts  bool            // src can be read again after a wait that was ended
	memory *memory
	size   int // of the memory that it reads into
	in     buffer

	// waits is called when nothing has come, before that is waited for; nil if
	// nobody cares.
	waits func()

	// foreseen says that src calls waits itself: see foresight.
	foreseen bool

	ready   func(fd uintptr) bool // i.readReady, bound once
	readErr error                 // of the last readReady

	peek  func(fd uintptr) // i.lookReady, bound once
	probe [1]byte
	first [1]byte
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
	conn, ok := src.(net.Conn)
	if i.lasts = ok; !ok || !canReadReady {
		return
	}
	below := beneath(conn)
	if c, ok := below.(syscall.Conn); ok {
		i.socket, _ = c.SyscallConn()
	}
	if below == conn {
		i.raw = i.socket
	}
}

// beneath returns the connection that another, such as one of TLS, is spoken on.
func beneath(c net.Conn) net.Conn {
	for {
		upon, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = upon.NetConn()
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
	if i.waits != nil && !i.foreseen {
		i.waits()
	}
	if src, ok := i.src.(patient); ok {
		if err := src.wait(); err != nil {
			return err
		}
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

// fillRecord is fillPlain for what comes in records, as under TLS, and may be
// waited for long: no memory is held until the first byte of one has come, with
// which the others have.
func (i *inlet) fillRecord() error {
	n, err := i.src.Read(i.first[:])
	if n == 0 {
		return cmp.Or(err, io.ErrNoProgress)
	}
	i.in.room(i.memory, i.size)
	i.in.data[i.in.w] = i.first[0]
	i.in.w++
	n, _ = i.src.Read(i.in.data[i.in.w:]) // an error comes again
	i.in.w += n
	return nil
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
