package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

// doors are the ways in. Whatever a client can see is tested through each.
var doors = []struct {
	name string
	open func(*harness)
	wire bool // it speaks HTTP/1.1, so that a test can write the bytes itself
}{
	{"http1", openHTTP1, true},
	{"https", openHTTPS, true},
	{"h2c", openH2C, false},
	{"h2", openHTTP2, false},
	{"h3", openHTTP3, false},
}

// throughEveryDoor runs a test once for each protocol.
func throughEveryDoor(t *testing.T, test func(t *testing.T, door *harness)) {
	t.Helper()
	t.Parallel()
	for _, d := range doors {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			test(t, newHarness(t, d.open))
		})
	}
}

// overTheWire runs a test once for each door that speaks HTTP/1.1.
func overTheWire(t *testing.T, test func(t *testing.T, door *harness)) {
	t.Helper()
	t.Parallel()
	for _, d := range doors {
		if d.wire {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				test(t, newHarness(t, d.open))
			})
		}
	}
}

// openHTTP1 and the others are what runs in production, and a client that speaks
// one protocol.
func openHTTP1(h *harness) { openServer(h, (*http.Protocols).SetHTTP1) }
func openHTTPS(h *harness) { h.secure = true; openServer(h, (*http.Protocols).SetHTTP1) }
func openHTTP2(h *harness) {
	h.secure, h.protocols = true, []string{HTTP2}
	openServer(h, (*http.Protocols).SetHTTP2)
}
func openHTTP3(h *harness) {
	openHTTPS(h)
	config, stop := h.client.TLSClientConfig, h.stop
	h.client = nil
	t := &http3.Transport{DisableCompression: true, TLSClientConfig: config}
	h.transport = t
	h.stop = func() { t.CloseIdleConnections(); stop(); t.Close() }
}
func openH2C(h *harness) {
	h.config.H2C = true
	openServer(h, (*http.Protocols).SetUnencryptedHTTP2)
}

// identity is a certificate for 127.0.0.1 and example.com, and who trusts it.
var identity = sync.OnceValues(func() (*tls.Config, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS12}, pool
})

// listenOn makes addr what a configuration listens on at the door.
func (h *harness) listenOn(c *Config, addr string) {
	if c.HTTP = addr; h.secure {
		c.HTTP, c.HTTPS = "", addr
	}
}

// openServer runs a server at a port of the machine's choice, and makes a client for
// it.
func openServer(h *harness, speak func(*http.Protocols, bool)) {
	h.listenOn(&h.config, "127.0.0.1:0")
	openAsConfigured(h, speak)
}

// openAsConfigured is openServer where the configuration says.
func openAsConfigured(h *harness, speak func(*http.Protocols, bool)) {
	certificate, trusted := identity()
	s := &Server{Proxy: h.proxy, Log: h.proxy.Log, TLS: certificate, Sockets: h.sockets}
	h.server = s
	h.changed = func(c Config) {
		change, err := s.Prepare(c)
		if err != nil {
			h.t.Fatal(err)
		}
		change.Commit()
	}
	h.changed(h.config)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	h.addr = s.Addr().String()
	h.client = &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 100, Protocols: new(http.Protocols),
		TLSClientConfig: &tls.Config{RootCAs: trusted},
	}
	speak(h.client.Protocols, true)
	h.transport = h.client
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := receive(h.t, ended); err != nil {
			h.t.Errorf("Run: %v", err)
		}
	})
}
