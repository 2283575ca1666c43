package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestTheTargetReachesTheOriginByteForByte(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			for head := c.head(); head != ""; head = c.head() {
				line, _, _ := strings.Cut(head, "\r\n")
				c.send(ok(line))
			}
		})
		f := func(method, sent, want string) {
			t.Helper()
			got := door.exchange(method+" "+sent+" HTTP/1.1", "Host: shop.test", "Connection: close")
			_, got, _ = strings.Cut(got, "\r\n\r\n")
			if want = method + " " + want + " HTTP/1.1"; got != want {
				t.Errorf("%s %s: the origin got %q, want %q", method, sent, got, want)
			}
			if o := door.observed(); o.Target != sent || o.Status != 200 {
				t.Errorf("%s %s: observed %q, %d", method, sent, o.Target, o.Status)
			}
		}
		for _, target := range []string{
			"/", "/?", "/a?", "/a?b", "/a??b", "/a?b=c&d", "/;x", "/a;b=c/d", "/a//b", "/a/", "/a/./b/../c",
			"//", "//a", "//a/b?c", "///", "//a%2Fb", "//[::1", "//user@host:80/x",
			"/%2F", "/%2f", "/%2e%2e/x", "/a%20b?x=%zz&&", "/%41", "/%00", "/a%25b", "/%E4%F6%FC", "/%c3%a4",
			"/a|b", `/a"b`, "/a<b>", "/a^b`c", "/{id}", "/a\\b", "/!$&'()*+,;=:@[]~", "/a'b",
			"/\xc3\xa4?\xe4", "/?q=a+b%20c", "/?a=b;c=d", "/?\"<>{}|", "/:80", "/http://x/", "/?http://x",
		} {
			f("GET", target, target)
		}
		f("OPTIONS", "*", "*")
		f("OPTIONS", "/*", "/*")

		// The absolute form is for proxies, and is made the form for origins.
		f("GET", "http://shop.test", "/")
		f("GET", "http://shop.test?a", "/?a")
		f("GET", "http://shop.test/a%2Fb?c", "/a%2Fb?c")
		f("GET", "http://shop.test//a", "//a")
		f("OPTIONS", "http://shop.test", "*")
		f("OPTIONS", "http://shop.test/", "/")

		// What net/http cannot write: bytes that need an escape, in a path that
		// begins with two slashes. It means the same.
		f("GET", "//a|b", "//a%7Cb")
	})
}

func TestATargetThatIsNoneIsRefused(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { t.Errorf("the origin got %q", r.RequestURI) })
		for _, target := range []string{
			"a", "?a", "shop.test", "shop.test:80", "foo:bar", "http:/a", "http:a", "http:///a", "ftp://shop.test/",
			"*", "/a#b", "/?a#b", "http://shop.test/#", "/%zz", "/a b", "/a\tb", "/a\x00b", "/a\x7f", "",
		} {
			got := door.exchange("GET "+target+" HTTP/1.1", "Host: shop.test", "Connection: close")
			if !strings.HasPrefix(got, "HTTP/1.1 400 ") {
				t.Errorf("%q: got %q", target, got)
			}
		}
	})
}

func TestAPathIsMatchedDecodedAndPassedOnAsItWas(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.RequestURI)) })
		door.service.Paths = []string{"/a b"}
		door.publish()
		r := door.request("GET", "/", nil)
		r.URL.Opaque = "/a%20b/%63"
		door.is(door.do(r), 200, "/a%20b/%63")
		if a := door.get("/ab"); a.StatusCode != 404 {
			t.Errorf("got %d", a.StatusCode)
		}
	})
}

func TestTargetURLWritesWhatNetHTTPParses(t *testing.T) {
	for _, target := range []string{"/", "//", "/?", "//?", "/a%2fb", "//a%2fb?%", "/a|b", "*"} {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		if got := targetURL(target, u.Path).RequestURI(); got != target {
			t.Errorf("got %q, want %q", got, target)
		}
	}
}

// Whatever net/http takes for a target, the origin gets a target that net/http
// takes for the same path and query.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{
		"/", "/?", "//a", "//a|b", "/%2F", "/a%20b?x=%zz&&", "/;x", "*", "http://h", "http://h?x", "http://h//x", "/a#b", "foo:bar",
		"/\xe4", "http://u@h/x", "//%", "///?/", "http://h:80/[", "https://h/?",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		u, err := url.ParseRequestURI(sent)
		if err != nil || strings.ContainsFunc(sent, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			t.Skip()
		}
		target, ok := originTarget(&http.Request{Method: "GET", RequestURI: sent, URL: u})
		if !ok {
			return
		}
		written := targetURL(target, u.Path).RequestURI()
		if written != target && !strings.HasPrefix(target, "//") {
			t.Errorf("%q became %q", target, written)
		}
		again, err := url.ParseRequestURI(written)
		if err != nil {
			t.Fatalf("%q became %q: %v", sent, written, err)
		}
		path := u.Path
		if path == "" {
			path = "/"
		}
		if again.Host != "" || again.Path != path || again.RawQuery != u.RawQuery {
			t.Errorf("%q has path %q and query %q, what the origin gets has %q and %q", sent, path, u.RawQuery, again.Path, again.RawQuery)
		}
	})
}
