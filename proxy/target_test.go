package proxy

import (
	"net/http"
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
			"//", "//a", "//a/b?c", "///", "//a%2Fb", "//[::1", "//user@host:80/x", "//a|b",
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
	overEveryWire(t, func(t *testing.T, door *harness) {
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
