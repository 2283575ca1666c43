package certs

import (
	"cmp"
	"crypto/tls"
	"slices"
	"time"
)

// FromFile is the source of a certificate that somebody else makes.
const FromFile = "file"

// Status is what is known of the certificate of one host, or of that which is
// still to be got.
type Status struct {
	Host   string `json:"host"`
	Source string `json:"source"` // ACME, Internal or FromFile
	File   string `json:"file,omitempty"`

	// Issuer, NotBefore and NotAfter are of the certificate that is served; nothing
	// if there is none yet.
	Issuer    string     `json:"issuer,omitempty"`
	NotBefore *time.Time `json:"not_before,omitempty"`
	NotAfter  *time.Time `json:"not_after,omitempty"`

	// Error is why it could not be got or renewed when that was tried last, at
	// Failed; "" if that went well. Next is when it is tried again, nothing if an
	// edit must come first.
	Error  string     `json:"error,omitempty"`
	Failed *time.Time `json:"failed,omitempty"`
	Next   *time.Time `json:"next,omitempty"`

	// Failures is how often that failed since divvy runs.
	Failures uint64 `json:"failures"`
}

// Status returns what is known of all certificates, by host: of those that are
// wanted, and of those in files. It does not block.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []Status{}
	for _, o := range m.orders {
		s := Status{Host: o.host, Source: m.settings.Issuer, Failures: o.total}
		s.certificate(o.cert)
		s.failure(o.err, o.failed)
		if o.err != nil {
			s.Next = moment(o.next)
		}
		all = append(all, s)
	}
	for _, f := range m.files {
		for _, h := range f.hosts {
			s := Status{Host: h, Source: FromFile, File: f.Cert, Failures: f.failures}
			s.certificate(f.cert)
			s.failure(f.err, f.failed)
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.File, b.File))
	})
	return all
}

func (s *Status) certificate(c *tls.Certificate) {
	if c == nil {
		return
	}
	s.Issuer = cmp.Or(c.Leaf.Issuer.CommonName, c.Leaf.Issuer.String())
	s.NotBefore, s.NotAfter = moment(c.Leaf.NotBefore), moment(c.Leaf.NotAfter)
}

func (s *Status) failure(err error, at time.Time) {
	if err != nil {
		s.Error, s.Failed = err.Error(), moment(at)
	}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
