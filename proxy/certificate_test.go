package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"divvy/router"

	"github.com/quic-go/quic-go/http3"
)

// authority certifies clients.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string) *authority {
	a := &authority{t: t}
	a.cert, a.key = certify(t, name, nil)
	return a
}

// client returns a certificate of a client.
func (a *authority) client(name string) tls.Certificate {
	c, key := certify(a.t, name, a)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

func certify(t testing.TB, name string, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: []string{"test"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, IsCA: by == nil,
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der := must(x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer))(t)
	return must(x509.ParseCertificate(der))(t), key
}

// showing returns a client that shows a certificate on connections for a host,
// nil for none.
func (h *harness) showing(host string, certificate *tls.Certificate) http.RoundTripper {
	_, trusted := identity()
	config := &tls.Config{RootCAs: trusted, ServerName: host}
	if certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	if h.client == nil {
		t := &http3.Transport{TLSClientConfig: config}
		h.t.Cleanup(func() { t.Close() })
		return t
	}
	t := h.client.Clone()
	t.TLSClientConfig = config
	h.t.Cleanup(t.CloseIdleConnections)
	return t
}

func (h *harness) asking(client http.RoundTripper, host string, fields ...string) *answer {
	h.t.Helper()
	r := h.request("GET", "/", nil, fields...)
	r.Host = host
	res, err := client.RoundTrip(r)
	if err != nil {
		return &answer{err: err, Response: &http.Response{}}
	}
	return &answer{Response: res, body: text(res.Body)}
}

func underTLS(t *testing.T, test func(t *testing.T, door *harness)) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		if door.secure {
			test(t, door)
		}
	})
}

func TestAServiceMayDemandCertificates(t *testing.T) {
	underTLS(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%q %q", r.Header["Client-Cert"], r.Header["Client_cert"])
		})
		ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
		alice, mallory := ours.client("alice"), theirs.client("mallory")
		demand := func(auth string) {
			door.configure(func(_ *Config, s *router.Config) {
				s.Hosts = []string{"example.com"}
				s.TLS.ClientAuth, s.TLS.ClientCA, s.TLS.Authorities = auth, "file", []*x509.Certificate{ours.cert}
			})
		}
		seen := fmt.Sprintf(`[":%s:"] []`, base64.StdEncoding.EncodeToString(alice.Certificate[0]))

		demand(router.Required)
		door.is(door.asking(door.showing("example.com", &alice), "example.com", "Client-Cert: :Zm9yZ2Vk:", "Client_Cert: x"), 200, seen)
		if a := door.asking(door.showing("example.com", nil), "example.com"); a.StatusCode != 403 {
			t.Errorf("without a certificate: got %d, want 403", a.StatusCode)
		}
		if a := door.asking(door.showing("example.com", &mallory), "example.com"); a.err == nil {
			t.Errorf("with one of another authority: got %d", a.StatusCode)
		}
		// A connection for another host was not asked for one.
		if a := door.asking(door.showing("127.0.0.1", &alice), "example.com"); a.StatusCode != 421 {
			t.Errorf("on another connection: got %d, want 421", a.StatusCode)
		}
		demand(router.Optional)
		door.is(door.asking(door.showing("example.com", &alice), "example.com"), 200, seen)
		door.is(door.asking(door.showing("example.com", nil), "example.com", "Client-Cert: :Zm9yZ2Vk:"), 200, "[] []")
	})
}

// A connection that was resumed has shown its certificate before, and shows it to
// those alone who trust it.
func TestAResumedConnectionProvesNothingToOthers(t *testing.T) {
	underTLS(t, func(t *testing.T, door *harness) {
		if door.client == nil {
			t.Skip("its client does not say what it resumes")
		}
		door.origin("v1", func(http.ResponseWriter, *http.Request) {})
		ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
		alice := ours.client("alice")
		trust := func(a *authority) {
			door.configure(func(_ *Config, s *router.Config) {
				s.Hosts = []string{"example.com"}
				s.TLS.ClientAuth, s.TLS.ClientCA, s.TLS.Authorities = router.Required, "file", []*x509.Certificate{a.cert}
			})
		}
		cache := tls.NewLRUClientSessionCache(10)
		again := func() *answer {
			client := door.showing("example.com", &alice).(*http.Transport)
			client.TLSClientConfig.ClientSessionCache = cache
			return door.asking(client, "example.com")
		}
		trust(ours)
		again()
		if a := again(); a.StatusCode != 200 || !a.TLS.DidResume {
			t.Errorf("got %d, %v", a.StatusCode, a.err)
		}
		trust(theirs)
		if a := again(); a.err == nil && a.StatusCode == 200 {
			t.Errorf("got %d, resumed %t", a.StatusCode, a.TLS.DidResume)
		}
	})
}

// A connection that is open already is judged by what holds now.
func TestAnOpenConnectionIsJudgedAnew(t *testing.T) {
	underTLS(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(http.ResponseWriter, *http.Request) {})
		ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
		alice := ours.client("alice")
		client := door.showing("example.com", &alice)
		for _, c := range []struct {
			trusted *authority
			want    int
		}{{ours, 200}, {theirs, 403}, {ours, 200}} {
			door.configure(func(_ *Config, s *router.Config) {
				s.Hosts = []string{"example.com"}
				s.TLS.ClientAuth, s.TLS.ClientCA, s.TLS.Authorities = router.Required, "file", []*x509.Certificate{c.trusted.cert}
			})
			if a := door.asking(client, "example.com"); a.StatusCode != c.want {
				t.Errorf("got %d (%v), want %d", a.StatusCode, a.err, c.want)
			}
		}
	})
}

// Whoever shows a certificate of the same subject is the same, also after it was
// renewed.
func TestACertificateIsAUnit(t *testing.T) {
	underTLS(t, func(t *testing.T, door *harness) {
		for _, v := range []string{"v1", "v2"} {
			door.origin(v, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, v) })
		}
		ours := newAuthority(t, "ours")
		door.configure(func(_ *Config, s *router.Config) {
			s.Hosts, s.Weights, s.Sticky.By = []string{"example.com"}, map[string]int{"v1": 1, "v2": 1}, []string{"certificate"}
			s.TLS.ClientAuth, s.TLS.ClientCA, s.TLS.Authorities = router.Optional, "file", []*x509.Certificate{ours.cert}
		})
		all := map[string]bool{}
		for i := range 12 {
			name := fmt.Sprint("user", i)
			first, renewed := ours.client(name), ours.client(name)
			got := door.asking(door.showing("example.com", &first), "example.com").body
			if again := door.asking(door.showing("example.com", &renewed), "example.com").body; again != got {
				t.Errorf("%s got %s, then %s", name, got, again)
			}
			all[got] = true
		}
		if len(all) != 2 {
			t.Errorf("they all got %v", all)
		}
	})
}

func TestInClearThereIsNoCertificate(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTP1)
	door.origin("v1", func(http.ResponseWriter, *http.Request) {})
	door.configure(func(_ *Config, s *router.Config) {
		s.TLS.ClientAuth, s.TLS.ClientCA, s.TLS.Authorities = router.Required, "file", []*x509.Certificate{newAuthority(t, "a").cert}
	})
	if got := door.exchange("GET / HTTP/1.1", "Host: h", "Connection: close"); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
		t.Errorf("got %q", got)
	}
}
