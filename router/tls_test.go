package router

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestOnlyHostsThatAServiceNamesAreSentToHTTPS(t *testing.T) {
	t.Parallel()
	f := func(hosts, host string, want bool) {
		t.Helper()
		s := NewService(Input{Config: Config{Name: "shop", Hosts: strings.Fields(hosts), TLS: DefaultTLS()}})
		if got := s.Redirects(host); got != want {
			t.Errorf("%q of %q: got %t, want %t", host, hosts, got, want)
		}
	}
	f("shop.test", "shop.test", true)
	f("shop.test", "SHOP.test.:80", true)
	f("shop.test", "www.shop.test", false)
	f("*.shop.test", "www.shop.test", true)
	f("*.shop.test", "a.b.shop.test", true)
	f("*.shop.test", "shop.test", false)
	f("*.shop.test", "myshop.test", false)
	f("", "shop.test", false)
	f("192.0.2.1 2001:db8::1", "192.0.2.1", false)
	f("192.0.2.1 2001:db8::1", "[2001:db8::1]:80", false)
}

func TestMistakesInTLSAreReported(t *testing.T) {
	t.Parallel()
	f := func(tls TLS, want string) {
		t.Helper()
		c := Config{Name: "shop", TLS: tls}
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%+v: got %v, want %q", tls, err, want)
		}
	}
	const year = 8760 * time.Hour
	f(TLS{}, "")
	f(TLS{HSTS: year, HSTSSubdomains: true, HSTSPreload: true}, "")
	f(TLS{HSTS: -1}, "tls.hsts: ")
	f(TLS{HSTS: time.Millisecond}, "tls.hsts: ")
	f(TLS{HSTSSubdomains: true}, "tls.hsts_subdomains: ")
	f(TLS{HSTS: year, HSTSPreload: true}, "tls.hsts_preload: ")
	f(TLS{HSTS: year / 2, HSTSSubdomains: true, HSTSPreload: true}, "tls.hsts_preload: ")
	f(TLS{ClientAuth: Required, ClientCA: "ca.pem"}, "")
	f(TLS{ClientAuth: Optional}, "tls.client_ca: ")
	f(TLS{ClientCA: "ca.pem"}, "tls.client_ca: ")
	f(TLS{ClientAuth: "must", ClientCA: "ca.pem"}, "tls.client_auth: ")
	c := Config{Name: "shop", Sticky: Sticky{By: []string{"certificate"}}}
	if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "sticky.by: certificate") {
		t.Errorf("got %v", err)
	}
}

// The services of a host may be asked for on one connection.
func TestAHostAsksForTheCertificatesOfAllItsServices(t *testing.T) {
	t.Parallel()
	a, b, c := &x509.Certificate{Raw: []byte("a")}, &x509.Certificate{Raw: []byte("b")}, &x509.Certificate{Raw: []byte("c")}
	service := func(name, host, path string, trusted *x509.Certificate) Input {
		in := Input{Config: Config{Name: name, Hosts: strings.Fields(host), Paths: strings.Fields(path)}}
		if trusted != nil {
			in.TLS = TLS{ClientAuth: Required, Authorities: []*x509.Certificate{trusted}}
		}
		return in
	}
	table := Build([]Input{
		service("plain", "shop.test", "/", nil), service("admin", "shop.test", "/admin", a),
		service("names", "*.shop.test", "/", b), service("rest", "other.test", "/", nil), service("all", "", "/all", c),
	})
	f := func(host, want string) {
		t.Helper()
		all, asked := table.Authorities(host)
		got := ""
		for _, authority := range all {
			got += string(authority.Raw)
		}
		if got != want || asked != (want != "") {
			t.Errorf("%s: got %q, %t, want %q", host, got, asked, want)
		}
	}
	f("shop.test", "ac")
	f("Shop.test.", "ac")
	f("www.shop.test", "cb")
	f("other.test", "c")
	f("", "c")
	if admin := table.Services[1]; !admin.Trusts([][]*x509.Certificate{{b}, {c, a}}) || admin.Trusts([][]*x509.Certificate{{a, b}, {}}) || admin.Trusts(nil) {
		t.Error("a chain is judged by something else than its end")
	}
}

func TestACertificateStandsForItsSubject(t *testing.T) {
	t.Parallel()
	f := func(c x509.Certificate, want string) {
		t.Helper()
		if got := CertificateUnit(&c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	uris := []*url.URL{{Scheme: "spiffe", Host: "shop.test", Path: "/cart"}}
	f(x509.Certificate{Subject: pkix.Name{CommonName: "alice", Organization: []string{"shop"}}, URIs: uris}, "CN=alice,O=shop")
	f(x509.Certificate{URIs: uris, DNSNames: []string{"cart.test"}}, "spiffe://shop.test/cart")
	f(x509.Certificate{DNSNames: []string{"cart.test"}, EmailAddresses: []string{"a@shop.test"}}, "cart.test")
	f(x509.Certificate{EmailAddresses: []string{"a@shop.test"}}, "a@shop.test")
	f(x509.Certificate{RawSubjectPublicKeyInfo: []byte{1, 2}}, "0102")
}
