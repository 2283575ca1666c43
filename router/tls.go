package router

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TLS says what a service demands of connections, and tells its clients of them.
type TLS struct {
	// Redirect sends requests in clear to https, if that is listened on and the
	// host is one of Hosts: only for these there are certificates.
	Redirect bool `toml:"redirect"`

	// HSTS is for how long browsers are to use nothing but https (RFC 6797), 0 for
	// not to be told; for the names below, too, with HSTSSubdomains, and from the
	// very first visit with HSTSPreload. What the origin says itself is left.
	HSTS           time.Duration `toml:"hsts"`
	HSTSSubdomains bool          `toml:"hsts_subdomains"`
	HSTSPreload    bool          `toml:"hsts_preload"`

	// ClientAuth says whether clients show certificates of one of the authorities
	// in the PEM file ClientCA: Off (or ""), Optional or Required.
	ClientAuth string `toml:"client_auth"`
	ClientCA   string `toml:"client_ca"`

	// Authorities are those of ClientCA.
	Authorities []*x509.Certificate `toml:"-"`
}

// The values of TLS.ClientAuth.
const (
	Off      = "off"
	Optional = "optional"
	Required = "require"
)

// preloadLeast is what lists of hosts that browsers come with demand.
const preloadLeast = 365 * 24 * time.Hour

// DefaultTLS returns what holds for a service that says nothing.
func DefaultTLS() TLS { return TLS{Redirect: true} }

func (t *TLS) validate(bad reporter) {
	if t.HSTS < 0 || t.HSTS%time.Second != 0 {
		bad("tls.hsts: %v is not an age: use whole seconds such as \"8760h\", or \"0s\" for none", t.HSTS)
	}
	if t.HSTSSubdomains && t.HSTS == 0 {
		bad("tls.hsts_subdomains: there is nothing to be told: set tls.hsts")
	}
	if t.HSTSPreload && (!t.HSTSSubdomains || t.HSTS < preloadLeast) {
		bad("tls.hsts_preload: lists take hosts only with tls.hsts_subdomains and a tls.hsts of 8760h or more")
	}
	if !oneOf(t.ClientAuth, "", Off, Optional, Required) {
		bad("tls.client_auth: %q is none of its values: use off, optional or require", t.ClientAuth)
	}
	if t.asks() != (t.ClientCA != "") {
		bad("tls.client_ca: certificates need both, tls.client_auth and the authorities that they are of")
	}
}

// asks reports whether clients are asked for certificates.
func (t *TLS) asks() bool { return t.ClientAuth == Optional || t.ClientAuth == Required }

// hstsField returns the field that tells browsers, "" for none.
func (t *TLS) hstsField() string {
	if t.HSTS == 0 {
		return ""
	}
	field := "Strict-Transport-Security: max-age=" + strconv.FormatInt(int64(t.HSTS/time.Second), 10)
	if t.HSTSSubdomains {
		field += "; includeSubDomains"
	}
	if t.HSTSPreload {
		field += "; preload"
	}
	return field + "\r\n"
}

// Redirects reports whether requests in clear for a host (as in the Host field) are
// to be sent to https.
func (s *Service) Redirects(host string) bool {
	if !s.tls.Redirect {
		return false
	}
	name := HostName(host)
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	return slices.ContainsFunc(s.hosts, func(h string) bool {
		below, wild := strings.CutPrefix(h, "*")
		return h == name || wild && below != "" && strings.HasSuffix(name, below) && name != below
	})
}

// HSTS returns a field for answers under TLS, with its line end; "" for none.
func (s *Service) HSTS() string { return s.hsts }

// AsksForCertificates reports whether clients are asked to show one, and
// whether they must.
func (s *Service) AsksForCertificates() (asks, must bool) {
	return s.tls.asks(), s.tls.ClientAuth == Required
}

// Trusts reports whether the certificate of a client that was verified by any of
// these chains is one for the service: another of the same host may trust others.
func (s *Service) Trusts(chains [][]*x509.Certificate) bool {
	return slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
		return len(chain) > 0 && slices.ContainsFunc(s.tls.Authorities, chain[len(chain)-1].Equal)
	})
}

// Authorities returns those that the services of a host trust for the certificates
// of clients, and whether any of them asks for one. The host is what a connection
// is opened for, "" if the client does not say.
func (t *Table) Authorities(host string) (all []*x509.Certificate, asked bool) {
	for s := range t.at(HostName(host)) {
		if s.tls.asks() {
			all, asked = append(all, s.tls.Authorities...), true
		}
	}
	return all, asked
}

// CertificateUnit returns what a certificate stands for: its subject, which stays
// the same when it is renewed, with or without another key. One without a subject
// is known by the first of its alternative names.
func CertificateUnit(c *x509.Certificate) string {
	switch subject := c.Subject.String(); {
	case subject != "":
		return subject
	case len(c.URIs) > 0:
		return c.URIs[0].String()
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.EmailAddresses) > 0:
		return c.EmailAddresses[0]
	}
	return fmt.Sprintf("%x", c.RawSubjectPublicKeyInfo)
}
