package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"divvy/router/state"
)

// house is a manager, and the doors that lead to it.
type house struct {
	*Manager
	t    *testing.T
	tls  string // address
	log  *record
	stop func()
}

// newHouse runs a manager with a storage until the test ends or stop is called.
func newHouse(t *testing.T, folder string, s Settings, doors [2]net.Listener) *house {
	t.Helper()
	h := &house{t: t, log: &record{}}
	h.Manager = New(&state.Directory{Path: folder}, slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	h.every, h.waits = time.Second, []time.Duration{300 * time.Millisecond}
	h.apply(s)
	if doors[0] != nil {
		h.open(doors)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			t.Log(h.log.String())
		}
	})
	return h
}

func (h *house) apply(s Settings) {
	h.t.Helper()
	commit, _, err := h.Prepare(s)
	if err != nil {
		h.t.Fatal(err)
	}
	commit()
}

// open answers at the doors as a proxy does.
func (h *house) open(doors [2]net.Listener) {
	plain := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer, ok := h.Challenge(r.Host, r.URL.Path); ok {
			_, _ = w.Write(answer)
			return
		}
		http.NotFound(w, r)
	})}
	secure := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
	h.tls = doors[1].Addr().String()
	go func() { _ = plain.Serve(doors[0]) }()
	go func() { _ = secure.Serve(tls.NewListener(doors[1], h.TLSConfig())) }()
	h.t.Cleanup(func() { plain.Close(); secure.Close() })
}

// shake makes a handshake and returns the certificate that is shown.
func (h *house) shake(name string) (*x509.Certificate, error) {
	return shake(h.t, h.tls, name)
}

func shake(t *testing.T, addr, name string) (*x509.Certificate, error) {
	d := &tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// ready waits until a name has a certificate, and returns it.
func (h *house) ready(name string) *x509.Certificate {
	h.t.Helper()
	var c *x509.Certificate
	await(h.t, "the certificate of "+name, func() (ok bool) {
		var err error
		c, err = h.shake(name)
		return err == nil
	})
	if err := c.VerifyHostname(name); err != nil {
		h.t.Error(err)
	}
	return c
}

// status returns what is known of a host.
func (h *house) status(host string) Status {
	for _, s := range h.Status() {
		if s.Host == host {
			return s
		}
	}
	return Status{}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(40 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// record is a log that can be read while it is written.
type record struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// trusting returns what sends all requests to one address.
func trusting(roots *x509.CertPool, addr string) *http.Transport {
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
}
