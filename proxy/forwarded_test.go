package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"divvy/router"
)

// told is what an origin is told about where a request came from.
func told(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"} {
		fmt.Fprintf(w, "%s: %s\n", name, strings.Join(r.Header[name], " | "))
	}
	for name, v := range r.Header {
		if strings.ContainsAny(name, "_") || name == "X-Real-Ip" || name == "X-Forwarded-Port" {
			fmt.Fprintf(w, "and %s: %s\n", name, v)
		}
	}
}

func TestWhatAStrangerSaysOfItselfIsDropped(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", told)
		want := fmt.Sprintf("X-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: %[1]s\nX-Forwarded-Host: shop.test\nForwarded: for=127.0.0.1;host=shop.test;proto=%[1]s\n", door.scheme())
		door.is(door.get("/"), 200, want)
		door.is(door.get("/", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil",
			"X-Forwarded-Port: 443", "Forwarded: for=10.0.0.1;proto=https", "X-Real-IP: 10.0.0.1",
			// For CGI and its heirs these are the same.
			"X_Forwarded_For: 10.0.0.1", "x-forwarded_proto: https", "X_Real_IP: 10.0.0.1", "X_Request_ID: 0123456789"), 200, want)
		for range 2 {
			if o := door.observed(); o.Client != netip.MustParseAddr("127.0.0.1") || o.Scheme != door.scheme() {
				t.Errorf("observed %v, %s", o.Client, o.Scheme)
			}
		}
	})
}

func TestATrustedProxyIsBelievedAndPassedOn(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", told)
		door.configure(func(c *Config, _ *router.Config) { c.TrustedProxies = []string{"127.0.0.1", "10.0.0.0/8"} })
		door.is(door.get("/", "X-Forwarded-For: 6.6.6.6, 192.0.2.1", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https",
			"X-Forwarded-Host: public.test", "X-Forwarded-Port: 443", "Forwarded: for=192.0.2.1", "X_Forwarded_For: 10.0.0.1"), 200,
			"X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.1, 127.0.0.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: public.test\n"+
				"Forwarded: for=192.0.2.1, for=127.0.0.1;host=shop.test;proto=https\nand X-Forwarded-Port: [443]\n")
		// 192.0.2.1 is the last that a trusted proxy speaks for; the rest may be
		// made up.
		if o := door.observed(); o.Client != netip.MustParseAddr("192.0.2.1") || o.Scheme != "https" {
			t.Errorf("observed %v, %s", o.Client, o.Scheme)
		}
	})
}

func TestARequestHasAnIdentifier(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s%s", r.Header["X-Request-Id"], r.Header["Trace"])
		})
		ours := regexp.MustCompile(`^[0-9a-f]{32}$`)
		f := func(sent string, kept bool) {
			t.Helper()
			a := door.get("/", "X-Request-ID: "+sent)
			id := door.observed().RequestID
			if kept != (id == sent) || !kept && !ours.MatchString(id) {
				t.Errorf("%q: the identifier became %q", sent, id)
			}
			door.is(a, 200, "["+id+"][]")
		}
		f("0123456789abcdef", false) // a stranger's
		door.configure(func(c *Config, _ *router.Config) { c.TrustedProxies = []string{"127.0.0.1"} })
		f("0123456789abcdef", true)
		f("3f-A_.:+/=", true)
		f(strings.Repeat("x", 128), true)
		f(strings.Repeat("x", 129), false)
		f("short", false)
		f("", false)
		f("no spaces please", false)
		f("none\"of=this;", false)

		door.configure(func(c *Config, _ *router.Config) { c.RequestIDHeader = "Trace" })
		a := door.get("/", "X-Request-ID: ours-is-another", "Trace: 0123456789")
		door.is(a, 200, "[ours-is-another][0123456789]")
		door.configure(func(c *Config, _ *router.Config) { c.RequestIDHeader = "" })
		a = door.get("/", "Trace: 0123456789")
		door.is(a, 200, "[][0123456789]")
	})
}

// asked returns an exchange as a door makes it, nil for a request that is none.
func asked(trusted []string, peer, host string, fields ...string) *exchange {
	c := Config{TrustedProxies: trusted}
	ex := &exchange{state: state{world: &world{config: c, trusted: parsePeers(c.TrustedProxies)}, proto: "HTTP/1.1"}, proxy: &Proxy{}}
	head := "GET / HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
	if n, err := ex.req.Parse([]byte(head)); err != nil || n != len(head) {
		return nil
	}
	remote := ""
	if peer != "" {
		remote = netip.AddrPortFrom(netip.MustParseAddr(peer), 80).String()
	}
	ex.peer, ex.peerText = peerOf(remote)
	ex.proxy.identify(ex)
	return ex
}

// told returns what the origin is told in a field.
func (ex *exchange) tells(name string) []string { return field(string(ex.appendForwarded(nil)), name) }

func TestWhoIsThere(t *testing.T) {
	f := func(peer, client, scheme string, fields ...string) {
		t.Helper()
		ex := asked([]string{"10.0.0.0/8", "fd00::/8"}, peer, "shop.test", fields...)
		if got := ex.addr.String(); got != client || ex.scheme != scheme {
			t.Errorf("%s saying %q is %s by %s, want %s by %s", peer, fields, got, ex.scheme, client, scheme)
		}
	}
	f("192.0.2.1", "192.0.2.1", "http")
	f("192.0.2.1", "192.0.2.1", "http", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https")
	f("::ffff:192.0.2.1", "192.0.2.1", "http")
	f("", "invalid IP", "http", "X-Forwarded-For: 192.0.2.1")

	f("10.0.0.1", "10.0.0.1", "http")
	f("10.0.0.1", "192.0.2.1", "http", "X-Forwarded-For: 192.0.2.1")
	f("::ffff:10.0.0.1", "192.0.2.1", "http", "X-Forwarded-For: ::ffff:192.0.2.1")
	f("fd00::1%eth0", "2001:db8::1", "https", "X-Forwarded-For: 2001:db8::1", "X-Forwarded-Proto: https")
	f("10.0.0.1", "192.0.2.1", "http", "X-Forwarded-For: 192.0.2.1:4711")
	f("10.0.0.1", "2001:db8::1", "http", "X-Forwarded-For: [2001:db8::1]:4711")
	f("10.0.0.1", "192.0.2.1", "http", "X-Forwarded-For: 192.0.2.1 ,10.0.0.2")
	f("10.0.0.1", "192.0.2.1", "http", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.2")
	// Who is not trusted may say anything, so that what it says does not count.
	f("10.0.0.1", "192.0.2.1", "http", "X-Forwarded-For: 203.0.113.1, 192.0.2.1, 10.0.0.2")
	// When all are trusted the client is the first of them.
	f("10.0.0.1", "10.0.0.3", "http", "X-Forwarded-For: 10.0.0.3, 10.0.0.2")
	// What cannot be read ends what can be believed.
	f("10.0.0.1", "10.0.0.1", "http", "X-Forwarded-For: 192.0.2.1, garbage")
	f("10.0.0.1", "10.0.0.2", "http", "X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.2")
	f("10.0.0.1", "10.0.0.1", "http", "X-Forwarded-For: ")
	f("10.0.0.1", "10.0.0.1", "http", "X-Forwarded-For: 192.0.2.1,")

	f("10.0.0.1", "10.0.0.1", "https", "X-Forwarded-Proto: HTTPS")
	f("10.0.0.1", "10.0.0.1", "http", "X-Forwarded-Proto: gopher")
	f("10.0.0.1", "192.0.2.1", "https", "X-Forwarded-For: 192.0.2.1, 10.0.0.2", "X-Forwarded-Proto: https, http") // one for each
	f("10.0.0.1", "192.0.2.1", "http", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https, http")            // the first may be spoofed

	f("10.0.0.1", "192.0.2.1", "https", "Forwarded: for=192.0.2.1;proto=https")
	f("10.0.0.1", "2001:db8::1", "https", `Forwarded: For="[2001:db8::1]:80" ; PROTO=https;by=x`)
	f("10.0.0.1", "192.0.2.1", "https", `Forwarded: for=203.0.113.1;proto=http, for=192.0.2.1;proto=https`, "Forwarded: for=10.0.0.2;proto=http")
	f("10.0.0.1", "192.0.2.1", "http", `Forwarded: by="a,b;for=x", for="192.0.2.1"`)
	f("10.0.0.1", "10.0.0.1", "https", "Forwarded: for=_hidden;proto=https")
	f("10.0.0.1", "10.0.0.1", "http", "Forwarded: for=unknown")
	f("10.0.0.1", "10.0.0.1", "http", "Forwarded: ;;,,")
	// Of two fields the one that all understand.
	f("10.0.0.1", "192.0.2.1", "http", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=203.0.113.1;proto=https")
}

func TestParseNode(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got := ""
		if a, ok := parseNode(in); ok {
			got = a.String()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	f("192.0.2.1", "192.0.2.1")
	f("  192.0.2.1\t", "192.0.2.1")
	f("192.0.2.1:80", "192.0.2.1")
	f("2001:DB8::1", "2001:db8::1")
	f("[2001:db8::1]", "2001:db8::1")
	f("[2001:db8::1]:80", "2001:db8::1")
	f("::ffff:192.0.2.1", "192.0.2.1")
	f("fe80::1%eth0", "fe80::1")
	f("[fe80::1%25eth0]:80", "fe80::1")

	f("", "")
	f("unknown", "")
	f("_obfuscated", "")
	f("192.0.2", "")
	f("192.0.2.1:99999", "")
	f("192.0.2.1.", "")
	f("[192.0.2.1]", "")
	f("[2001:db8::1", "")
	f("2001:db8::1]", "")
	f("[]", "")
	f("[2001:db8::1]80", "")
	f("192.0.2.1 192.0.2.2", "")
	f("\"192.0.2.1\"", "")
}

func TestOnlyDivvyWritesTheElementOfForwarded(t *testing.T) {
	f := func(host, peer, want string) {
		t.Helper()
		ex := asked(nil, peer, host)
		got := ex.tells("Forwarded")
		if len(got) != 1 || got[0] != want {
			t.Errorf("host %q, peer %q: got %q, want %s", host, peer, got, want)
		}
		if read := readForwarded(got); len(read) != 1 || read[0].proto != "http" {
			t.Errorf("%s reads as %q", got, read)
		}
	}
	f("shop.test", "192.0.2.1", "for=192.0.2.1;host=shop.test;proto=http")
	f("shop.test:80", "192.0.2.1", `for=192.0.2.1;host="shop.test:80";proto=http`)
	f("[::1]:80", "2001:db8::1", `for="[2001:db8::1]";host="[::1]:80";proto=http`)
	f("shop.test", "", "for=unknown;host=shop.test;proto=http")
	f("", "192.0.2.1", "for=192.0.2.1;proto=http")
	// Hosts that could add elements of their own are none.
	for _, host := range []string{"x;proto=https", "x,for=10.0.0.1;proto=https", `a"b\c`} {
		if asked(nil, "192.0.2.1", host) != nil {
			t.Errorf("%q was taken for a host", host)
		}
	}
}

// However wrong the field is, who is not trusted is never taken for another,
// and what divvy writes can be read back.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{
		"", "for=192.0.2.1", `For="[2001:db8::1]:80";proto=https`, "for=a,for=b", `for="a\"b,c";by=x`, ";;,,==", `"`, `for="`, `for="\`,
		"for=192.0.2.1, for=10.0.0.1;proto=http", "192.0.2.1, 10.0.0.2", "[::1", "for=_x;for=unknown", "FOR=::1%eth0",
	} {
		f.Add(seed, "shop.test")
		f.Add("for=192.0.2.1", seed)
	}
	stranger := netip.MustParseAddr("192.0.2.7")
	f.Fuzz(func(t *testing.T, line, host string) {
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto"} {
			ex := asked([]string{"10.0.0.0/8"}, stranger.String(), "h", name+": "+line)
			if ex == nil {
				t.Skip("it is no request")
			}
			if ex.addr != stranger || ex.scheme != "http" {
				t.Errorf("a stranger saying %s: %q is %v by %s", name, line, ex.addr, ex.scheme)
			}
			// The nearest hop that is readable decides, so appending one that is
			// not trusted makes the rest worthless.
			ex = asked([]string{"10.0.0.0/8"}, "10.0.0.1", "h", name+": "+line, "X-Forwarded-For: "+stranger.String())
			if name == "X-Forwarded-For" && ex.addr != stranger {
				t.Errorf("%q made the client %v", line, ex.addr)
			}
			if !ex.addr.IsValid() || ex.addr.Zone() != "" || ex.addr.Is4In6() {
				t.Errorf("%s: %q made the client %v", name, line, ex.addr)
			}
		}
		ex := asked(nil, stranger.String(), host)
		if ex == nil {
			t.Skip("it is no host")
		}
		got := ex.tells("Forwarded")
		if read := readForwarded(got); !reflect.DeepEqual(read, []hop{{stranger.String(), "http"}}) {
			t.Errorf("host %q: %q reads as %q", host, got, read)
		}
	})
}
