package router

import (
	"fmt"
	"strings"
	"testing"
)

func TestValidateSaysWhatIsWrongWithStickiness(t *testing.T) {
	t.Parallel()
	f := func(c Sticky, want ...string) {
		t.Helper()
		got := "<nil>"
		if err := (&Config{Name: "shop", Sticky: c}).Validate(); err != nil {
			got = err.Error()
		}
		if want == nil {
			want = []string{"<nil>"}
		}
		if got != strings.Join(want, "\n") {
			t.Errorf("got  %s\nwant %s", got, strings.Join(want, "\n"))
		}
	}
	by := []string{"cookie"}
	f(Sticky{By: []string{"cookie:a", "header:X-A", "query:ä b", "ip", "cookie"}, Keep: "always", OnZero: "keep", RebalanceOn: []string{"/", "/a"}})
	f(Sticky{By: []string{"cookie:a b"}}, `sticky.by: "cookie:a b" is not a way to recognise a unit: use cookie, cookie:NAME, header:NAME, query:NAME, ip or certificate`)
	f(Sticky{By: []string{"query:"}}, `sticky.by: "query:" is not a way to recognise a unit: use cookie, cookie:NAME, header:NAME, query:NAME, ip or certificate`)

	keep := `sticky.keep: %q is not a time to keep a version: use "0s", a duration of a second or more such as "24h", or "always"`
	for _, bad := range []string{"1d", "10ms", "-1h", "forever", "24"} {
		f(Sticky{By: by, Keep: bad}, fmt.Sprintf(keep, bad))
	}
	f(Sticky{By: by, OnZero: "stay"}, `sticky.on_zero: "stay" is none of its values: use release or keep`)
	f(Sticky{By: by, RebalanceOn: []string{"", "/a*", "/ok"}},
		`sticky.rebalance_on: "" is not a path prefix: it begins with / and has no *, ? or #`,
		`sticky.rebalance_on: "/a*" is not a path prefix: it begins with / and has no *, ? or #`)

	nobody := `sticky.by: it is empty, so nobody is recognised and nothing is kept: use cookie, cookie:NAME, header:NAME, query:NAME, ip or certificate`
	f(Sticky{Keep: "24h"}, nobody)
	f(Sticky{OnZero: "keep"}, nobody)
	f(Sticky{RebalanceOn: []string{"/"}}, nobody)
	f(Sticky{Keep: "0s", OnZero: "release", Cookie: Cookie{Name: "a"}})
}

func TestValidateSaysWhatIsWrongWithTheCookie(t *testing.T) {
	t.Parallel()
	f := func(c Cookie, want ...string) {
		t.Helper()
		got := fmt.Sprint((&Config{Name: "shop", Sticky: Sticky{By: []string{"cookie"}, Cookie: c}}).Validate())
		if want == nil {
			want = []string{"<nil>"}
		}
		if got != strings.Join(want, "\n") {
			t.Errorf("got  %s\nwant %s", got, strings.Join(want, "\n"))
		}
	}
	f(Cookie{Name: "__Host-a", Path: "/a b,c", Domain: "Example.com", SameSite: "none", Secure: "auto", MaxAge: "session"})
	f(Cookie{Domain: "xn--bcher-kva.example", MaxAge: "1s"})
	for _, bad := range []string{"a b", "a=b", "a;b", "ä", "a\r\nX: y"} {
		f(Cookie{Name: bad}, fmt.Sprintf("sticky.cookie.name: %q is not the name of a cookie: use letters, digits, dashes and underscores", bad))
	}
	for _, bad := range []string{"a", "/a; Secure", "/\r\nX: y", "/ä", "/\x7f"} {
		f(Cookie{Path: bad}, fmt.Sprintf("sticky.cookie.path: %q is not a path: it begins with / and has no semicolon", bad))
	}
	for _, bad := range []string{"*.example.com", "a b", "a;b", "bücher.example", "a\r\nX: y", "example.com."} {
		f(Cookie{Domain: bad}, fmt.Sprintf("sticky.cookie.domain: %q is not a domain: use a name such as example.com", bad))
	}
	f(Cookie{SameSite: "Lax"}, `sticky.cookie.same_site: "Lax" is none of its values: use lax, strict or none`)
	f(Cookie{Secure: "yes"}, `sticky.cookie.secure: "yes" is none of its values: use auto, always or never`)
	f(Cookie{SameSite: "none", Secure: "never"}, "sticky.cookie.secure: browsers refuse a cookie with same_site none that is not secure: use auto or always")
	for _, bad := range []string{"0s", "-1h", "9601h", "400d", "always"} {
		f(Cookie{MaxAge: bad}, fmt.Sprintf(`sticky.cookie.max_age: %q is not the age of a cookie: use a duration of a second to 9600h (400 days), or "session"`, bad))
	}
	// All at once, in the order of the keys.
	f(Cookie{Name: " ", Path: " ", SameSite: " "},
		`sticky.cookie.name: " " is not the name of a cookie: use letters, digits, dashes and underscores`,
		`sticky.cookie.path: " " is not a path: it begins with / and has no semicolon`,
		`sticky.cookie.same_site: " " is none of its values: use lax, strict or none`)
}
