//go:build unix

package proxy

import (
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

// look finds out whether the other end is still there. Behind bytes that nobody
// has read yet it sees nothing. It may be called from one goroutine while another
// reads.
func (i *inlet) look() presence {
	if i.raw == nil {
		return present
	}
	if err := i.raw.Control(i.peek); err != nil {
		return absent
	}
	return i.seen
}

// lookReady is look on a socket.
func (i *inlet) lookReady(fd uintptr) {
	n, _, err := syscall.Recvfrom(int(fd), i.probe[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	switch {
	case n > 0:
		i.seen = talking
	case err == syscall.EAGAIN, err == syscall.EINTR:
		i.seen = present
	case err != nil:
		i.seen = absent
	default:
		i.seen = halfClosed
	}
}
