package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
)

// patience is how long a handshake waits for the first certificate of its host.
const patience = 30 * time.Second

// maxDemanded bounds how many names have a certificate on demand, or wait for
// one: names below a wildcard host are anyone's to invent.
const maxDemanded = 1000

// errWildcard is why a wildcard host has no certificate.
var errWildcard = errors.New("a wildcard needs the DNS: set tls.dns, or tls.on_demand for a certificate for each name below it, or name files")

// TLSConfig returns what a listener needs for its handshakes, for the caller to
// change: it offers HTTP/1.1, and the protocol of the TLS-ALPN-01 challenge, which
// must stay among those that are offered. A connection that settled on the latter
// ends after the handshake (RFC 8737 section 3).
func (m *Manager) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1", acmez.ACMETLS1Protocol},
		GetCertificate: m.GetCertificate,
	}
}

// GetCertificate is the function of the same name of [tls.Config]. It returns nil
// and no error for a name that is none of ours, or none at all: the handshake ends
// with unrecognized_name. It blocks while the first certificate of a host is on
// its way, at most half a minute.
func (m *Manager) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name, err := normalHost(hello.ServerName)
	if err != nil || strings.HasPrefix(name, "*") {
		return nil, nil
	}
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmez.ACMETLS1Protocol {
		return m.challengeCert(hello)
	}
	if c := m.shelf.find(name, hello); c != nil {
		return c, nil
	}
	tried := m.expect(name)
	if tried == nil {
		return nil, nil
	}
	ctx, stop := context.WithTimeout(hello.Context(), patience)
	defer stop()
	select {
	case <-tried:
	case <-ctx.Done():
	}
	if c := m.shelf.find(name, hello); c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("there is no certificate for %s yet", name)
}

// Serves reports whether handshakes for a name have a certificate, or may have one
// when it has come, which has not failed yet. A wildcard host is answered to at any
// depth, while its certificate is for the names right below it, and may be none that
// can be got.
func (m *Manager) Serves(name string) bool {
	name, err := normalHost(name)
	if err != nil {
		return false
	}
	if m.shelf.has(name) {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.ordered(name)
	return o != nil && o.failures == 0 || m.mayDemand(name)
}

// ordered returns the order of the certificate that is to be for a name, nil if
// there is none. m.mu is held.
func (m *Manager) ordered(name string) *order {
	for _, host := range []string{name, wildcardOf(name)} {
		if o := m.orders[host]; o != nil && o.err != errWildcard {
			return o
		}
	}
	return nil
}

// expect returns what is closed when the certificate for a name has been tried
// for, which is asked for if handshakes may do that; nil if there will be none.
func (m *Manager) expect(name string) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o := m.ordered(name); o != nil {
		m.ask(o)
		return o.tried
	}
	if !m.mayDemand(name) || !m.room() {
		return nil
	}
	o := newOrder(name)
	o.demanded, o.asked = true, true
	m.orders[name] = o
	m.nudge()
	return o.tried
}

// ask tries once more for a certificate on demand that could not be got, if the
// time has come. m.mu is held.
func (m *Manager) ask(o *order) {
	if !o.demanded || o.asked || o.cert != nil || o.next.After(time.Now()) {
		return
	}
	o.asked, o.tried = true, make(chan struct{})
	m.nudge()
}

// mayDemand reports whether a handshake may ask for a name: that of a host, or
// one below a wildcard host at any depth, as the router matches. m.mu is held.
func (m *Manager) mayDemand(name string) bool {
	if m.patterns[name] {
		return true
	}
	for rest := name; ; {
		_, parent, ok := strings.Cut(rest, ".")
		if !ok {
			return false
		}
		if m.patterns["*."+parent] {
			return true
		}
		rest = parent
	}
}

// room reports whether there may be one more name on demand. It forgets one that
// could not be got and may be tried again, if there is need. m.mu is held.
func (m *Manager) room() bool {
	n := 0
	var failed *order
	for _, o := range m.orders {
		if !o.demanded {
			continue
		}
		n++
		if o.cert == nil && !o.asked && !o.next.After(time.Now()) {
			failed = o
		}
	}
	if n >= maxDemanded && failed != nil {
		delete(m.orders, failed.host)
		n--
	}
	return n < maxDemanded
}
