package proxy

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"divvy/router"
)

// asked asks in clear, and returns the status and where it is sent.
func (h *harness) asked(target string, fields ...string) (int, string) {
	h.t.Helper()
	head := h.exchange(append([]string{"GET " + target + " HTTP/1.1", "Connection: close"}, fields...)...)
	status := 0
	_, _ = fmt.Sscanf(head, "HTTP/1.1 %d", &status)
	return status, strings.Join(field(head, "Location"), " ")
}

func TestWhatComesInClearIsSentToHTTPS(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTP1)
	door.origin("v1", func(http.ResponseWriter, *http.Request) {})
	door.configure(func(c *Config, s *router.Config) {
		c.HTTPS, c.HTTPSPort = "localhost:0", 443
		s.Hosts, s.TLS = []string{"shop.test", "*.shop.test", "127.0.0.1"}, router.DefaultTLS()
	})
	f := func(target, host string, status int, location string, fields ...string) {
		t.Helper()
		gotStatus, got := door.asked(target, append(fields, "Host: "+host)...)
		if gotStatus != status || got != location {
			t.Errorf("%s%s: got %d %q, want %d %q", host, target, gotStatus, got, status, location)
		}
	}
	f("/a%2Fb?c=d", "shop.test", 308, "https://shop.test/a%2Fb?c=d")
	f("/", "SHOP.test:8080", 308, "https://shop.test/")
	f("http://shop.test/x", "shop.test", 308, "https://shop.test/x")
	f("/", "a.b.shop.test", 308, "https://a.b.shop.test/")
	f("/", "127.0.0.1", 200, "") // nobody certifies it
	f("/", "other.test", 404, "")
	// Who says that it came under TLS must be trusted.
	f("/", "shop.test", 308, "https://shop.test/", "X-Forwarded-Proto: https")
	if o := door.observed(); o.Status != 308 || o.Service != "shop" || o.Err != "" {
		t.Errorf("observed %d for %q, %q", o.Status, o.Service, o.Err)
	}
	door.configure(func(c *Config, _ *router.Config) { c.TrustedProxies = []string{"127.0.0.1"} })
	f("/", "shop.test", 200, "", "X-Forwarded-Proto: https")
	f("/", "shop.test", 308, "https://shop.test/", "X-Forwarded-Proto: http")
	door.configure(func(c *Config, _ *router.Config) { c.HTTPSPort = 8443 })
	f("/", "shop.test", 308, "https://shop.test:8443/")
	// Nobody is sent to a handshake that has no certificate for the name.
	door.proxy.Certified = func(host string) bool { return host != "a.b.shop.test" }
	f("/", "A.b.shop.test:80", 200, "")
	f("/", "a.shop.test", 308, "https://a.shop.test:8443/")
	// All hosts are not names that there could be certificates for.
	door.configure(func(_ *Config, s *router.Config) { s.Hosts = nil })
	f("/", "shop.test", 200, "")
	door.configure(func(_ *Config, s *router.Config) { s.Hosts, s.TLS.Redirect = []string{"shop.test"}, false })
	f("/", "shop.test", 200, "")
	door.configure(func(c *Config, s *router.Config) { c.HTTPS, s.TLS.Redirect = "", true })
	f("/", "shop.test", 200, "")
}

func TestAnAuthorityIsAnsweredInClear(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTP1)
	door.origin("v1", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "origin") })
	door.configure(func(c *Config, s *router.Config) {
		c.HTTPS, s.Hosts, s.TLS = "localhost:0", []string{"shop.test"}, router.DefaultTLS()
	})
	door.proxy.Challenge = func(host, path string) ([]byte, bool) {
		return []byte(host + path), path == challenges+"token"
	}
	f := func(target, host, want string) {
		t.Helper()
		if got := door.exchange("GET "+target+" HTTP/1.1", "Host: "+host, "Connection: close"); !strings.HasSuffix(got, want) {
			t.Errorf("%s%s: got %q", host, target, got)
		}
	}
	f(challenges+"token", "shop.test", "\r\n\r\nshop.test"+challenges+"token")
	f(challenges+"token", "Other.test:80", "\r\n\r\nother.test"+challenges+"token")
	f(challenges+"other", "shop.test", "Use https.\n") // it is somebody else's
}

func TestBrowsersAreToldToUseNothingButHTTPS(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			if own := r.URL.Query().Get("own"); own != "" {
				w.Header().Set("Strict-Transport-Security", own)
			}
		})
		f := func(target string, want ...string) {
			t.Helper()
			if !door.secure {
				want = nil
			}
			if got := door.get(target).Header["Strict-Transport-Security"]; !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
				t.Errorf("%s: got %q, want %q", target, got, want)
			}
		}
		f("/")
		door.configure(func(_ *Config, s *router.Config) { s.TLS.HSTS = time.Hour })
		f("/", "max-age=3600")
		door.configure(func(_ *Config, s *router.Config) {
			s.TLS.HSTS, s.TLS.HSTSSubdomains, s.TLS.HSTSPreload = 8760*time.Hour, true, true
		})
		f("/", "max-age=31536000; includeSubDomains; preload")
		if door.secure {
			f("/?own=max-age=1", "max-age=1") // the origin knows better
		}
	})
}
