//go:build !linux

package proxy

import "syscall"

const spliceSupported = false

type pipes struct{}

type splicer struct{ bound func() }

func (*splicer) move(*pipes, *inlet, syscall.RawConn, int64) (int64, error) { return 0, errNoPipe }
