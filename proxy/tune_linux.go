package proxy

import "syscall"

const (
	notSentLowat = 25 // TCP_NOTSENT_LOWAT
	notSentMost  = 128 << 10
)

// tune makes a connection to a client, if it is a socket, writable for as long as
// little waits to be sent on it. Otherwise it is only when a third of a buffer is
// free that may have grown to megabytes, and a client that takes its time with
// that looks as if it took nothing.
func tune(raw syscall.RawConn) {
	if raw != nil {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, notSentLowat, notSentMost)
		})
	}
}
