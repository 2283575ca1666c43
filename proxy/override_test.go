package proxy

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"divvy/router"
)

// telling is a handler that tells which version it is, and what it got.
func telling(version string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s token=%q referer=%q", version, r.RequestURI, r.Header["Divvy-Token"], r.Header["Referer"])
	}
}

// overridable prepares three versions, of which v1 has all weight. change says
// who may override it.
func (h *harness) overridable(change func(*router.Override)) {
	for _, v := range []string{"v1", "v2", "v3"} {
		h.origin(v, telling(v))
	}
	h.configure(func(c *Config, s *router.Config) {
		s.Weights = map[string]int{"v1": 1}
		change(&s.Override)
	})
}

func byNetwork(o *router.Override) { o.Networks = []string{"127.0.0.1"} }
func byToken(o *router.Override)   { o.Secrets = []string{"s3cret"} }

// seen is what an origin that is telling tells.
func seen(version, target string) string {
	return version + " " + target + ` token=[] referer=[]`
}

var grantedForm = regexp.MustCompile(`^divvy-version=[0-9a-f]{8}\.v2\.k3y1\.[A-Za-z0-9_-]{22}; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200(; Secure)?$`)

func TestALinkPutsABrowserOnAVersionAndTakesItOff(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.overridable(byNetwork)
		a := door.get("/?divvy-version=v2")
		door.is(a, 200, seen("v2", "/"))
		got := a.setCookies()
		if len(got) != 1 || !grantedForm.MatchString(got[0]) || strings.Contains(got[0], "Secure") != door.secure {
			t.Fatalf("got %q", got)
		}
		if cache := a.Header.Get("Cache-Control"); cache != "private" {
			t.Errorf("Cache-Control %q: a shared cache might keep the cookie", cache)
		}
		cookie, _, _ := strings.Cut(got[0], ";")
		// From now on it is there, wherever it goes on.
		door.configure(func(_ *Config, s *router.Config) { s.Override.Networks = []string{"192.0.2.0/24"} })
		for _, target := range []string{"/", "/cart?a=b"} {
			a = door.get(target, "Cookie: "+cookie)
			door.is(a, 200, seen("v2", target))
			door.setsNothing(a)
		}
		a = door.get("/?divvy-version=none", "Cookie: "+cookie)
		door.is(a, 200, seen("v1", "/"))
		if got := a.setCookies(); len(got) != 1 || strings.TrimSuffix(got[0], "; Secure") != "divvy-version=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0" {
			t.Errorf("got %q", got)
		}
		// Nobody has a say who may not.
		a = door.get("/?divvy-version=v2")
		door.is(a, 200, seen("v1", "/"))
		door.setsNothing(a)
		a = door.get("/", "Divvy-Version: v2", "Cookie: divvy-version=v2")
		door.is(a, 200, seen("v1", "/"))
		for _, o := range []string{"override", "override", "override", "request", "request", "request"} {
			if got := door.observed(); got.Reason != o {
				t.Errorf("observed %s, want %s", got.Reason, o)
			}
		}
	})
}

func TestTheCookieOfALinkIsSecureUnderTLS(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.overridable(byToken)
		door.configure(func(c *Config, _ *router.Config) { c.TrustedProxies = []string{"127.0.0.1"} })
		for _, name := range []string{"v2", "none"} {
			a := door.get("/?divvy-version="+name, "X-Forwarded-Proto: https", "Divvy-Token: s3cret")
			if got := a.setCookies(); len(got) != 1 || !strings.HasSuffix(got[0], "; Secure") {
				t.Errorf("%s: got %q", name, got)
			}
		}
	})
}

// The rest of the query is the origin's, byte for byte.
func TestTheOriginGetsTheRestOfTheQuery(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.overridable(byNetwork)
		f := func(target, want string) {
			t.Helper()
			a := door.get(target)
			version := map[bool]string{true: "v2", false: "v1"}[a.setCookies() != nil]
			door.is(a, 200, seen(version, want))
			if o := door.observed(); o.Target != want {
				t.Errorf("observed %s, want %s", o.Target, want)
			}
		}
		f("/?divvy-version=v2", "/")
		f("/a%20b/%2e?divvy-version=v2", "/a%20b/%2e")
		f("/?a=1&divvy-version=v2&b=2", "/?a=1&b=2")
		f("/?divvy-version=v2&b=2&a=1&b=1", "/?b=2&a=1&b=1")
		f("/?a=%7e%7E%zz%&divvy-version=v2&b=+%2B;c", "/?a=%7e%7E%zz%&b=+%2B;c")
		f("/?a&=b&c=&divvy-version=v2&==", "/?a&=b&c=&==")
		f("/?&&a=1&&divvy-version=v2&&", "/?&&a=1&&&")
		f("/?&divvy-version=v2&a", "/?&a")
		f("/?a=divvy-version=v2&divvy-version=v2", "/?a=divvy-version=v2")
		f("/?divvy-version=v2?&a=/?b", "/?a=/?b") // no version is called that
		f("/?divvy-version=v2&divvy-version=v1&a", "/?a")
		f("/?divvy%2Dversion=v2&%64ivvy-version=x&a", "/?a")
		f("/?divvy-version=%76%32&a", "/?a")
		f("/?divvy-version&divvy-version=&a", "/?a")
		// What is not said to divvy stays, like what nobody may say.
		f("/?Divvy-Version=v2&xdivvy-version=v2&divvy-version2=v2", "/?Divvy-Version=v2&xdivvy-version=v2&divvy-version2=v2")
		f("/?divvy-token=x&a=%zz&&", "/?divvy-token=x&a=%zz&&")
		f("/?", "/?")
		f("/?&", "/?&")
		f("/?divvy-version%zz=v2", "/?divvy-version%zz=v2")
	})
}

func TestTheParameterIsTheOriginsWhereItIsNotOurs(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.overridable(func(*router.Override) {})
		f := func(why string, change func(*router.Override), target, version, want string) {
			t.Helper()
			door.configure(func(_ *Config, s *router.Config) {
				s.Override = router.Override{}
				change(&s.Override)
			})
			door.is(door.get(target), 200, seen(version, want))
			if o := door.observed(); o.Target != want {
				t.Errorf("%s: observed %s, want %s", why, o.Target, want)
			}
		}
		const target = "/?a&divvy-version=v2&divvy-token=s3cret&&b"
		f("no override", func(*router.Override) {}, target, "v1", target)
		f("networks", byNetwork, target, "v2", "/?a&divvy-token=s3cret&&b")
		f("tokens", byToken, target, "v2", "/?a&&b")
		f("passed on", func(o *router.Override) { byNetwork(o); o.PassQuery = true }, target, "v2", target)
		f("passed on, but for the token", func(o *router.Override) { byToken(o); o.PassQuery = true }, target, "v2", "/?a&divvy-version=v2&&b")
		f("off", func(o *router.Override) { byToken(o); o.Query = "off" }, target, "v1", "/?a&divvy-version=v2&&b")
		f("another name", func(o *router.Override) { byToken(o); o.Query = "a" }, target, "v1", "/?divvy-version=v2&&b")
	})
}

func TestTheTokenIsDivvysAlone(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.overridable(byToken)
		f := func(version, target, want string, fields ...string) {
			t.Helper()
			a := door.get(target, fields...)
			door.is(a, 200, version+" "+want)
			o := door.observed()
			if got := fmt.Sprintf("%+v", o); strings.Contains(got, "s3cret") || strings.Contains(got, "wr0ng") {
				t.Errorf("observed %s", got)
			}
			if got := fmt.Sprint(a.Header); strings.Contains(got, "s3cret") {
				t.Errorf("answered %s", got)
			}
		}
		const nothing = ` token=[] referer=[]`
		f("v2", "/", "/"+nothing, "Divvy-Version: v2", "Divvy-Token: s3cret")
		f("v2", "/", "/"+nothing, "Divvy-Version: v2", "divvy-token: s3cret", "Divvy-Token: wr0ng")
		f("v1", "/", "/"+nothing, "Divvy-Version: v2", "Divvy-Token: wr0ng")
		f("v1", "/", "/"+nothing, "Divvy-Version: v2", "Divvy-Token: wr0ng", "Divvy-Token: s3cret")
		f("v2", "/?divvy-version=v2&divvy-token=s3cret&a", "/?a"+nothing)
		f("v1", "/?divvy-version=v2&divvy-token=wr0ng&divvy-token=s3cret", "/"+nothing)
		f("v1", "/?divvy-token=s3cret", "/"+nothing)
		// What the page of a link loads names the link in its Referer.
		f("v1", "/style.css", `/style.css token=[] referer=["http://shop.test/"]`, "Referer: http://shop.test/?divvy-version=v2&divvy-token=s3cret")
		f("v1", "/style.css", `/style.css token=[] referer=["http://shop.test/a"]`, "Referer: http://shop.test/a?a&%64ivvy-token=s3cret&b")
		f("v1", "/?a", `/?a token=[] referer=["http://elsewhere.test/?a=b&divvy"]`, "Referer: http://elsewhere.test/?a=b&divvy")
	})
}

// A decision that has to be made again knows what the first one knew, and what
// was hidden stays so.
func TestARetryKnowsWhatWasSaidToDivvy(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.refusing("v1")
		for _, v := range []string{"v2", "v3"} {
			door.origin(v, telling(v))
		}
		door.configure(func(_ *Config, s *router.Config) {
			s.Weights = map[string]int{"v1": router.MaxWeight, "v2": 1}
			byToken(&s.Override)
		})
		a := door.get("/?divvy-version=v3", "Divvy-Token: s3cret")
		door.is(a, 200, seen("v3", "/"))
		door.observed()
		cookie, _, _ := strings.Cut(a.setCookies()[0], ";")

		// It leaves v3 with a request that v1 does not answer.
		a = door.get("/?x=1&divvy-version=none&divvy-token=s3cret", "Cookie: "+cookie, "Divvy-Token: s3cret", "Referer: http://shop.test/?divvy-token=s3cret")
		door.is(a, 200, `v2 /?x=1 token=[] referer=["http://shop.test/"]`)
		if got := a.setCookies(); len(got) != 1 || !strings.HasPrefix(got[0], "divvy-version=; ") {
			t.Errorf("it sets %q", got)
		}
		if o := door.observed(); o.Attempts != 2 || o.Reason != "failover" || o.Target != "/?x=1" || o.Referer != "http://shop.test/" {
			t.Errorf("observed %d attempts, by %s, %s from %s", o.Attempts, o.Reason, o.Target, o.Referer)
		}
	})
}

// The forms that only a connection of one's own can send.
func TestWhatWasSaidToDivvyIsHiddenInEveryFormOfATarget(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.overridable(byNetwork)
		w := door.dial()
		f := func(target, want string) {
			t.Helper()
			w.say("GET "+target+" HTTP/1.1", "Host: shop.test")
			res := must(w.answer("GET"))(t)
			if got := text(res.Body); got != seen("v2", want) {
				t.Errorf("%s: got %s, want %s", target, got, want)
			}
		}
		f("http://shop.test/a?divvy-version=v2&b", "/a?b")
		f("http://shop.test?divvy-version=v2", "/")
		f("http://shop.test?divvy-version=v2&b", "/?b")
		// One request on a connection has nothing of the one before.
		f("/?divvy-version=v2&"+strings.Repeat("x", 500), "/?"+strings.Repeat("x", 500))
		w.say("GET /plain HTTP/1.1", "Host: shop.test", "Referer: http://shop.test/x?y")
		if got := text(must(w.answer("GET"))(t).Body); got != `v1 /plain token=[] referer=["http://shop.test/x?y"]` {
			t.Errorf("got %s", got)
		}
		w.say("OPTIONS * HTTP/1.1", "Host: shop.test")
		if got := text(must(w.answer("OPTIONS"))(t).Body); got != seen("v1", "*") {
			t.Errorf("got %s", got)
		}
		// What a client says of its connection removes what it always did.
		w.say("GET / HTTP/1.1", "Host: shop.test", "Connection: Referer, Divvy-Version", "Referer: http://shop.test/?a", "Divvy-Version: v2")
		if got := text(must(w.answer("GET"))(t).Body); got != seen("v2", "/") {
			t.Errorf("got %s", got)
		}
	})
}

// Pins, an override that is not used and one by cookie cost no allocation. It does
// not run beside other tests, whose allocations it would count.
func TestToBeKeptAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	door := newHarness(t, openHTTP1)
	door.proxy.Sink = door.meters
	door.serveBytes("v1", 100)
	door.serveBytes("v2", 100)
	door.configure(func(_ *Config, s *router.Config) {
		s.Weights = map[string]int{"v1": 90, "v2": 10}
		s.Sticky = router.Sticky{By: []string{"header:X-User", "cookie"}, Keep: "always"}
		s.Override = router.Override{Networks: []string{"127.0.0.1"}, Secrets: []string{"s3cret"}}
		s.Rules = []router.Rule{{Name: "team", To: "v2", If: []string{"header:X-Team = qa"}}}
	})
	pin := door.get("/").Cookies()[0]
	grant := door.get("/?divvy-version=v2").Cookies()[0]
	f := func(name string, lines ...string) {
		exchange := door.again(t, 100, strings.Join(lines, "\r\n")+"\r\nHost: shop.test\r\nReferer: http://shop.test/?a=b\r\n\r\n")
		for range 100 {
			exchange() // until everything has its size
		}
		if n := testing.AllocsPerRun(500, exchange); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
	f("a pin", "GET /?a=b HTTP/1.1", "Cookie: divvy-shop="+pin.Value)
	f("a grant", "GET /?a=b HTTP/1.1", "Cookie: divvy-version="+grant.Value)
	f("a rule", "GET /?a=b HTTP/1.1", "X-Team: qa")
	f("a header", "GET /?a=b HTTP/1.1", "Divvy-Version: v2", "Divvy-Token: s3cret")
}
