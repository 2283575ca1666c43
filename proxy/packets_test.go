package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"divvy/router"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

func TestClientsAreToldOfHTTP3(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTPS)
	door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/own" {
			w.Header().Set("Alt-Svc", "clear")
		}
	})
	f := func(path, want string) {
		t.Helper()
		if got := door.get(path).Header.Get("Alt-Svc"); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	f("/", `h3=":`+portOf(door.addr)+`"; ma=86400`)
	f("/own", "clear")
	door.configure(func(c *Config, _ *router.Config) { c.HTTPSPort = 443 })
	f("/", `h3=":443"; ma=86400`)
	// It can be switched off, and on again, while the rest goes on.
	speak := func(protocols ...string) {
		t.Helper()
		eventually(t, "the port is free, which another test's client may have for a while", func() bool {
			change, err := door.prepare(func(c *Config) {
				c.HTTPS, c.Listeners = "", []Listener{{Address: "127.0.0.1:0", TLS: true, Protocols: protocols}}
			})
			if err == nil {
				change.Commit()
			}
			return err == nil
		})
	}
	speak(HTTP11)
	f("/", "")
	speak(HTTP11, HTTP3)
	f("/", `h3=":`+portOf(door.addr)+`"; ma=86400`)
}

func TestAUDPPortInUseChangesNothing(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTPS)
	door.origin("v1", func(http.ResponseWriter, *http.Request) {})
	taken, err := net.ListenPacket("udp", "127.0.0.8:0") // where no other test listens
	if err != nil {
		t.Skip("there is only one loopback address:", err)
	}
	defer taken.Close()
	addr := taken.LocalAddr().String()
	_, err = door.prepare(func(c *Config) { c.Listeners = []Listener{{Address: addr, TLS: true}} })
	if err == nil || !strings.HasPrefix(err.Error(), "listening on "+addr+" (UDP, for HTTP/3): ") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
	l, err := net.Listen("tcp", addr) // what had been opened was given back
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	must(door.prepare(func(c *Config) { c.Listeners = []Listener{{Address: addr, TLS: true, Protocols: []string{HTTP2}}} }))(t).Discard()
	door.is(door.get("/"), 200, "")
}

// What comes before the client is known to be there may be a copy: it is served if
// it does nothing, and the origin is told (RFC 8470).
func TestWhatComesEarlyMustDoNothing(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTP3)
	asked := make(chan bool, 2)
	door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s early=%s", r.Method, r.Header.Get("Early-Data"))
		asked <- true
	})
	_, trusted := identity()
	sessions := &tickets{ClientSessionCache: tls.NewLRUClientSessionCache(1), got: make(chan bool, 8)}
	ask := func(method string, from net.PacketConn) *answer {
		t.Helper()
		way := &quic.Transport{Conn: from}
		client := &http3.Transport{
			TLSClientConfig: &tls.Config{RootCAs: trusted, ClientSessionCache: sessions},
			Dial: func(ctx context.Context, addr string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
				to, err := net.ResolveUDPAddr("udp", addr)
				if err != nil {
					return nil, err
				}
				return way.DialEarly(ctx, to, c, q)
			},
		}
		t.Cleanup(func() { client.Close(); way.Close(); from.Close() })
		res, err := client.RoundTrip(door.request(method, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		return &answer{Response: res, body: text(res.Body)}
	}
	if a := ask(http.MethodGet, must(net.ListenPacket("udp", "127.0.0.1:0"))(t)); a.body != "GET early=" {
		t.Fatalf("got %q", a.body)
	}
	receive(t, asked)
	receive(t, sessions.got)
	door.is(ask(http3.MethodGet0RTT, &deaf{PacketConn: must(net.ListenPacket("udp", "127.0.0.1:0"))(t), until: asked}), 200, "GET early=1")
}

// tickets tells when a session can be resumed.
type tickets struct {
	tls.ClientSessionCache
	got chan bool
}

func (s *tickets) Put(key string, session *tls.ClientSessionState) {
	s.ClientSessionCache.Put(key, session)
	if session != nil {
		s.got <- true
	}
}

// deaf hears nothing at first, so that the handshake cannot be completed until then.
type deaf struct {
	net.PacketConn
	until <-chan bool
	heard sync.Once
}

func (d *deaf) ReadFrom(b []byte) (int, net.Addr, error) {
	d.heard.Do(func() {
		select {
		case <-d.until:
		case <-time.After(patience):
		}
	})
	return d.PacketConn.ReadFrom(b)
}

func TestRequestsThatAreTakenBackAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTP3)
	var now, most atomic.Int64
	door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/wait" {
			return
		}
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		<-r.Context().Done()
	})
	for range 3000 {
		ctx, stop := context.WithCancel(context.Background())
		go func() { _, _ = door.transport.RoundTrip(door.request("GET", "/wait", nil).WithContext(ctx)) }()
		stop()
	}
	eventually(t, "they have ended", func() bool { return now.Load() == 0 })
	if most.Load() > maxStreams {
		t.Errorf("%d were at backends at a time", most.Load())
	}
	door.is(door.get("/"), 200, "")
}

func TestWhatDoesSomethingHasToBeSentAgain(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTP1)
	door.origin("v1", func(http.ResponseWriter, *http.Request) {})
	f := func(method string, known bool, want int) {
		t.Helper()
		r := httptest.NewRequest(method, "https://shop.test/", nil)
		r.RequestURI, r.ProtoMajor, r.TLS = "/", 3, &tls.ConnectionState{HandshakeComplete: known}
		w := httptest.NewRecorder()
		door.proxy.handle(w, r, door.server.ports[0])
		if w.Code != want {
			t.Errorf("%s, known %t: got %d, want %d", method, known, w.Code, want)
		}
	}
	f("GET", false, 200)
	f("POST", false, 425)
	f("DELETE", false, 425)
	f("POST", true, 200)
}
