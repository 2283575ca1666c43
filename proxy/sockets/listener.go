package sockets

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// Listener is an open socket of a Set. It accepts nothing as long as the set is
// held.
type Listener struct {
	net.Listener
	set    *Set
	gate   <-chan struct{} // the set's
	name   string          // the text of its address
	file   *file           // of a unix socket; nil if it is not ours to remove
	given  bool
	end    sync.Once
	closed chan struct{}
}

// open opens an address, or takes what a set was given for it.
func (l *Listener) open(s *Set, a Address) (err error) {
	path, isFile := Path(a.Text)
	if g, ok := s.claim(a.Text); ok {
		l.given = true
		l.Listener, err = net.FileListener(g.file)
		g.done()
		if err != nil {
			return fmt.Errorf("the socket that was given: %w", err)
		}
		if !isFile || s.systemds(a.Text) {
			return nil
		}
		if l.file = fileAt(path); l.file != nil {
			l.file.given = true
		}
		return nil
	}
	switch {
	case strings.HasPrefix(a.Text, systemdPrefix):
		return s.missing(a.Text)
	case isFile:
		l.Listener, l.file, err = listenFile(path, a.mode())
	default:
		l.Listener, err = listenTCP(a)
	}
	return err
}

// Given reports whether the process was started with the socket.
func (l *Listener) Given() bool { return l.given }

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.gate:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	return l.Listener.Accept()
}

// held reports whether the set is held.
func (l *Listener) held() bool {
	select {
	case <-l.gate:
		return false
	default:
		return true
	}
}

// SetDeadline bounds Accept. A set that is held accepts nothing any more then: who
// cannot wait leaves what is queued to another process.
func (l *Listener) SetDeadline(t time.Time) error {
	if l.held() {
		return l.Close()
	}
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		return d.SetDeadline(t)
	}
	return os.ErrNoDeadline
}

// Close implements net.Listener. The file of a unix socket is removed, unless the
// sockets were handed over or it is another's by now.
func (l *Listener) Close() error {
	err := net.ErrClosed
	l.end.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
		if !l.set.forget(l) {
			l.file.remove()
		}
	})
	return err
}

// SetMode changes who may connect to a unix socket. For others it does nothing.
func (l *Listener) SetMode(a Address) error { return l.file.setMode(a.mode()) }
