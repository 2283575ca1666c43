package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/certmagic"
)

// challengeTime bounds how long the storage is asked for an answer.
const challengeTime = 5 * time.Second

// Challenge answers an HTTP-01 challenge that came for a host (with or without a
// port), in plain text: one of ours, or of another who shares the storage. It
// reports false if there is none, and then the request is like any other. It may
// block for the storage, but only at a path of such challenges.
func (m *Manager) Challenge(host, path string) (answer []byte, ok bool) {
	m.mu.Lock()
	a := m.authority
	m.mu.Unlock()
	if a == nil {
		return nil, false
	}
	ctx, stop := context.WithTimeout(context.Background(), challengeTime)
	defer stop()
	issuer, ok := a.issuer.(*certmagic.ACMEIssuer)
	if !ok {
		return nil, false
	}
	r := &http.Request{Method: http.MethodGet, Host: host, URL: &url.URL{Path: path}, RequestURI: path, Header: http.Header{}}
	w := &page{header: http.Header{}}
	if !issuer.HandleHTTPChallenge(w, r.WithContext(ctx)) {
		return nil, false
	}
	return w.body.Bytes(), true
}

// challengeCert returns the certificate of a TLS-ALPN-01 challenge (RFC 8737),
// nil if there is none.
func (m *Manager) challengeCert(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	m.mu.Lock()
	a := m.authority
	m.mu.Unlock()
	if a == nil || a.base == nil {
		return nil, nil
	}
	c, err := a.base.GetCertificate(hello)
	if err != nil {
		m.log.Debug("no TLS-ALPN-01 challenge is under way", "host", hello.ServerName, "err", err)
		return nil, nil
	}
	return c, nil
}

// page is an http.ResponseWriter that keeps the body.
type page struct {
	header http.Header
	body   bytes.Buffer
}

func (p *page) Header() http.Header         { return p.header }
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }
func (p *page) WriteHeader(int)             {}
