package docker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority issues certificates, in files.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, name, true)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name+".pem") }

// issue writes the files name.pem and name-key.pem.
func (a *authority) issue(t *testing.T, name string, ca bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: ca, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name: {Type: "CERTIFICATE", Bytes: der}, name + "-key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(a.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// serveTLS lets the engine answer by TLS those whom the authority knows, and
// returns its endpoint.
func (e *fakeEngine) serveTLS(t *testing.T, a *authority) string {
	t.Helper()
	a.issue(t, "engine", false)
	pair, err := tls.LoadX509KeyPair(a.path("engine"), a.path("engine-key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: e, ErrorLog: log.New(io.Discard, "", 0)}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return "tcp://" + l.Addr().String()
}

func TestEngineByTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t, "ca"), newAuthority(t, "ca")
	ours.issue(t, "divvy", false)
	theirs.issue(t, "divvy", false)
	endpoint := newFakeEngine(t).serveTLS(t, ours)
	f := func(h Host, want string) {
		t.Helper()
		h.Name, h.Endpoint = "h1", endpoint
		c, err := Connect(h)
		if err == nil {
			defer c.Close()
			_, err = c.List(t.Context())
		}
		if want == "" && err != nil {
			t.Errorf("%+v: %v", h, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: got %v, want an error about %s", h, err, want)
		}
	}
	f(Host{CA: ours.path("ca"), Cert: ours.path("divvy"), Key: ours.path("divvy-key")}, "")
	f(Host{CA: theirs.path("ca"), Cert: ours.path("divvy"), Key: ours.path("divvy-key")}, "certificate")
	f(Host{CA: ours.path("ca"), Cert: theirs.path("divvy"), Key: theirs.path("divvy-key")}, "certificate")
	f(Host{CA: ours.path("ca")}, "certificate required")
	f(Host{}, "HTTP request to an HTTPS server")

	f(Host{CA: ours.path("none")}, "docker host h1: ca: open ")
	f(Host{CA: ours.path("ca-key")}, "docker host h1: ca: there is no certificate in ")
	f(Host{Cert: ours.path("none"), Key: ours.path("divvy-key")}, "docker host h1: cert: open ")
	f(Host{Cert: ours.path("divvy"), Key: ours.path("none")}, "docker host h1: key: open ")
	f(Host{Cert: ours.path("divvy"), Key: theirs.path("divvy-key")}, "docker host h1: cert: private key does not match public key")
}
