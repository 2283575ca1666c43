package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"divvy/router"

	"github.com/pires/go-proxyproto"
)

// introducing opens a door behind which proxies introduce connections.
func introducing(t *testing.T, change func(*Listener)) *harness {
	return newHarness(t, func(h *harness) {
		l := Listener{Address: "127.0.0.1:0", ProxyProtocol: []string{"127.0.0.0/8"}}
		if change != nil {
			change(&l)
		}
		h.config.Listeners = []Listener{l}
		h.config.HTTP = ""
		openAsConfigured(h, (*http.Protocols).SetHTTP1)
		h.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Told", r.Header.Get("X-Forwarded-For"))
		})
	})
}

// v2 is an introduction in version 2.
func v2(t *testing.T, source, destination string, tlvs ...proxyproto.TLV) string {
	t.Helper()
	from, to := must(net.ResolveTCPAddr("tcp", source))(t), must(net.ResolveTCPAddr("tcp", destination))(t)
	h := proxyproto.HeaderProxyFromAddrs(2, from, to)
	if err := h.SetTLVs(tlvs); err != nil {
		t.Fatal(err)
	}
	return string(must(h.Format())(t))
}

// local is what a proxy sends for a connection of its own.
const local = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"

func TestAnIntroductionSaysWhoTheClientIs(t *testing.T) {
	t.Parallel()
	door := introducing(t, nil)
	f := func(introduction, want string) {
		t.Helper()
		w := door.dial()
		w.send(introduction + "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if got := field(w.head(), "X-Told"); len(got) != 1 || got[0] != want {
			t.Errorf("%.30q: the origin was told %q, want %q", introduction, got, want)
		}
		if got := door.observed().Client.String(); got != want {
			t.Errorf("%.30q: observed %q", introduction, got)
		}
		w.say("GET /again HTTP/1.1", "Host: h")
		if got := field(w.head(), "X-Told"); len(got) != 1 || got[0] != want {
			t.Errorf("%.30q: at the second request, the origin was told %q", introduction, got)
		}
		door.observed()
	}
	f("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n", "192.0.2.7")
	f("PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n", "2001:db8::7")
	f(v2(t, "192.0.2.8:4711", "192.0.2.1:80"), "192.0.2.8")
	f(v2(t, "[2001:db8::8]:4711", "[2001:db8::1]:80"), "2001:db8::8")
	f(v2(t, "192.0.2.9:4711", "192.0.2.1:80", proxyproto.TLV{Type: proxyproto.PP2_TYPE_NOOP, Value: make([]byte, 2000)}), "192.0.2.9")
	// These say nothing of a client, so the proxy counts as one.
	f("PROXY UNKNOWN\r\n", "127.0.0.1")
	f("PROXY UNKNOWN 192.0.2.7 192.0.2.1 4711 80\r\n", "127.0.0.1")
	f(local, "127.0.0.1")
}

func TestAnIntroductionMayComeInPieces(t *testing.T) {
	t.Parallel()
	door := introducing(t, nil)
	for _, introduction := range []string{"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n", v2(t, "192.0.2.7:4711", "192.0.2.1:80")} {
		w := door.dial()
		for piece := range slices.Chunk([]byte(introduction+"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), 1) {
			w.send(string(piece))
		}
		if got := field(w.head(), "X-Told"); len(got) != 1 || got[0] != "192.0.2.7" {
			t.Errorf("%.20q: the origin was told %q", introduction, got)
		}
	}
}

func TestWhatFollowsAnIntroductionIsKept(t *testing.T) {
	t.Parallel()
	door := introducing(t, nil)
	w := door.dial()
	one := "GET / HTTP/1.1\r\nHost: h\r\nX-Fill: " + strings.Repeat("x", 900) + "\r\n\r\n"
	w.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n" + strings.Repeat(one, 5))
	for i := range 5 {
		if head := w.head(); !strings.HasPrefix(head, "HTTP/1.1 200 ") {
			t.Fatalf("request %d of one segment got %q", i, head)
		}
	}
}

func TestAConnectionThatMustBeIntroducedAndIsNotEnds(t *testing.T) {
	t.Parallel()
	door := introducing(t, nil)
	f := func(sent string) {
		t.Helper()
		w := door.dial()
		w.send(sent)
		if got := w.rest(); got != "" {
			t.Errorf("%.40q got %.40q", sent, got)
		}
	}
	f("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	f("PROXY TCP4 192.0.2.7 192.0.2.1 4711\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
	f("PROXY TCP4 2001:db8::7 192.0.2.1 4711 80\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
	f("PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n")
	f("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x04abcd")
	f("\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0cabcdabcdabcd")
	f("\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + strings.Repeat("x", 100))
	if got := strings.Count(door.log.String(), "proxy_protocol"); got != 1 {
		t.Errorf("it was told %d times:\n%s", got, door.log)
	}
	door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Header = 50 * time.Millisecond })
	for _, slow := range []string{"", "PROXY TCP4 192.0.2.7", "\r\n\r\n\x00\r\nQUIT\n\x21"} {
		w := door.dial()
		w.send(slow)
		if !w.ended() {
			t.Errorf("%q was waited for", slow)
		}
	}
}

// Who may not introduce others cannot pass for another, and is served as ever.
func TestAnIntroductionByAStrangerIsRefused(t *testing.T) {
	t.Parallel()
	door := introducing(t, func(l *Listener) { l.ProxyProtocol = []string{"192.0.2.0/24"} })
	door.is(door.get("/"), 200, "")
	for _, introduction := range []string{"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n", v2(t, "192.0.2.7:4711", "192.0.2.1:80")} {
		w := door.dial()
		w.send(introduction + "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if got := w.rest(); !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Count(got, "HTTP/1.1") != 1 {
			t.Errorf("%.10q got %.60q", introduction, got)
		}
	}
}

// The introduction is in clear, before the handshake and before HTTP/2.
func TestAnIntroductionComesBeforeEverythingElse(t *testing.T) {
	t.Parallel()
	_, trusted := identity()
	for _, protocol := range []string{HTTP11, HTTP2} {
		for _, secure := range []bool{true, false} {
			door := introducing(t, func(l *Listener) { l.TLS, l.Protocols = secure, []string{HTTP2, HTTP11} })
			transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: "example.com"}}
			transport.Protocols.SetHTTP1(protocol == HTTP11)
			transport.Protocols.SetHTTP2(protocol == HTTP2)
			transport.Protocols.SetUnencryptedHTTP2(protocol == HTTP2 && !secure)
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				c, err := net.Dial("tcp", door.addr)
				if err == nil {
					_, err = c.Write([]byte("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n"))
				}
				return c, err
			}
			url := "http://h/"
			if secure {
				url = "https://h/"
			}
			res := must((&http.Client{Transport: transport}).Get(url))(t)
			if got := res.Header.Get("X-Told"); got != "192.0.2.7" {
				t.Errorf("%s, under TLS %t: the origin was told %q", protocol, secure, got)
			}
			res.Body.Close()
			transport.CloseIdleConnections()
		}
	}
}

// The client that was introduced is the peer for everything: what it may, and what
// is believed of what it says.
func TestWhoIsIntroducedIsThePeer(t *testing.T) {
	t.Parallel()
	door := introducing(t, nil)
	door.origin("v2", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Told", r.Header.Get("X-Forwarded-For"))
		w.Header().Set("X-From", "v2")
	})
	door.configure(func(c *Config, s *router.Config) {
		s.Weights = map[string]int{"v1": 1}
		s.Override.Networks = []string{"127.0.0.1", "192.0.2.7"}
		c.TrustedProxies = []string{"192.0.2.7"}
	})
	f := func(client, told, from string) {
		t.Helper()
		w := door.dial()
		w.send("PROXY TCP4 " + client + " 192.0.2.1 4711 80\r\nGET / HTTP/1.1\r\nHost: h\r\nDivvy-Version: v2\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
		head := w.head()
		if got := strings.Join(field(head, "X-Told"), ""); got != told {
			t.Errorf("%s: the origin was told %q, want %q", client, got, told)
		}
		if got := strings.Join(field(head, "X-From"), ""); got != from {
			t.Errorf("%s: answered by %q, want %q", client, got, from)
		}
	}
	f("192.0.2.7", "192.0.2.7, 192.0.2.7", "v2")
	f("192.0.2.8", "192.0.2.8", "") // though the proxy itself may, and it says to be another
}

// Under TLS, too, the socket tells that a client who was introduced has left.
func TestAClientThatWasIntroducedTakesItsRequestWithIt(t *testing.T) {
	t.Parallel()
	_, trusted := identity()
	door := introducing(t, func(l *Listener) { l.TLS, l.Protocols = true, []string{HTTP11} })
	backend := newUnanswered()
	door.origin("v2", backend.serve)
	door.configure(func(_ *Config, s *router.Config) { s.Weights = map[string]int{"v2": 1} })
	c := must(net.Dial("tcp", door.addr))(t)
	defer c.Close()
	w := newWire(tls.Client(c, &tls.Config{RootCAs: trusted, ServerName: "example.com"}))
	must(c.Write([]byte("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n")))(t)
	w.say("GET / HTTP/1.1", "Host: h")
	receive(t, backend.got)
	w.Close()
	receive(t, backend.cancelled)
}
