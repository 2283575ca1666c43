package backends

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// Protocol is what is spoken to a backend.
type Protocol string

// The protocols.
const (
	HTTP1 Protocol = "http/1.1"
	HTTPS Protocol = "https" // HTTP/1.1 over TLS
	H2C   Protocol = "h2c"   // HTTP/2 in clear, without asking whether that is known
	H2    Protocol = "h2"    // HTTP/2 over TLS
)

// Secure reports whether it goes over TLS.
func (p Protocol) Secure() bool { return p == HTTPS || p == H2 }

func (p Protocol) valid() error {
	switch p {
	case HTTP1, HTTPS, H2C, H2:
		return nil
	}
	return fmt.Errorf("%q is none of the protocols: use http/1.1, https (HTTP/1.1 over TLS), h2c (HTTP/2 in clear) or h2 (HTTP/2 over TLS)", string(p))
}

// Dialect is how a backend is spoken to. It is immutable; nil is HTTP/1.1 in
// clear.
type Dialect struct {
	Protocol Protocol

	// TLS is how a connection is secured, nil for one in clear. It says who the
	// backend must be, and which protocol has to be agreed on.
	TLS *tls.Config

	id string // the same for dialects that mean the same
}

// HTTP2 reports whether requests share a connection.
func (d *Dialect) HTTP2() bool { return d != nil && (d.Protocol == H2C || d.Protocol == H2) }

// Secure reports whether connections are secured.
func (d *Dialect) Secure() bool { return d != nil && d.TLS != nil }

// same reports whether both mean the same, whoever made them.
func (d *Dialect) same(o *Dialect) bool {
	return d == o || d != nil && o != nil && d.id == o.id
}

// Dialect returns how the backends of a service with these hosts are spoken to.
// An error says what to set.
func (w *Wire) Dialect(hosts []string) (*Dialect, error) {
	switch w.Protocol {
	case "", HTTP1:
		return nil, nil
	case H2C:
		return &Dialect{Protocol: H2C, id: string(H2C)}, nil
	}
	name := w.BackendTLS.nameOf(hosts)
	if name == "" && !w.BackendTLS.Insecure {
		return nil, fmt.Errorf("backend_tls.server_name: protocol %s needs the name that certificates of backends are for, and the service has no host that could be it: set it", w.Protocol)
	}
	c := &tls.Config{
		ServerName: name, RootCAs: w.BackendTLS.roots, InsecureSkipVerify: w.BackendTLS.Insecure,
		Certificates: w.BackendTLS.pairs, NextProtos: []string{"http/1.1"},
	}
	if w.Protocol == H2 {
		c.NextProtos = []string{"h2"}
	}
	id := fmt.Sprintf("%s %s %t %s", w.Protocol, name, w.BackendTLS.Insecure, w.BackendTLS.digest)
	return &Dialect{Protocol: w.Protocol, TLS: c, id: id}, nil
}

// nameOf returns the name that certificates must be for: the one that is set or,
// without, the first host that is a name.
func (t *BackendTLS) nameOf(hosts []string) string {
	if t.ServerName != "" {
		return t.ServerName
	}
	for _, h := range hosts {
		if !strings.Contains(h, "*") {
			return h
		}
	}
	return ""
}
