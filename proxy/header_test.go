package proxy

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestFieldsOfOneConnectionEndThere(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		heads := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			heads <- c.head()
			// Not with "close": net/http drops the field then, and with it what
			// else it names.
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

func TestEndToEnd(t *testing.T) {
	f := func(in, want http.Header) {
		t.Helper()
		before := in.Clone()
		if got := endToEnd(in); !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got %v, want %v", in, got, want)
		}
		if !reflect.DeepEqual(in, before) {
			t.Errorf("%v was changed", before)
		}
	}
	f(nil, http.Header{})
	f(http.Header{"A": {"1", "2"}}, http.Header{"A": {"1", "2"}})
	f(http.Header{"A": {"1"}, "B": {"2"}, "Connection": {"a"}}, http.Header{"B": {"2"}})
	f(http.Header{"A": {"1"}, "B": {"2"}, "Connection": {" ,a , ", "b,b"}}, http.Header{})
	f(http.Header{"Connection": {"connection"}}, http.Header{})
	f(http.Header{"Te": {"x"}, "Trailer": {"x"}, "Transfer-Encoding": {"x"}, "Keep-Alive": {"x"}}, http.Header{})
}

func TestUpgradeType(t *testing.T) {
	f := func(connection, upgrade, want string) {
		t.Helper()
		h := http.Header{"Connection": {connection}, "Upgrade": {upgrade}}
		if got := upgradeType(h); got != want {
			t.Errorf("%v: got %q, want %q", h, got, want)
		}
	}
	f("Upgrade", "websocket", "websocket")
	f("keep-alive, UPGRADE", "WebSocket", "WebSocket")
	f("upgraded", "websocket", "")
	f("", "websocket", "")
	f("upgrade", "", "")
	f("upgrade", "h2c", "")
	f("upgrade", "foo,H2C", "")
	f("upgrade", "HTTP/2.0", "")
}

func TestPrivate(t *testing.T) {
	f := func(want string, lines ...string) {
		t.Helper()
		h := http.Header{"Cdn-Cache-Control": {"public"}}
		if lines != nil {
			h["Cache-Control"] = lines
		}
		if private(h); !reflect.DeepEqual(h["Cache-Control"], []string{want}) {
			t.Errorf("%q: got %q, want %q", lines, h["Cache-Control"], want)
		}
		if strings.Contains(want, "private") && h["Cdn-Cache-Control"] != nil {
			t.Errorf("%q: a field that goes before Cache-Control was left", lines)
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
