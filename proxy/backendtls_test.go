package proxy

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"divvy/backends"
)

// A backend is who its certificate says, or gets nothing.
func TestABackendMustBeWhoItShouldBe(t *testing.T) {
	f := func(name, want string, change func(h *harness)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, protocol := range []backends.Protocol{backends.HTTPS, backends.H2} {
				door := newHarness(t, openHTTP1)
				door.wire.Protocol = protocol
				var arrived bool
				id := door.origin("v1", func(w http.ResponseWriter, r *http.Request) { arrived = true })
				change(door)
				if err := door.wire.Load(); err != nil {
					t.Fatal(err)
				}
				door.found[0].Dialect = must(door.wire.Dialect([]string{"*.shop.test", "elsewhere.test"}))(t)
				door.registry.Replace(door.found)
				a := door.post("/", "body")
				o := door.observed()
				if want == "" {
					if a.StatusCode != 200 || o.Err != "" {
						t.Errorf("%s: got %d, %q", protocol, a.StatusCode, o.Err)
					}
					continue
				}
				if a.StatusCode != 502 || !strings.Contains(o.Err, want) || arrived || strings.Contains(a.body, "certificate") {
					t.Errorf("%s: got %d %q, %q", protocol, a.StatusCode, a.body, o.Err)
				}
				if s := door.status(id); s.State != backends.StateReady {
					t.Errorf("%s: it is %s after one", protocol, s.State)
				}
			}
		})
	}
	f("it is", "", func(*harness) {})
	f("another name", "not wrong.test", func(h *harness) { h.wire.BackendTLS.ServerName = "wrong.test" })
	f("the name of the service", "not elsewhere.test", func(h *harness) { h.wire.BackendTLS.ServerName = "" })
	f("an authority that is not trusted", "unknown authority", func(h *harness) { h.wire.BackendTLS.CA = "" })
	f("nobody looks", "", func(h *harness) {
		h.wire.BackendTLS.CA, h.wire.BackendTLS.ServerName, h.wire.BackendTLS.Insecure = "", "wrong.test", true
	})
}

func TestABackendMayAskWhoDivvyIs(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTP1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, len(r.TLS.PeerCertificates))
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	door.wire.Protocol = backends.HTTPS
	door.start(s)
	t.Cleanup(s.Close)
	door.wire.BackendTLS.Cert, door.wire.BackendTLS.Key = pemPair(t, s.TLS.Certificates[0])
	if err := door.wire.Load(); err != nil {
		t.Fatal(err)
	}
	door.add("v1", s.Listener.Addr().String())
	door.is(door.get("/"), 200, "1")
}

// What the other end of a connection says before it is asked is heard before
// anything is sent, though it is no data.
func TestASecuredConnectionThatEndsIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	door := newHarness(t, openHTTP1)
	door.wire.Protocol = backends.HTTPS
	closed := make(chan bool)
	door.raw("v1", func(c *wire) {
		if c.head() != "" {
			c.send(ok("fine"))
			c.half() // which is said in a record of its own
			closed <- true
			c.rest()
		}
	})
	for range 20 {
		door.is(door.post("/", "body"), 200, "fine")
		receive(t, closed)
		if o := door.observed(); o.Attempts != 1 || o.Err != "" {
			t.Errorf("observed %d attempts, %q", o.Attempts, o.Err)
		}
	}
}
