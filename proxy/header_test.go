package proxy

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"divvy/proxy/http1"
)

// hopByHop are the fields that concern one connection only (RFC 9110 section
// 7.6.1), and those that older software sends although they never were fields.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Upgrade", "Http2-Settings",
}

func TestFieldsOfOneConnectionEndThere(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		heads := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			heads <- c.head()
			c.send(strings.Join([]string{
				"HTTP/1.1 200 OK", "Connection: keep-alive, X-Named", "connection: x-NAMED-too", "X-Named: 1", "X-Named-Too: 1", "X-Kept: 1",
				"Keep-Alive: timeout=5", "Proxy-Connection: close", "Proxy-Authenticate: Basic", "Upgrade: h2c", "Content-Length: 0",
				"Te: trailers", "Trailer: X-None", "", "",
			}, "\r\n"))
		})
		got := door.exchange("GET / HTTP/1.1", "Host: h", "Connection: close, X-Named", "connection: x-NAMED-too,,", "X-Named: 1", "X-Named-Too: 1",
			"X-Kept: 1", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eA==", "Upgrade: x", "TE: gzip")
		head := receive(t, heads)
		for _, m := range []struct{ what, head string }{{"request", head}, {"answer", got}} {
			for _, name := range append(slices.Clone(hopByHop), "X-Named", "X-Named-Too") {
				if name == "Connection" && m.what == "answer" {
					continue // ours, because the client's said close
				}
				if v := field(m.head, name); v != nil {
					t.Errorf("the %s has %s: %q", m.what, name, v)
				}
			}
			if v := field(m.head, "X-Kept"); !reflect.DeepEqual(v, []string{"1"}) {
				t.Errorf("the %s has X-Kept: %q", m.what, v)
			}
		}
		if v := field(got, "Connection"); !reflect.DeepEqual(v, []string{"close"}) {
			t.Errorf("the answer has Connection: %q", v)
		}
	})
}

func TestConnectionCannotRemoveWhatDivvyAdds(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		heads := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			heads <- c.head()
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Set-Cookie, Divvy-Served-By, Cache-Control, Date\r\n\r\n")
		})
		door.service.Sticky.By = []string{"cookie"}
		door.config.ServedBy = true
		names := []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Request-ID"}
		for _, trusted := range [][]string{{}, {"127.0.0.0/8"}} {
			door.config.TrustedProxies = trusted
			door.publish()
			got := door.exchange("GET / HTTP/1.1", "Host: h", "Connection: close, "+strings.Join(names, ", "), "X-Forwarded-For: 192.0.2.1",
				"Forwarded: for=192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: public", "X-Request-ID: 0123456789")
			head := receive(t, heads)
			for _, name := range names {
				if v := field(head, name); len(v) != 1 {
					t.Errorf("trusting %v: the origin got %s: %q", trusted, name, v)
				}
			}
			if v := field(head, "X-Forwarded-For")[0]; len(trusted) > 0 && v != "192.0.2.1, 127.0.0.1" {
				t.Errorf("a trusted proxy's word was lost: %q", v)
			}
			for _, name := range []string{"Set-Cookie", "Divvy-Served-By", "Cache-Control", "Date"} {
				if v := field(got, name); len(v) != 1 {
					t.Errorf("the client got %s: %q", name, v)
				}
			}
		}
	})
}

func TestTheClientsTrailersAreAskedFor(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		heads := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			heads <- c.head()
			c.send(ok(""))
		})
		door.exchange("GET / HTTP/1.1", "Host: h", "Connection: close, TE", "TE: deflate, trailers")
		if v := field(receive(t, heads), "TE"); !reflect.DeepEqual(v, []string{"trailers"}) {
			t.Errorf("the origin got TE: %q", v)
		}
	})
}

func TestUpgradable(t *testing.T) {
	f := func(upgrade, want string) {
		t.Helper()
		if got := string(upgradable([]byte(upgrade))); got != want {
			t.Errorf("%q: got %q, want %q", upgrade, got, want)
		}
	}
	f("websocket", "websocket")
	f("WebSocket, foo", "WebSocket, foo")
	f("", "")
	f("h2c", "")
	f("foo,H2C", "")
	f("HTTP/2.0", "")
}

func TestPrivate(t *testing.T) {
	f := func(want string, lines ...string) {
		t.Helper()
		head := "HTTP/1.1 200 OK\r\nCDN-Cache-Control: public\r\n"
		for _, l := range lines {
			head += "Cache-Control: " + l + "\r\n"
		}
		var res http1.Response
		if _, err := res.Parse([]byte(head+"\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		got := private(&res.Fields)
		if got == "" && want != strings.Join(lines, ", ") || got != "" && got != want {
			t.Errorf("%q: got %q, want %q", lines, got, want)
		}
		if left := res.Passes("Cache-Control"); left != (got == "") || res.Passes("CDN-Cache-Control") {
			t.Errorf("%q: it says %q, and what it says itself is left: %t", lines, got, left)
		}
	}
	f("private")
	f("private", "")
	f("private", "public")
	f("private", "PUBLIC, s-maxage=10")
	f("private, max-age=60", "public, max-age=60,S-MaxAge=600")
	f("private, max-age=60, must-revalidate", "max-age=60", "must-revalidate")
	f("private, no-cache", "no-cache")
	f(`private, no-cache="a, public, b"`, `no-cache="a, public, b"`)
	f("private", `private="set-cookie"`) // of one field: now of all
	f("no-store", "no-store")
	f("public, no-store", "public, no-store")
}
