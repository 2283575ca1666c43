package sockets

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Set is the listening sockets of a process: those that it was given, and those
// that it opened. The zero value has been given none; nil is one that cannot be
// handed over.
type Set struct {
	mu     sync.Mutex // guards the fields below
	given  []given
	open   map[*Listener]struct{}
	handed bool          // the files of unix sockets are another's now
	gate   chan struct{} // closed when listeners accept; nil as long as there are none
}

// Listen opens an address, or takes the socket of this address that was given.
func (s *Set) Listen(a Address) (*Listener, error) {
	if s == nil {
		s = new(Set)
	}
	l := &Listener{set: s, name: a.Text, closed: make(chan struct{})}
	if err := l.open(s, a); err != nil {
		if op := new(net.OpError); errors.As(err, &op) {
			err = op.Err // without the address, which we say ourselves
		}
		return nil, fmt.Errorf("listening on %s: %w", a.Text, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate == nil {
		s.gate = make(chan struct{})
		close(s.gate)
	}
	l.gate = s.gate
	if s.open == nil {
		s.open = map[*Listener]struct{}{}
	}
	s.open[l] = struct{}{}
	return l, nil
}

// forget forgets a listener, and reports whether its file is another process's.
func (s *Set) forget(l *Listener) (handed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, l)
	if l.file != nil && l.file.given && l.held() {
		return true // it did not take over
	}
	return s.handed
}

// Hold makes all listeners wait with what they accept, until Release. It is called
// before the first is opened.
func (s *Set) Hold() { s.gate = make(chan struct{}) }

// Release lets all listeners accept. It is called once after Hold.
func (s *Set) Release() { close(s.gate) }

// sources returns what is open, by name. s.mu is held.
func (s *Set) sources() map[string]syscall.Conn {
	all := map[string]syscall.Conn{}
	for _, g := range s.given {
		if g.stays() {
			all[g.name] = g.file
		}
	}
	for l := range s.open {
		if c, ok := l.Listener.(syscall.Conn); ok {
			all[l.name] = c
		}
	}
	return all
}

// missing says that systemd has not opened a socket.
func (s *Set) missing(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, g := range s.given {
		names = append(names, g.name)
	}
	if len(names) == 0 {
		return errors.New("systemd has given no sockets: start divvy by its socket unit")
	}
	slices.Sort(names)
	return fmt.Errorf("systemd has given no such socket: use %s", strings.Join(slices.Compact(names), " or "))
}
