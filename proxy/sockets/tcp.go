package sockets

import (
	"context"
	"net"
	"syscall"
)

// listenTCP listens on a port.
func listenTCP(a Address) (net.Listener, error) {
	var c net.ListenConfig
	if a.ReusePort {
		c.Control = func(_, _ string, raw syscall.RawConn) error {
			var err error
			if outer := raw.Control(func(fd uintptr) { err = reusePort(fd) }); outer != nil {
				return outer
			}
			return err
		}
	}
	return c.Listen(context.Background(), "tcp", a.Text)
}
