package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"divvy/proxy/sockets"
	"divvy/router"
)

// openUnix opens a door at a unix socket, to which the client connects.
func openUnix(h *harness, path string) {
	h.config.HTTP = "unix:" + path
	openAsConfigured(h, (*http.Protocols).SetHTTP1)
	h.client.DialContext = func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }
	h.addr = "h"
}

func TestAUnixSocketIsServedLikeAnyOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	door := newHarness(t, func(h *harness) { openUnix(h, path) })
	body := strings.Repeat("0123456789", 100_000)
	door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Told", r.Header.Get("X-Forwarded-For")+" "+r.Header.Get("Forwarded"))
		if r.Method == "POST" {
			w.Header().Set("Content-Length", r.Header.Get("Content-Length"))
			_, _ = io.Copy(w, r.Body)
		}
	})
	client := &http.Client{Transport: door.transport}
	for range 3 {
		res := must(client.Post("http://h/", "text/plain", strings.NewReader(body)))(t)
		if got := text(res.Body); got != body {
			t.Errorf("got %d bytes of %d", len(got), len(body))
		}
		if got := res.Header.Get("X-Told"); got != "unknown for=unknown;host=h;proto=http" {
			t.Errorf("the origin was told %q", got)
		}
		if o := door.observed(); o.Client.IsValid() || o.Status != 200 {
			t.Errorf("observed %v, %d", o.Client, o.Status)
		}
	}
	if info := must(os.Stat(path))(t); info.Mode().Perm() != 0o660 {
		t.Errorf("its mode is %v", info.Mode())
	}
	door.stop()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("its file is left: %v", err)
	}
}

// Whoever can open the file is not let in as this machine is; what is said there is
// believed where that is configured.
func TestAClientOfAUnixSocketHasNoAddress(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	door := newHarness(t, func(h *harness) { openUnix(h, path) })
	say := func(version string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, version, " ", r.Header.Get("X-Forwarded-For"))
		}
	}
	door.origin("v1", say("v1"))
	door.origin("v2", say("v2"))
	f := func(trusted []string, want string) {
		t.Helper()
		door.configure(func(c *Config, s *router.Config) {
			s.Weights = map[string]int{"v1": 1}
			s.Override.Networks = []string{"127.0.0.0/8", "::/0", "0.0.0.0/0", "192.0.2.7"}
			c.TrustedProxies = trusted
		})
		req := must(http.NewRequest("GET", "http://h/", nil))(t)
		req.Header.Set("Divvy-Version", "v2")
		req.Header.Set("X-Forwarded-For", "192.0.2.7")
		res := must((&http.Client{Transport: door.transport}).Do(req))(t)
		if got := text(res.Body); got != want {
			t.Errorf("trusting %v: got %q, want %q", trusted, got, want)
		}
	}
	f(nil, "v1 unknown")
	f([]string{"0.0.0.0/0", "::/0"}, "v1 unknown")
	f([]string{Unix}, "v2 192.0.2.7, unknown")
}

func TestTwoServersShareAPort(t *testing.T) {
	t.Parallel()
	var doors []*harness
	share := func(h *harness) {
		h.config.ReusePort = true
		if len(doors) > 0 {
			h.config.HTTP = doors[0].addr
		}
		openAsConfigured(h, (*http.Protocols).SetHTTP1)
	}
	for i := range 2 {
		door := newHarness(t, share)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, i) })
		doors = append(doors, door)
	}
	got := map[string]int{}
	for range 100 {
		res := must((&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + doors[0].addr))(t)
		got[text(res.Body)]++
	}
	if got["0"]+got["1"] != 100 || got["0"] == 0 || got["1"] == 0 {
		t.Errorf("got %v", got)
	}
	if l, err := net.Listen("tcp", doors[0].addr); err == nil {
		l.Close()
		t.Error("others may listen on the port without having been told")
	}
}

// A connection that waits to be accepted when the server stops, and one that has
// sent nothing yet, were opened to send a request.
func TestAConnectionThatHasJustComeIsServedWhenTheServerStops(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
		var all []*wire
		for range 50 {
			all = append(all, door.dial())
		}
		stopped := make(chan bool)
		go func() { door.stop(); close(stopped) }()
		door.closed()
		for i, w := range all {
			w.say("GET / HTTP/1.1", "Host: h")
			if got := w.rest(); !strings.HasPrefix(got, "HTTP/1.1 200 ") || field(got, "Connection") == nil {
				t.Errorf("connection %d got %q", i, got)
			}
		}
		receive(t, stopped)
	})
}

// Who takes over has the socket, so clients are let finish: each connection's next
// answer says that it is the last.
func TestAServerThatIsReplacedWaitsForOneMoreRequest(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
		used, fresh, forgotten := door.dial(), door.dial(), door.dial()
		for _, w := range []*wire{used, forgotten} {
			w.say("GET / HTTP/1.1", "Host: h")
			w.head()
		}
		ctx, hurry := context.WithCancel(t.Context())
		door.server.Replaced(ctx)
		stopped := make(chan bool)
		go func() { door.stop(); close(stopped) }()
		door.closed()
		for _, w := range []*wire{used, fresh} {
			w.say("POST / HTTP/1.1", "Host: h", "Content-Length: 0")
			if got := w.rest(); !strings.HasPrefix(got, "HTTP/1.1 200 ") || field(got, "Connection") == nil {
				t.Errorf("got %q", got)
			}
		}
		select {
		case <-stopped:
			t.Error("it did not wait for the third")
		default:
		}
		hurry()
		if !forgotten.ended() {
			t.Error("a connection was kept though there is a hurry")
		}
		receive(t, stopped)
	})
}

// Connections wait in the queue of a socket for a server that is not ready yet.
func TestAServerThatIsHeldServesWhoWaitedInTheQueue(t *testing.T) {
	t.Parallel()
	set := new(sockets.Set)
	set.Hold()
	door := newHarness(t, func(h *harness) {
		h.sockets = set
		openAsConfigured(h, (*http.Protocols).SetHTTP1)
	})
	w := door.dial()
	w.say("GET / HTTP/1.1", "Host: h")
	door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
	set.Release()
	if got := w.head(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("got %q", got)
	}
}

func TestListenersThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	f := func(change func(*Config), want ...string) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		if got := fmt.Sprint(c.Validate()); got != strings.Join(want, "\n") {
			t.Errorf("got  %s\nwant %s", got, strings.Join(want, "\n     "))
		}
	}
	listen := func(all ...Listener) func(*Config) { return func(c *Config) { c.Listeners = all } }
	f(func(c *Config) { c.HTTP, c.HTTPS = "unix:/run/divvy/s", "systemd:web" }, "<nil>")
	f(listen(Listener{Address: "unix:/s", Mode: "0600", ProxyProtocol: []string{"unix", "10.0.0.0/8"}}), "<nil>")
	f(listen(Listener{Address: "127.0.0.1:0"}, Listener{Address: "127.0.0.1:0"}, Listener{Address: "127.0.0.1:8080"}, Listener{Address: "127.0.0.2:8080"}), "<nil>")
	f(func(c *Config) { c.HTTP = "" }, "http: nothing is listened on: use :80, or set https")
	f(func(c *Config) { c.HTTPS = ":80" }, "https: :80 is the address of http: use another")
	f(listen(Listener{Address: "127.0.0.1:80"}), "listener[0].address: 127.0.0.1:80 is the address of http (:80): use another")
	f(listen(Listener{Address: "unix:s"}), `listener[0].address: "unix:s" is not a unix socket: use a whole path, such as unix:/run/divvy/divvy.sock`)
	f(listen(Listener{Address: "unix:/" + strings.Repeat("s", 103)}), `listener[0].address: "unix:/`+strings.Repeat("s", 103)+`" is too long: use a path of at most 103 characters`)
	f(listen(Listener{Address: "systemd:"}), `listener[0].address: "systemd:" is not a socket of systemd: use systemd:NAME with its FileDescriptorName, which is that of its unit, such as divvy.socket, if it has none`)
	f(listen(Listener{Address: ":81", Mode: "0660", Protocols: []string{"spdy"}, ProxyProtocol: []string{"ten"}}),
		"listener[0].mode: :81 is no file: leave it out",
		`listener[0].proxy_protocol: "ten" is not a network: use 10.0.0.0/8, fd00::/8 or a single address`,
		`listener[0].protocols: "spdy" is not spoken here: use http/1.1, h2 or h3`)
	f(listen(Listener{Address: "unix:/s", Mode: "rw"}), `listener[0].mode: "rw" is not the mode of a file: use octal digits, such as "0660"`)
}
