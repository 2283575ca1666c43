package router

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestUnitsAreRecognisedInOrder(t *testing.T) {
	t.Parallel()
	s := versions(t, 8).service(Config{
		Weights: map[string]int{"v0": 1, "v1": 1, "v2": 1, "v3": 1, "v4": 1, "v5": 1, "v6": 1, "v7": 1},
		Sticky:  Sticky{By: []string{"header:X-User", "cookie:session", "query:user", "ip"}},
	})
	same := func(why string, a, b request, want bool) {
		t.Helper()
		equal := 0
		for i := range uint64(64) {
			x, y := s.Decide(Query{Request: a, Random: i}), s.Decide(Query{Request: b, Random: i + 1000})
			if x.Version == y.Version {
				equal++
			}
		}
		if got := equal == 64; got != want {
			t.Errorf("%s: the same version %d times of 64", why, equal)
		}
	}
	m := func(k, v string) map[string]string { return map[string]string{k: v} }
	ip := netip.MustParseAddr
	same("a header", request{header: m("X-User", "7")}, request{header: m("X-User", "7"), client: inside}, true)
	same("a header before a cookie", request{header: m("X-User", "7")}, request{header: m("X-User", "7"), cookie: m("session", "z")}, true)
	same("one unit under two names", request{cookie: m("session", "7")}, request{query: m("user", "7")}, true)
	same("an address", request{client: inside}, request{client: inside}, true)
	same("IPv6 by /64", request{client: ip("2001:db8::1")}, request{client: ip("2001:db8::aaaa:bbbb:cccc:dddd")}, true)
	same("IPv6 by no less", request{client: ip("2001:db8:0:1::1")}, request{client: ip("2001:db8:0:8::1")}, false)
	same("IPv4 in IPv6", request{client: ip("10.1.2.3")}, request{client: ip("::ffff:10.1.2.3")}, true)
	same("nothing", request{}, request{}, false)
}

func TestACookieIsIssuedOnceAndOnlyWhenNeeded(t *testing.T) {
	t.Parallel()
	s := versions(t, 2).service(Config{
		Weights: map[string]int{"v0": 1, "v1": 1},
		Sticky:  Sticky{By: []string{"header:X-User", "cookie"}},
	})
	if s.cookie.name != "divvy-shop" {
		t.Errorf("the cookie is %q", s.cookie.name)
	}
	for i := range uint64(200) {
		first := s.Decide(Query{Request: request{}, Random: i * 0x9e3779b97f4a7c15})
		if first.issue == "" || first.Reason != ByUnit {
			t.Fatalf("got %+v for a newcomer", first)
		}
		again := s.Decide(Query{Request: request{cookie: map[string]string{s.cookie.name: first.issue}}, Random: i})
		if again.Version != first.Version || again.issue != "" {
			t.Fatalf("unit %s: first %s, then %s, issued %q", first.issue, tagOf(first), tagOf(again), again.issue)
		}
	}
	if d := s.Decide(user(1)); d.issue != "" {
		t.Error("a cookie was issued to a user who is known by header")
	}
	// What divvy did not issue is not believed.
	for _, v := range []string{"x", "0123456789abcdeF", "0123456789abcdef0", "0123456789abcde\x00", "0123456789abcdef." + strings.Repeat("x", 300)} {
		if d := s.Decide(Query{Request: request{cookie: map[string]string{s.cookie.name: v}}, Random: 1}); d.issue == "" {
			t.Errorf("%q passed for a unit", v)
		}
	}
}

func TestNoVersionAtAll(t *testing.T) {
	t.Parallel()
	f := func(s *Service) {
		t.Helper()
		if d := s.Decide(user(1)); d.Version != nil || d.Reason != ByNone || d.issue != "" {
			t.Errorf("got %+v", d)
		}
	}
	f(versions(t, 0).service(Config{}))
	f(versions(t, 1).service(weights(map[string]int{"v9": 1})))
	w := versions(t, 1)
	w.sicken("c0")
	f(w.service(Config{Sticky: Sticky{By: []string{"cookie"}}}))
}

func TestServicesDrawDifferentUsers(t *testing.T) {
	t.Parallel()
	w := versions(t, 2)
	in := func(name string) Input {
		return Input{Config: Config{Name: name, Weights: map[string]int{"v0": 1, "v1": 1}, Sticky: byUser}, Members: w.registry.Members("shop")}
	}
	table := Build([]Input{in("shop"), in("search")})
	same, n := 0, 10_000
	for i := range n {
		if table.Services[0].Decide(user(i)).Version.Index == table.Services[1].Decide(user(i)).Version.Index {
			same++
		}
	}
	if p, ok := fits([]int{same, n - same}, []int{1, 1}); !ok {
		t.Errorf("%d of %d users have the same version in both, p = %v", same, n, p)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	var inputs []Input
	add := func(name string, hosts, paths []string) {
		c := Config{Name: name, Hosts: hosts, Paths: paths}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, Input{Config: c})
	}
	add("shop", []string{"shop.example.com"}, nil)
	add("cart", []string{"shop.example.com"}, []string{"/cart"})
	add("api", []string{"*.example.com"}, []string{"/api/"})
	add("deep", []string{"*.eu.example.com"}, nil)
	add("rest", nil, nil)
	add("books", []string{"bücher.example"}, []string{"/x"})
	table := Build(inputs)
	f := func(host, path, want string) {
		t.Helper()
		got := ""
		if s := table.Match(host, path); s != nil {
			got = s.Name
		}
		if got != want {
			t.Errorf("%s%s: got %q, want %q", host, path, got, want)
		}
	}
	f("shop.example.com", "/", "shop")
	f("SHOP.example.com.:8080", "/anything", "shop")
	f("shop.example.com", "/cart", "cart")
	f("shop.example.com", "/cart/1", "cart")
	f("shop.example.com", "/carton", "shop")
	f("a.example.com", "/api/", "api")
	f("a.b.example.com", "/api/x", "api")
	f("a.example.com", "/api", "rest")
	f("a.eu.example.com", "/api/", "deep")
	f("example.com", "/api/", "rest")
	f("", "/", "rest")
	f("[::1]:80", "*", "rest")
	f("xn--bcher-kva.example", "/x", "books")
}

func TestValidateNamesEveryProblem(t *testing.T) {
	t.Parallel()
	f := func(c Config, want string) {
		t.Helper()
		if c.Name == "" {
			c.Name = "shop"
		}
		got := fmt.Sprint(c.Validate())
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f(Config{}, "<nil>")
	f(Config{Name: "a b"}, `name: "a b" is not a name: use 1 to 63 letters, digits, dots, dashes and underscores`)
	f(Config{Hosts: []string{"a b", "*"}}, `hosts: "a b" is not a host: use a name such as shop.example.com, or *.example.com for all names below`+"\n"+
		`hosts: "*" is not a host: use a name such as shop.example.com, or *.example.com for all names below`)
	f(Config{Paths: []string{"x"}}, `paths: "x" is not a path prefix: it begins with / and has no *, ? or #`)
	f(weights(map[string]int{"v1": -1, "v2": 2}), `weights.v1: -1 is not a weight: use 0 to 1000000`)
	f(weights(map[string]int{"v1": 0}), `weights: they add up to nothing: give at least one version a weight above zero`)
	f(weights(map[string]int{"v1@xyz": 1}), `weights: "v1@xyz" names no version: use a tag, v1, or a tag and the first digits of its image ID, v1@53bff422`)
	f(Config{Sticky: Sticky{By: []string{"cookies"}}}, `sticky.by: "cookies" is not a way to recognise a unit: use cookie, cookie:NAME, header:NAME, query:NAME, ip or certificate`)
	f(Config{Override: Override{Networks: []string{"10.0.0.0/99"}}}, `override.networks: "10.0.0.0/99" is not a network: use 10.0.0.0/8, fd00::/8 or a single address`)
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	err := Conflicts([]Config{
		{Name: "a", Hosts: []string{"x.com"}}, {Name: "b", Hosts: []string{"X.com"}, Paths: []string{"/", "/b"}},
	})
	want := "service b: host x.com with path / is already answered by service a"
	if fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
