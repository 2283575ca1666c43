//go:build unix

package sockets

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// narrow makes a socket that is not bound yet have a file that nobody may open who
// is not meant to, not for a moment. Where the system does not know this, the mode
// is set afterwards.
func narrow(fd uintptr, mode fs.FileMode) { _ = unix.Fchmod(int(fd), uint32(mode.Perm())) }

// duplicate returns another descriptor of an open file. It stays as it is when it
// is given to a process, unlike that of net: to let a socket block would let every
// process block that has it.
func duplicate(c syscall.Conn, name string) (*os.File, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	if outer := raw.Control(func(from uintptr) { fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0) }); outer != nil {
		return nil, outer
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// channel returns an open descriptor that the process was given, nil if it is not
// open.
func channel(fd int) *os.File {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		return nil
	}
	unix.CloseOnExec(fd)
	_ = unix.SetNonblock(fd, true) // so that reads can have a deadline
	return os.NewFile(uintptr(fd), "channel")
}
