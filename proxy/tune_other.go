//go:build !linux

package proxy

import "syscall"

// tune does what is done on Linux to connections to clients.
func tune(syscall.RawConn) {}
