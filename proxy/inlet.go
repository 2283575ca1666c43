package proxy

import (
	"io"
	"net"
	"sync/atomic"
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
	by      time.Time             // the deadline that is set
	kicked  atomic.Bool

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

// longAgo is a deadline that ends what is under way.
var longAgo = time.Unix(1, 0)

func (i *inlet) open(src source, m *memory, size int) {
	i.src, i.memory, i.size = src, m, size
	i.ready, i.peek = i.readReady, i.lookReady
	if c, ok := src.(*net.TCPConn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			i.raw = raw
		}
	}
}

// fill reads once, and waits if nothing has come. It returns io.EOF at the end.
func (i *inlet) fill() error {
	if i.raw == nil || !canReadReady {
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

// within bounds the waits from now on; zero is no bound. To set a deadline
// costs a timer operation, so one is set a quarter later than asked for, and
// left alone until that quarter has passed.
func (i *inlet) within(limit time.Duration) {
	if limit == 0 {
		if !i.by.IsZero() {
			i.until(time.Time{})
		}
		return
	}
	now := time.Now()
	if left := i.by.Sub(now); left < limit || left > limit+limit/4 {
		i.until(now.Add(limit + limit/4))
	}
}

// until bounds the waits exactly.
func (i *inlet) until(t time.Time) {
	i.by = t
	_ = i.src.SetReadDeadline(t)
	if i.kicked.Load() { // between the two lines above, or before
		_ = i.src.SetReadDeadline(longAgo)
	}
}

// kick ends the read that is under way, and those to come, with a timeout. It
// may be called from any goroutine.
func (i *inlet) kick() {
	i.kicked.Store(true)
	_ = i.src.SetReadDeadline(longAgo)
}

// unkick lets reads work again.
func (i *inlet) unkick() {
	i.kicked.Store(false)
	i.by = longAgo // so that the next bound is set
}

// outlet is the sending side of a connection. It belongs to one goroutine at a
// time.
type outlet struct {
	conn net.Conn
	by   time.Time // the deadline that is set
	both [2][]byte
	vec  net.Buffers
}

// within bounds the writes from now on, like inlet.within.
func (o *outlet) within(limit time.Duration) {
	if limit == 0 {
		return
	}
	now := time.Now()
	if left := o.by.Sub(now); left < limit || left > limit+limit/4 {
		o.by = now.Add(limit + limit/4)
		_ = o.conn.SetWriteDeadline(o.by)
	}
}

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
