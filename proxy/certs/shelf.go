package certs

import (
	"crypto/tls"
	"strings"
	"sync"
)

// shelf has all certificates that there are, by the names that they are for. Its
// methods may be called at the same time.
type shelf struct {
	mu     sync.RWMutex                  // guards what is below, but not what it points to
	issued map[string]*tls.Certificate   // by host or wildcard host
	files  map[string][]*tls.Certificate // likewise; they come first, since somebody chose them
}

func (s *shelf) put(host string, c *tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.issued == nil {
		s.issued = map[string]*tls.Certificate{}
	}
	if c == nil {
		delete(s.issued, host)
		return
	}
	s.issued[host] = c
}

func (s *shelf) putFiles(files map[string][]*tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = files
}

// find returns the certificate for a name in lower case: its own before that of
// the wildcard (RFC 6125 section 6.4.3: which stands for one label), nil if
// there is none. Of several files with the same name it is the first that the
// client can use.
func (s *shelf) find(name string, hello *tls.ClientHelloInfo) *tls.Certificate {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, candidate := range []string{name, wildcardOf(name)} {
		if c := usable(s.files[candidate], hello); c != nil {
			return c
		}
		if c := s.issued[candidate]; c != nil {
			return c
		}
	}
	return nil
}

// hasFile reports whether there is a file for a host or a wildcard host.
func (s *shelf) hasFile(host string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.files[host]) > 0 || len(s.files[wildcardOf(host)]) > 0
}

// has reports whether there is a certificate for a name in lower case.
func (s *shelf) has(name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, candidate := range []string{name, wildcardOf(name)} {
		if len(s.files[candidate]) > 0 || s.issued[candidate] != nil {
			return true
		}
	}
	return false
}

func usable(list []*tls.Certificate, hello *tls.ClientHelloInfo) *tls.Certificate {
	for _, c := range list {
		if len(list) == 1 || hello.SupportsCertificate(c) == nil {
			return c
		}
	}
	if len(list) > 0 {
		return list[0] // the handshake says why it does not do
	}
	return nil
}

// wildcardOf returns the wildcard that stands for a name; a wildcard's is
// itself.
func wildcardOf(name string) string {
	_, parent, _ := strings.Cut(name, ".")
	return "*." + parent
}
