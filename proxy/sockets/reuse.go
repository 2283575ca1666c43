//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package sockets

import (
	"os"

	"golang.org/x/sys/unix"
)

// reusePort lets others listen on the port of a socket that is not bound yet.
func reusePort(fd uintptr) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}
