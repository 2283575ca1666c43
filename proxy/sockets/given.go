package sockets

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// given is a socket that the process was started with.
type given struct {
	name string // the text of an address
	file *os.File
}

// stays reports whether the socket lasts as long as the process: systemd holds it
// open in any case, and an edit may want it again.
func (g *given) stays() bool { return strings.HasPrefix(g.name, systemdPrefix) }

// done closes the file of a socket of which there is another descriptor by now.
func (g *given) done() {
	if !g.stays() {
		g.file.Close()
	}
}

// channelVariable names the descriptor of the channel to the process that this one
// replaces; without it the sockets are systemd's.
const channelVariable = "DIVVY_REPLACES"

// Given returns the sockets that the process was started with: those of systemd
// (sd_listen_fds(3)), or those of the divvy that it is to replace. Then there is a
// channel to that one, too. The environment says so only once.
func Given() (s *Set, replaces *os.File, err error) {
	text, replacing := os.LookupEnv(channelVariable)
	if replacing {
		// The old one cannot know our number before it starts us.
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		os.Unsetenv(channelVariable)
		fd, err := strconv.Atoi(text)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %q is no number", channelVariable, text)
		}
		if replaces = channel(fd); replaces == nil {
			return nil, nil, fmt.Errorf("%s: %d is not open", channelVariable, fd)
		}
	}
	s = new(Set)
	for _, f := range activation.Files(true) {
		name := systemdPrefix + f.Name()
		if replacing {
			if name, err = url.QueryUnescape(f.Name()); err != nil {
				return nil, nil, fmt.Errorf("the name of a socket: %w", err)
			}
		}
		s.given = append(s.given, given{name: name, file: f})
	}
	return s, replaces, nil
}

// Activated reports whether there are sockets in which connections may wait
// already.
func (s *Set) Activated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.given) > 0
}

// claim takes the socket that was given for an address.
func (s *Set) claim(text string) (g given, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.given, func(g given) bool { return g.name == text })
	if i < 0 {
		i = slices.IndexFunc(s.given, func(g given) bool { return g.is(text) })
	}
	if i < 0 {
		return given{}, false
	}
	if g = s.given[i]; !g.stays() {
		s.given = slices.Delete(s.given, i, i+1)
	}
	return g, true
}

// is reports whether a socket of systemd is at an address.
func (g *given) is(text string) bool {
	return g.stays() && (g.name == text || names(text, localAddr(g.file)))
}

// systemds reports whether systemd has opened the socket of an address.
func (s *Set) systemds(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.given, func(g given) bool { return g.is(text) })
}

// localAddr returns the address of a socket, nil for what is none.
func localAddr(f *os.File) net.Addr {
	l, err := net.FileListener(f)
	if err != nil {
		return nil
	}
	defer l.Close()
	return l.Addr()
}

// Settle closes what was given and nobody wants, and returns what is wrong with
// the rest. It is called when everything is open that the configuration names.
func (s *Set) Settle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []given
	var problems []error
	for _, g := range s.given {
		if !g.stays() {
			g.done()
			continue
		}
		left = append(left, g)
		if !s.wanted(g) {
			problems = append(problems, fmt.Errorf("systemd has given %s, and nothing listens on it: clients wait there in vain", g.name))
		}
	}
	s.given = left
	return errors.Join(problems...)
}

// wanted reports whether somebody listens on a socket that was given. s.mu is
// held.
func (s *Set) wanted(g given) bool {
	for l := range s.open {
		if g.is(l.name) {
			return true
		}
	}
	return false
}
