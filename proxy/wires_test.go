package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"divvy/backends"
)

// wires are the ways to a backend. What becomes of a request does not depend on
// them.
var wires = []backends.Protocol{backends.HTTP1, backends.HTTPS, backends.H2C, backends.H2}

// overEveryWire runs a test once for each protocol of a client and each of a
// backend.
func overEveryWire(t *testing.T, test func(t *testing.T, door *harness)) {
	t.Helper()
	between(t, false, wires, test)
}

// wireToWire runs a test once for each door that speaks HTTP/1.1 and each protocol
// of a backend.
func wireToWire(t *testing.T, test func(t *testing.T, door *harness)) {
	t.Helper()
	between(t, true, wires, test)
}

// securedOrNot runs a test once for each protocol of a client, with backends that
// speak HTTP/1.1 in clear and over TLS.
func securedOrNot(t *testing.T, test func(t *testing.T, door *harness)) {
	t.Helper()
	between(t, false, []backends.Protocol{backends.HTTP1, backends.HTTPS}, test)
}

// sharingConnections runs a test once for each protocol of a client and each of a
// backend in which requests share a connection.
func sharingConnections(t *testing.T, test func(t *testing.T, door *harness)) {
	t.Helper()
	between(t, false, []backends.Protocol{backends.H2C, backends.H2}, test)
}

func between(t *testing.T, wire bool, to []backends.Protocol, test func(t *testing.T, door *harness)) {
	t.Helper()
	t.Parallel()
	for _, d := range doors {
		for _, w := range to {
			if wire && !d.wire {
				continue
			}
			t.Run(d.name+" to "+string(w), func(t *testing.T) {
				t.Parallel()
				door := newHarness(t, d.open)
				door.wire.Protocol = w
				test(t, door)
			})
		}
	}
}

// start starts a server that speaks the harness's protocol, and has the harness
// trust it.
func (h *harness) start(s *httptest.Server) {
	var protocols http.Protocols
	s.Config.Protocols = &protocols
	switch h.wire.Protocol {
	case backends.HTTPS:
		protocols.SetHTTP1(true)
	case backends.H2:
		protocols.SetHTTP2(true)
		s.EnableHTTP2 = true
	case backends.H2C:
		protocols.SetUnencryptedHTTP2(true)
	default:
		protocols.SetHTTP1(true)
	}
	if !h.wire.Protocol.Secure() {
		s.Start()
		return
	}
	s.StartTLS()
	h.trust(s)
}

// trust has the harness trust the backends that are added from now on, if they have
// the certificate of s.
func (h *harness) trust(s *httptest.Server) {
	h.wire.BackendTLS.CA = pemFile(h.t, s.Certificate().Raw)
	h.wire.BackendTLS.ServerName = "example.com" // which the certificate of these servers is for
	if err := h.wire.Load(); err != nil {
		h.t.Fatal(err)
	}
}

// secured returns a listener whose connections are secured, if that is what the
// harness's protocol asks for.
func (h *harness) secured(l net.Listener) net.Listener {
	if h.wire.Protocol != backends.HTTPS {
		return l
	}
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	s.Close()
	h.trust(s)
	return tls.NewListener(l, &tls.Config{Certificates: s.TLS.Certificates})
}

// pemFile returns the path of a file with a certificate.
func pemFile(t testing.TB, der []byte) string { return writePEM(t, "CERTIFICATE", der) }

// pemPair returns the paths of files with a certificate and its key.
func pemPair(t testing.TB, c tls.Certificate) (cert, key string) {
	der := must(x509.MarshalPKCS8PrivateKey(c.PrivateKey))(t)
	return pemFile(t, c.Certificate[0]), writePEM(t, "PRIVATE KEY", der)
}

func writePEM(t testing.TB, kind string, der []byte) string {
	path := filepath.Join(t.TempDir(), "one.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// both adds a backend that speaks HTTP/1.1 and HTTP/2 in clear.
func (h *harness) both(version string, handler http.HandlerFunc) string {
	s := httptest.NewUnstartedServer(handler)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.Config.Protocols = &protocols
	s.Start()
	h.t.Cleanup(s.Close)
	return h.add(version, s.Listener.Addr().String())
}
