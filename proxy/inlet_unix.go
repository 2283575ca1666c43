//go:build unix

package proxy

import (
	"errors"
	"io"
	"os"
	"syscall"
)

const canReadReady = true

// readReady reads once from a socket that does not block, and reports whether
// it is done: there was something, the end or an error. Otherwise it is called
// again when there is; until then no memory is held.
func (i *inlet) readReady(fd uintptr) bool {
	i.in.room(i.memory, i.size)
	n, err := read(fd, i.in.data[i.in.w:])
	switch {
	case n > 0:
		i.in.w += n
		return true
	case err == syscall.EAGAIN:
		i.in.release(i.memory)
		if i.waits != nil {
			i.waits()
		}
		return false
	case err != nil:
		i.readErr = os.NewSyscallError("read", err)
	default:
		i.readErr = io.EOF
	}
	i.in.release(i.memory)
	return true
}

func read(fd uintptr, p []byte) (n int, err error) {
	for {
		if n, err = syscall.Read(int(fd), p); err != syscall.EINTR {
			return n, err
		}
	}
}

// presence is what can be known of the other end of a connection without
// reading from it.
type presence int

const (
	present presence = iota
	halfClosed
	absent
)

// look finds out whether the other end is still there. Behind bytes that nobody
// has read yet it sees nothing.
func (i *inlet) look() (p presence) {
	if i.raw == nil {
		return present
	}
	err := i.raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		case err != nil:
			p = absent
		case n == 0:
			p = halfClosed
		}
	})
	if err != nil {
		return absent
	}
	return p
}
