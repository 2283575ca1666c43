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
	if n > 0 {
		i.in.w += n
		return true
	}
	i.in.release(i.memory)
	if err == syscall.EAGAIN {
		if i.waits != nil {
			i.waits()
		}
		return false
	}
	i.readErr = err
	return true
}

// read reads once from a socket that does not block: something, or syscall.EAGAIN if
// nothing has come, io.EOF at the end, or another error.
func read(fd uintptr, p []byte) (n int, err error) {
	for {
		switch n, err = syscall.Read(int(fd), p); {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case err == syscall.EAGAIN:
			return 0, err
		case err != syscall.EINTR:
			return 0, os.NewSyscallError("read", err)
		}
	}
}

// look finds out whether the other end is still there. It may be called from one
// goroutine while another reads.
func (i *inlet) look() presence {
	if i.socket == nil {
		return present
	}
	if err := i.socket.Control(i.peek); err != nil {
		return absent
	}
	return i.seen
}

// lookReady is look on a socket.
func (i *inlet) lookReady(fd uintptr) {
	n, _, err := syscall.Recvfrom(int(fd), i.probe[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	switch {
	case n > 0:
		i.seen = behind(int(fd))
	case err == syscall.EAGAIN, err == syscall.EINTR:
		i.seen = present
	case err != nil:
		i.seen = absent
	default:
		i.seen = halfClosed
	}
}
