package sockets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// file is the file of a unix socket that this process has made, or took over. Nil
// is none.
type file struct {
	path  string
	info  fs.FileInfo
	given bool // the process that is replaced has made it
}

// fileAt returns the file at a path, nil if there is none.
func fileAt(path string) *file {
	info, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	return &file{path: path, info: info}
}

// remove removes the file if it is still the one that it was. The time is compared,
// too, since numbers of files are used again.
func (f *file) remove() {
	if f == nil {
		return
	}
	now, err := os.Lstat(f.path)
	if err == nil && os.SameFile(now, f.info) && now.ModTime().Equal(f.info.ModTime()) {
		_ = os.Remove(f.path)
	}
}

func (f *file) setMode(mode fs.FileMode) error {
	if f == nil {
		return nil
	}
	if err := os.Chmod(f.path, mode); err != nil {
		return fmt.Errorf("mode of %s: %w", f.path, err)
	}
	return nil
}

// mode returns the mode that the file of a unix socket is to have.
func (a Address) mode() fs.FileMode { return cmp.Or(a.Mode, DefaultMode) }

// dialTime is how long somebody who listens on a unix socket may take to show that.
// They need not: the system connects without them.
const dialTime = time.Second

// listenFile listens on a unix socket. A file is in the way if somebody listens on
// it, and if it is no socket.
func listenFile(path string, mode fs.FileMode) (net.Listener, *file, error) {
	l, err := bindFile(path, mode)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err = removeStale(path); err != nil {
			return nil, nil, err
		}
		l, err = bindFile(path, mode)
	}
	if err != nil {
		return nil, nil, err
	}
	f := fileAt(path)
	if err := f.setMode(mode); err != nil {
		l.Close()
		f.remove()
		return nil, nil, err
	}
	return l, f, nil
}

func bindFile(path string, mode fs.FileMode) (net.Listener, error) {
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { narrow(fd, mode) })
	}}
	l, err := c.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return l, nil
}

// removeStale removes the file of a unix socket that nobody listens on.
func removeStale(path string) error {
	f := fileAt(path)
	if f == nil {
		return nil
	}
	if f.info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is no socket: remove it, or use another path")
	}
	c, err := net.DialTimeout("unix", path, dialTime)
	switch {
	case err == nil:
		c.Close()
		return syscall.EADDRINUSE
	case !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is a socket, of which it is not known whether somebody listens there: %w", err)
	}
	f.remove()
	return nil
}
