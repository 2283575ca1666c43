//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package sockets

import "errors"

func reusePort(uintptr) error { return errors.ErrUnsupported }
