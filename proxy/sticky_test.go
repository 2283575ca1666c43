package proxy

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"divvy/backends"
	"divvy/router"
)

// setCookies returns what an answer sets.
func (a *answer) setCookies() []string { return a.Header["Set-Cookie"] }

// setsNothing checks that an answer sets no cookie.
func (h *harness) setsNothing(a *answer) {
	h.t.Helper()
	if got := a.setCookies(); got != nil {
		h.t.Errorf("the answer sets %q", got)
	}
}

// versions adds a backend of each version, which answers with its name.
func (h *harness) versions(names ...string) {
	for _, name := range names {
		h.origin(name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			fmt.Fprint(w, name)
		})
	}
}

// health changes what the i-th backend says of itself.
func (h *harness) health(i int, is backends.Health) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.found[i].Health = is
	h.registry.Replace(slices.Clone(h.found))
}

const (
	unitForm = `[0-9a-f]{16}`
	pinForm  = unitForm + `\.[0-9a-f]{16}\.[0-9a-f]{8}\.[0-9a-f]{8}\.k3y1\.[A-Za-z0-9_-]{22}`
)

func TestTheCookieIsSetAsItIsConfigured(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.versions("v1")
		f := func(c router.Sticky, scheme, want string) {
			t.Helper()
			door.configure(func(p *Config, s *router.Config) {
				p.TrustedProxies = []string{"127.0.0.1"}
				c.By = []string{"cookie"}
				s.Sticky = c
			})
			a := door.get("/", "X-Forwarded-Proto: "+scheme)
			got := a.setCookies()
			if len(got) != 1 || !regexp.MustCompile("^"+want+"$").MatchString(got[0]) {
				t.Errorf("got %q, want %s", got, want)
			}
			if cache := a.Header["Cache-Control"]; !reflect.DeepEqual(cache, []string{"private, max-age=60"}) {
				t.Errorf("Cache-Control %q: a shared cache might keep the cookie", cache)
			}
			value, _, _ := strings.Cut(got[0], ";")
			a = door.get("/", "Cookie: a=b; "+value, "X-Forwarded-Proto: "+scheme)
			door.setsNothing(a)
			if cache := a.Header["Cache-Control"]; !reflect.DeepEqual(cache, []string{"public, max-age=60"}) {
				t.Errorf("Cache-Control %q: it was public", cache)
			}
		}
		f(router.Sticky{}, "http", "divvy-shop="+unitForm+"; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000")
		f(router.Sticky{}, "https", "divvy-shop="+unitForm+"; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000; Secure")
		f(router.Sticky{Keep: "24h"}, "https", "divvy-shop="+pinForm+"; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000; Secure")
		f(router.Sticky{Keep: "always", Cookie: router.Cookie{
			Name: "ab", Path: "/shop", Domain: "shop.test", SameSite: "strict", Secure: "never", Readable: true, MaxAge: "1h",
		}}, "https", "ab="+pinForm+"; Path=/shop; Domain=shop.test; SameSite=Strict; Max-Age=3600")
		f(router.Sticky{Cookie: router.Cookie{Secure: "always", MaxAge: "session"}}, "http", "divvy-shop="+unitForm+"; Path=/; HttpOnly; SameSite=Lax; Secure")
		f(router.Sticky{Cookie: router.Cookie{SameSite: "none"}}, "http", "divvy-shop="+unitForm+"; Path=/; HttpOnly; SameSite=None; Max-Age=31536000; Secure")
	})
}

func TestAPinKeepsABrowserWhereItIs(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.versions("v1", "v2")
		weights := func(v1, v2 int) {
			door.configure(func(_ *Config, s *router.Config) {
				s.Weights = map[string]int{"v1": v1, "v2": v2}
				s.Sticky = router.Sticky{By: []string{"cookie"}, Keep: "always"}
			})
		}
		weights(1, 0)
		cookie := door.get("/").Cookies()[0]
		door.observed()
		pinned := "Cookie: " + cookie.Name + "=" + cookie.Value
		f := func(why, cookie, version, reason string, sets bool) {
			t.Helper()
			a := door.get("/", cookie)
			door.is(a, 200, version)
			if o := door.observed(); o.Reason != reason || (a.setCookies() != nil) != sets {
				t.Errorf("%s: by %s, setting %q; want %s, setting one: %v", why, o.Reason, a.setCookies(), reason, sets)
			}
		}
		weights(1, router.MaxWeight)
		f("an edit", pinned, "v1", "pin", false)
		f("between others", "Cookie: a=b; "+pinned[8:]+"; c=d", "v1", "pin", false)
		f("in quotes", `Cookie: divvy-shop="`+cookie.Value+`"`, "v1", "pin", false)
		// What is not ours is no pin.
		f("cut off", pinned[:len(pinned)-1], "v2", "unit", true)
		f("another service's", strings.Replace(pinned, "divvy-shop", "divvy-cart", 1), "v2", "unit", true)
		f("another case", strings.Replace(pinned, "divvy-shop", "Divvy-Shop", 1), "v2", "unit", true)
		f("twice", pinned+"; "+pinned[8:], "v2", "unit", true)
		f("twice, once without a value", pinned+"; divvy-shop=", "v2", "unit", true)
		f("too long", pinned+strings.Repeat("x", 300), "v2", "unit", true)

		// It is away while the version is not healthy, and then back.
		door.health(0, backends.HealthUnhealthy)
		f("v1 is unhealthy", pinned, "v2", "failover", false)
		door.health(0, backends.HealthPassing)
		f("v1 is back", pinned, "v1", "pin", false)
		weights(0, 1)
		f("v1 has no weight", pinned, "v2", "unit", true)
	})
}

// An answer that did not come from the service tells the browser nothing.
func TestARefusalSetsNoCookie(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.refusing("v1")
		door.configure(func(_ *Config, s *router.Config) {
			s.Sticky = router.Sticky{By: []string{"cookie"}, Keep: "always"}
			s.Override.Networks = []string{"127.0.0.1"}
		})
		for _, target := range []string{"/", "/?divvy-version=v1", "/?divvy-version=none"} {
			a := door.get(target)
			if a.StatusCode != 503 {
				t.Errorf("%s: got %d", target, a.StatusCode)
			}
			door.setsNothing(a)
		}
	})
}

// Whoever stands in for a version for one request does not keep its units.
func TestARetryPinsNobodyToTheStandIn(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.refusing("v1")
		door.versions("v2")
		door.configure(func(_ *Config, s *router.Config) {
			s.Weights = map[string]int{"v1": router.MaxWeight, "v2": 1}
			s.Sticky = router.Sticky{By: []string{"cookie"}, Keep: "always"}
		})
		a := door.get("/")
		door.is(a, 200, "v2")
		if got := a.setCookies(); len(got) != 1 || !regexp.MustCompile("^divvy-shop="+unitForm+"; ").MatchString(got[0]) {
			t.Errorf("got %q, want the unit alone", got)
		}
		if o := door.observed(); o.Attempts != 2 || o.Reason != "failover" {
			t.Errorf("observed %d attempts, by %s", o.Attempts, o.Reason)
		}
	})
}
