//go:build !linux

package proxy

import "net"

// tune does what is done on Linux to connections to clients.
func tune(net.Conn) {}
