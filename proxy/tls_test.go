package proxy

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"divvy/router"
)

func TestAHandshakeThatFailsHarmsNobody(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTPS)
	door.origin("v1", func(http.ResponseWriter, *http.Request) {})
	door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Header = time.Second })
	plain := func(sent string) string {
		w := newWire(must(net.Dial("tcp", door.addr))(t))
		defer w.Close()
		w.send(sent)
		return w.rest()
	}
	if got := plain("GET / HTTP/1.1\r\nHost: h\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "TLS") {
		t.Errorf("HTTP in clear got %q", got)
	}
	if got := plain("\x00\x01\x02\x03\x04\x05"); strings.Contains(got, "HTTP") {
		t.Errorf("garbage got %q", got)
	}
	plain("\x16\x03\x01") // and no more: it ends by itself
	_, err := tls.Dial("tcp", door.addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		t.Error("an old version of TLS is spoken")
	}
	door.is(door.get("/"), 200, "")
	if log := door.log.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
		t.Errorf("it was logged: %s", log)
	}
}

// A connection was opened for one host; that it is asked for another that nobody
// answers to may be the client's mistake (RFC 9110 section 15.5.20).
func TestAHostOfAnotherConnectionIsSentAway(t *testing.T) {
	for _, open := range []func(*harness){openHTTPS, openHTTP2} {
		door := newHarness(t, open)
		door.origin("v1", func(http.ResponseWriter, *http.Request) {})
		door.configure(func(_ *Config, s *router.Config) {
			s.Hosts, s.Paths = []string{"example.com", "shop.test"}, []string{"/shop"}
		})
		door.client.TLSClientConfig.ServerName = "example.com"
		f := func(host, path string, want int) {
			t.Helper()
			r := door.request("GET", path, nil)
			r.Host = host
			if got := door.do(r); got.StatusCode != want {
				t.Errorf("%s%s: got %d, want %d", host, path, got.StatusCode, want)
			}
		}
		f("example.com", "/shop", 200)
		f("example.com", "/", 404)
		f("example.com:443", "/", 404)
		f("shop.test", "/shop", 200) // it may be asked for whatever there is
		f("other.test", "/shop", 421)
	}
}

// What is whole ends with a word; what is not must not.
func TestAConnectionUnderTLSEndsByItsRules(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTPS)
	door.raw("v1", func(c *wire) {
		if strings.HasPrefix(c.head(), "GET /cut") {
			c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
			return
		}
		c.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhole")
	})
	f := func(path, body string, clean bool) {
		t.Helper()
		got := door.exchange("GET " + path + " HTTP/1.0")
		if strings.HasSuffix(got, "\r\n\r\n"+body) != clean || !strings.Contains(got, body[:4]) && clean {
			t.Errorf("%s: got %q", path, got)
		}
	}
	f("/", "whole", true)
	f("/cut", "half", false)
}

// What is written at once leaves in records that are as full as can be.
func TestAnAnswerUnderTLSComesWhole(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTPS)
	var want strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
		all := want.String()
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", fmt.Sprint(len(all)))
		}
		for len(all) > 0 {
			n := min(len(all), 1+len(all)*7%9000)
			_, _ = w.Write([]byte(all[:n]))
			all = all[n:]
		}
	})
	for _, path := range []string{"/known", "/unknown"} {
		door.is(door.get(path), 200, want.String())
	}
}
