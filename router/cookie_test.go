package router

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTheCookieLooksAsItIsConfigured(t *testing.T) {
	t.Parallel()
	f := func(c Cookie, tls bool, want string) {
		t.Helper()
		var problems []string
		c.validate(func(format string, _ ...any) { problems = append(problems, format) })
		if problems != nil {
			t.Errorf("%+v: it is not valid: %q", c, problems)
		}
		issued := newCookie(c, "shop")
		if got := string(issued.append(nil, "value", tls)); got != "Set-Cookie: "+want+"\r\n" {
			t.Errorf("%+v, TLS %v:\ngot  %swant Set-Cookie: %s", c, tls, got, want)
		}
	}
	f(Cookie{}, false, "divvy-shop=value; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000")
	f(Cookie{}, true, "divvy-shop=value; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000; Secure")
	f(Cookie{Name: "ab", Path: "/shop", Domain: "example.com", SameSite: "strict", Secure: "never", Readable: true, MaxAge: "90m"}, true,
		"ab=value; Path=/shop; Domain=example.com; SameSite=Strict; Max-Age=5400")
	f(Cookie{Secure: "auto", SameSite: "lax", MaxAge: "9600h"}, false, "divvy-shop=value; Path=/; HttpOnly; SameSite=Lax; Max-Age=34560000")
	f(Cookie{Secure: "always"}, false, "divvy-shop=value; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000; Secure")
	f(Cookie{MaxAge: "session"}, false, "divvy-shop=value; Path=/; HttpOnly; SameSite=Lax")
	f(Cookie{MaxAge: "1500ms"}, false, "divvy-shop=value; Path=/; HttpOnly; SameSite=Lax; Max-Age=1")
	// Browsers take such a cookie with Secure only.
	f(Cookie{SameSite: "none"}, false, "divvy-shop=value; Path=/; HttpOnly; SameSite=None; Max-Age=31536000; Secure")
}

func TestAnAnswerSetsWhatTheDecisionSays(t *testing.T) {
	t.Parallel()
	s := versions(t, 1).service(Config{Sticky: Sticky{By: []string{"cookie"}}})
	f := func(d Decision, want string) {
		t.Helper()
		if got := string(s.AppendCookies([]byte("X: y\r\n"), &d, false)); got != "X: y\r\n"+want || d.Sets() != (want != "") {
			t.Errorf("%+v: it sets something: %v\ngot  %q\nwant %q", d, d.Sets(), got, want)
		}
	}
	const unit = "Set-Cookie: divvy-shop=u; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000\r\n"
	const granted = "Set-Cookie: divvy-version=g; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200\r\n"
	const none = "Set-Cookie: divvy-version=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0\r\n"
	f(Decision{}, "")
	f(Decision{issue: "u"}, unit)
	f(Decision{grant: "g"}, granted)
	f(Decision{issue: "u", grant: "g"}, unit+granted)
	f(Decision{grant: noVersion}, none)
	f(Decision{issue: "u", grant: noVersion}, unit+none)
}

func TestAgesAndTimesAreRead(t *testing.T) {
	t.Parallel()
	f := func(read func(string) (time.Duration, bool), s string, want time.Duration, wantOK bool) {
		t.Helper()
		if got, ok := read(s); ok != wantOK || ok && got != want {
			t.Errorf("%q: got %v, %v, want %v, %v", s, got, ok, want, wantOK)
		}
	}
	f(parseKeep, "", 0, true)
	f(parseKeep, "0s", 0, true)
	f(parseKeep, "0", 0, true)
	f(parseKeep, "always", -1, true)
	f(parseKeep, "1s", time.Second, true)
	f(parseKeep, "24h", 24*time.Hour, true)
	f(parseKeep, "-1s", 0, false)
	f(parseKeep, "999ms", 0, false)
	f(parseKeep, "forever", 0, false)
	f(parseKeep, "24", 0, false)
	f(parseCookieAge, "", 365*24*time.Hour, true)
	f(parseCookieAge, "session", 0, true)
	f(parseCookieAge, "9600h", 9600*time.Hour, true)
	f(parseCookieAge, "9600h1s", 0, false)
	f(parseCookieAge, "0s", 0, false)
	f(parseCookieAge, "-1h", 0, false)
	f(parseCookieAge, "always", 0, false)
}

// FuzzCookie looks for a cookie that is believed though nobody signed it: as the
// service's own, and as that of an override. It must decide like none or, where a
// unit stands in front, like that.
func FuzzCookie(f *testing.F) {
	w := versions(&testing.T{}, 3)
	c := overridable(unchanged)
	c.Override.Networks = nil
	c.Weights, c.Sticky = rising, Sticky{By: []string{"cookie"}, Keep: "24h", OnZero: "keep", RebalanceOn: []string{"/cart"}}
	in := w.input(c)
	in.Keys = NewKeyring([]Key{newKey, oldKey})
	shop := NewService(in)
	in.Keys = NewKeyring([]Key{{newKey.ID, []byte("somebody else's secret")}})
	foreign := NewService(in)
	in.Config.Name, in.Keys = "cart", shop.keys
	cart := NewService(in)

	unit := newUnit(0xfeed)
	for _, s := range []*Service{shop, cart, foreign} {
		pin, grant := s.writePin(unit, s.Versions[0], noon, 0x5e), s.grant("v2", noon)
		for _, v := range []string{pin, grant, pin[:len(pin)-1], pin + "A", strings.ToUpper(pin), grant + ".", grant[1:]} {
			f.Add(v)
		}
	}
	for _, v := range []string{"", "v0", "v2", "none", unit, unit + ".", unit + "..", "\x00\xff", strings.Repeat("0", 300), unit + strings.Repeat(".", 240), "."} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		decide := func(name, value string) Decision {
			r := request{cookie: map[string]string{name: value}, client: inside}
			return shop.Decide(Query{Request: r, Random: 1, Now: noon})
		}
		want := decide(shopCookie, strings.TrimSuffix(bareUnit.FindString(value), "."))
		if len(value) > maxCookie {
			want = decide(shopCookie, "")
		}
		if got := decide(shopCookie, value); got != want && !weSigned(pinPurpose, value) {
			t.Errorf("%q as the service's: got %+v, want %+v", value, got, want)
		}
		if got := decide("divvy-version", value); got != decide("divvy-version", "") && !weSigned(grantPurpose, value) {
			t.Errorf("%q as that of an override: got %+v", value, got)
		}
		for _, other := range []*Service{cart, foreign} {
			if got := other.Decide(Query{Request: request{cookie: map[string]string{"divvy-version": value}}, Now: noon}); got.Reason == ByOverride && weSigned(grantPurpose, value) {
				t.Errorf("%q is good for another service: %+v", value, got)
			}
		}
	})
}

// bareUnit finds the unit that a cookie begins with.
var bareUnit = regexp.MustCompile(`(?s)^[0-9a-f]{16}($|\.)`)

// weSigned reports whether a value ends with a signature that is good for the
// service shop.
func weSigned(purpose, value string) bool {
	i := strings.LastIndexByte(value, '.')
	if i < 0 {
		return false
	}
	for _, k := range []Key{newKey, oldKey} {
		if strings.HasSuffix(value[:i], "."+k.ID) && value[i+1:] == signature(k.Secret, purpose, "shop", value[:i]) {
			return true
		}
	}
	return false
}
