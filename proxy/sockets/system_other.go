//go:build !unix

package sockets

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

func narrow(uintptr, fs.FileMode) {}

func duplicate(syscall.Conn, string) (*os.File, error) { return nil, errors.ErrUnsupported }

func channel(int) *os.File { return nil }
