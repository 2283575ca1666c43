package proxy

import "golang.org/x/sys/unix"

// States of a connection, as TCP_INFO has them.
const (
	tcpClosed    = 7
	tcpCloseWait = 8 // the other end has closed its side
)

// behind returns what is known of the other end of a connection on which there
// are bytes that nobody has read yet. Under TLS there always are some before the
// end.
func behind(fd int) presence {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	switch {
	case err != nil: // it is no TCP
		return talking
	case info.State == tcpClosed:
		return absent
	case info.State == tcpCloseWait:
		return halfClosed
	}
	return talking
}
