package router

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	inside  = netip.MustParseAddr("10.1.2.3")
	outside = netip.MustParseAddr("192.0.2.1")
)

func TestOverride(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	c := weights(map[string]int{"v0": 1})
	c.Override.Networks = []string{"10.0.0.0/8"}
	s := w.service(c)
	digest := w.found[1].Version.Digest()
	f := func(name string, from netip.Addr, want string, reason Reason) {
		t.Helper()
		d := s.Decide(Query{Request: request{header: map[string]string{OverrideHeader: name}, client: from}})
		if tagOf(d) != want || d.Reason != reason {
			t.Errorf("%q from %v: got %s by %s, want %s by %s", name, from, tagOf(d), d.Reason, want, reason)
		}
	}
	f("v1", inside, "v1", ByOverride)
	f("v1@"+digest[:8], inside, "v1", ByOverride)
	f("sha256:"+digest, inside, "v1", ByOverride)
	f(digest, inside, "v1", ByOverride)
	f("v1", netip.AddrFrom16(inside.As16()), "v1", ByOverride)
	// Three digits are no name, and what is unknown is ignored.
	f(digest[:3], inside, "v0", ByRequest)
	f("v9", inside, "v0", ByRequest)
	f("", inside, "v0", ByRequest)
	f("v1", outside, "v0", ByRequest)
	f("v1", netip.Addr{}, "v0", ByRequest)
	// A version that cannot answer is never honoured, however it was asked for.
	w.sicken("c1")
	f("v1", inside, "v0", ByRequest)
}

func TestAnOverrideByTagComesBeforeOneByDigest(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	w.start("a", "sha256:beef0000", "v1")
	w.start("b", "sha256:cafe0000", "beef")
	s := w.service(Config{Override: Override{Networks: []string{"10.0.0.0/8"}}})
	f := func(name, want string) {
		t.Helper()
		d := s.Decide(Query{Request: request{header: map[string]string{OverrideHeader: name}, client: inside}})
		if tagOf(d) != want {
			t.Errorf("%s: got %s, want %s", name, tagOf(d), want)
		}
	}
	f("beef", "beef")
	f("beef0", "v1")
	f("CAFE0000", "beef")
}

func TestWithoutNetworksNobodyMayOverride(t *testing.T) {
	t.Parallel()
	s := versions(t, 2).service(weights(map[string]int{"v0": 1}))
	d := s.Decide(Query{Request: request{header: map[string]string{OverrideHeader: "v1"}, client: inside}})
	if tagOf(d) != "v0" {
		t.Errorf("got %s", tagOf(d))
	}
}

// overridable returns a configuration in which v0 has all weight, and the inside
// and bearers of a token may override.
func overridable(change func(*Override)) Config {
	c := weights(map[string]int{"v0": 1})
	c.Override.Networks = []string{"10.0.0.0/8", "fe80::/10"}
	c.Override.Secrets = []string{"open sesame", "another"}
	change(&c.Override)
	return c
}

func unchanged(*Override) {}

func TestWhoMayOverride(t *testing.T) {
	t.Parallel()
	s := versions(t, 2).service(overridable(unchanged))
	f := func(r request, want bool) {
		t.Helper()
		if r.header == nil {
			r.header = map[string]string{}
		}
		r.header[OverrideHeader] = "v1"
		if d := s.Decide(Query{Request: r}); (d.Reason == ByOverride) != want {
			t.Errorf("%+v: got %s", r, d.Reason)
		}
	}
	token := func(s string) map[string]string { return map[string]string{TokenHeader: s} }
	query := func(s string) map[string]string { return map[string]string{tokenQuery: s} }
	ip := netip.MustParseAddr
	f(request{client: inside}, true)
	f(request{client: ip("::ffff:10.0.0.1")}, true)
	f(request{client: ip("fe80::1%eth0")}, true)
	f(request{client: outside}, false)
	f(request{client: ip("::a00:1")}, false)
	f(request{}, false)
	f(request{header: token("open sesame"), client: outside}, true)
	f(request{header: token("another")}, true)
	f(request{query: query("another")}, true)
	f(request{header: token("")}, false)
	f(request{header: token("open")}, false)
	f(request{header: token("open sesame ")}, false)
	f(request{header: token("Open sesame")}, false)
	f(request{header: token("open sesame, another")}, false)
	f(request{query: query("open+sesame")}, false)
	f(request{query: query("")}, false)
	// One that is wrong is not made good by another.
	f(request{header: token("wrong"), query: query("another")}, false)
}

func TestAVersionIsNamedByHeaderQueryOrCookie(t *testing.T) {
	t.Parallel()
	w := versions(t, 4)
	m := func(kv ...string) map[string]string {
		all := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			all[kv[i]] = kv[i+1]
		}
		return all
	}
	var s *Service
	f := func(why string, r request, want string) {
		t.Helper()
		r.client = inside
		d := s.Decide(Query{Request: r})
		if tagOf(d) != want || (d.Reason == ByOverride) != (want != "v0") {
			t.Errorf("%s: got %s by %s, want %s", why, tagOf(d), d.Reason, want)
		}
	}
	s = w.service(overridable(unchanged))
	f("a header", request{header: m("Divvy-Version", "v1")}, "v1")
	f("a parameter", request{query: m("divvy-version", "v1")}, "v1")
	f("a cookie", request{cookie: m("divvy-version", "v1")}, "v1")
	f("the header comes first", request{header: m("Divvy-Version", "v1"), query: m("divvy-version", "v2"), cookie: m("divvy-version", "v3")}, "v1")
	f("then the parameter", request{query: m("divvy-version", "v2"), cookie: m("divvy-version", "v3")}, "v2")
	f("nothing", request{header: m("Divvy-Version", ""), query: m("divvy-version", ""), cookie: m("divvy-version", "")}, "v0")
	f("what does not exist", request{cookie: m("divvy-version", "v9")}, "v0")
	f("an unknown header", request{header: m("Divvy-Version", "v9")}, "v0")
	f("an unknown parameter", request{query: m("divvy-version", "v9")}, "v0")

	s = w.service(overridable(func(o *Override) { o.Header, o.Query, o.Cookie = "X-V", "v", "vv" }))
	f("names of one's own", request{header: m("X-V", "v1")}, "v1")
	f("names of one's own", request{query: m("v", "v1")}, "v1")
	f("names of one's own", request{cookie: m("vv", "v1")}, "v1")
	f("names that are not used", request{header: m("Divvy-Version", "v1"), query: m("divvy-version", "v1"), cookie: m("divvy-version", "v1")}, "v0")

	s = w.service(overridable(func(o *Override) { o.Header, o.Query, o.Cookie = "off", "off", "off" }))
	f("names that are switched off", request{
		header: m("Divvy-Version", "v1", "off", "v1", "", "v1"),
		query:  m("divvy-version", "v1", "off", "v1", "", "v1"),
		cookie: m("divvy-version", "v1", "off", "v1", "", "v1"),
	}, "v0")
}

func TestALinkPutsABrowserOnAVersion(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	s := w.service(overridable(unchanged))
	b := newVisitor(t, 1)
	b.gets(s, "/?divvy-version=v1", "v0", ByRequest, false) // it may not
	b.gets(s, "/?divvy-version=v1&divvy-token=open%20sesame", "v1", ByOverride, true)
	b.gets(s, "/", "v1", ByOverride, false)
	b.gets(s, "/cart", "v1", ByOverride, false)
	// It needs no token for another one that it has been put on, and cannot name
	// one by itself.
	b.gets(s, "/?divvy-version=v2", "v1", ByOverride, false)
	b.gets(s, "/?divvy-version=v2&divvy-token=another", "v2", ByOverride, true)
	// What is gone for a while is gone for it, too.
	w.sicken("c2")
	b.gets(s, "/", "v0", ByRequest, false)
	w.heal("c2")
	b.gets(s, "/", "v2", ByOverride, false)
	b.gets(s, "/?divvy-version=none", "v0", ByRequest, true)
	if len(b.jar) != 0 {
		t.Errorf("it still has %v", b.jar)
	}
	b.gets(s, "/", "v0", ByRequest, false)

	b.gets(s, "/?divvy-version=v1&divvy-token=another", "v1", ByOverride, true)
	b.now = b.now.Add(12*time.Hour - time.Second)
	b.gets(s, "/", "v1", ByOverride, false)
	b.now = b.now.Add(time.Second) // and a browser need not forget the cookie in time
	b.gets(s, "/", "v0", ByRequest, false)
	b.gets(s, "/?divvy-version=v9&divvy-token=another", "v0", ByRequest, false)
	if got := b.got; got != "" {
		t.Errorf("an unknown version was put into a cookie: %s", got)
	}
}

func TestALinkByDigestPutsABrowserOnAnImage(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	w.start("a", "sha256:53bff422", "v1")
	w.start("b", "sha256:210fe938", "v1")
	s := w.service(overridable(unchanged))
	for name, want := range map[string]string{"v1%40210f": "v1@210fe938", "sha256:210fe938": "v1@210fe938", "53BF": "v1@53bff422"} {
		b := newVisitor(t, 1)
		b.get(s, "/?divvy-token=another&divvy-version="+name)
		if d := b.get(s, "/"); d.Version == nil || d.Version.Name != want || d.Reason != ByOverride {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}

// Who is on a version by a link does not lose the one that it belongs to.
func TestAnOverrideLeavesTheUnitAsItIs(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	c := overridable(unchanged)
	c.Weights, c.Sticky = even, Sticky{By: []string{"cookie"}, Keep: "always"}
	s := w.service(c)
	b := newcomer(t, s, "v0")
	was := b.jar[shopCookie]
	b.gets(s, "/?divvy-version=v2&divvy-token=another", "v2", ByOverride, true)
	b.gets(s, "/", "v2", ByOverride, false)
	b.gets(s, "/?divvy-version=none", "v0", ByPin, true)
	b.gets(s, "/", "v0", ByPin, false)
	if b.jar[shopCookie] != was {
		t.Errorf("the cookie is %s, was %s", b.jar[shopCookie], was)
	}
}

func TestAGrantIsGoodForWhatItWasGivenForOnly(t *testing.T) {
	t.Parallel()
	w := versions(t, 2)
	s := w.service(overridable(unchanged))
	in := w.input(overridable(unchanged))
	in.Config.Name = "cart"
	cart := NewService(in)
	in.Config.Name, in.Keys = "shop", NewKeyring([]Key{newKey})
	elsewhere := NewService(in)
	good := s.grant("v1", noon)
	f := func(why, value string, from netip.Addr, want Reason) {
		t.Helper()
		r := request{cookie: map[string]string{"divvy-version": value}, client: from}
		if d := s.Decide(Query{Request: r, Now: noon}); d.Reason != want || d.Sets() {
			t.Errorf("%s: got %s, sets %v", why, d.Reason, d.Sets())
		}
	}
	f("itself", good, outside, ByOverride)
	f("a bare name", "v1", outside, ByRequest)
	f("a bare name from inside", "v1", inside, ByOverride)
	f("none", "none", inside, ByRequest)
	f("another service's", cart.grant("v1", noon), outside, ByRequest)
	f("another key's", elsewhere.grant("v1", noon), outside, ByRequest)
	f("a longer time", "f"+good[1:], outside, ByRequest)
	f("another version", strings.Replace(good, "v1", "v0", 1), outside, ByRequest)
	f("one that is over", s.grant("v1", noon.Add(-grantAge)), outside, ByRequest)
	f("one that is over, from inside", s.grant("v1", noon.Add(-grantAge)), inside, ByRequest)
	f("a version that does not exist", s.grant("v9", noon), outside, ByRequest)
	f("a pin", s.writePin(newUnit(1), s.Versions[1], noon, 0x5e), outside, ByRequest)
	f("a text that is no grant", s.keys.sign(grantPurpose, "shop", "v1"), outside, ByRequest)
	f("no version", s.keys.sign(grantPurpose, "shop", "ffffffff"), outside, ByRequest)
	f("too long", good+strings.Repeat("x", maxCookie), outside, ByRequest)

	// A service that is not open to anybody honours none.
	closed := w.service(weights(map[string]int{"v0": 1}))
	r := request{cookie: map[string]string{"divvy-version": good}, client: inside}
	if d := closed.Decide(Query{Request: r, Now: noon}); d.Reason != ByRequest {
		t.Errorf("a service without override: got %s", d.Reason)
	}
}

// A grant fits in a cookie, or there is none.
func TestALongNameIsNotGranted(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	short, long := strings.Repeat("x", maxCookie/2-9), strings.Repeat("y", maxCookie/2-8)
	w.start("a", "sha256:aaaa", short)
	w.start("b", "sha256:bbbb", long)
	s := w.service(Config{Override: overridable(unchanged).Override})
	b := newVisitor(t, 1)
	b.gets(s, "/?divvy-token=another&divvy-version="+short, short, ByOverride, true)
	b.gets(s, "/", short, ByOverride, false)
	b.gets(s, "/?divvy-token=another&divvy-version="+long, long, ByOverride, false)
}

func TestWithoutACookieALinkIsGoodForItself(t *testing.T) {
	t.Parallel()
	w := versions(t, 2)
	f := func(why string, s *Service) {
		t.Helper()
		b := newVisitor(t, 1)
		b.gets(s, "/?divvy-token=another&divvy-version=v1", "v1", ByOverride, false)
		b.gets(s, "/", "v0", ByRequest, false)
	}
	f("the cookie is off", w.service(overridable(func(o *Override) { o.Cookie = off })))
	in := w.input(overridable(unchanged))
	in.Keys = nil
	f("there is no key", NewService(in))

	// There is no cookie to take away either, where none has a name.
	b := newVisitor(t, 1)
	b.gets(w.service(overridable(func(o *Override) { o.Cookie = off })), "/?divvy-version=none", "v0", ByRequest, false)
	// From inside, one may be there that was set by hand.
	b.gets(NewService(in), "/?divvy-version=none", "v0", ByRequest, true)
}

func TestWhatTheOriginDoesNotSee(t *testing.T) {
	t.Parallel()
	w := versions(t, 1)
	tokens := []string{"s"}
	inside := []string{"10.0.0.0/8"}
	f := func(o Override, version, token bool) {
		t.Helper()
		s := w.service(Config{Override: o})
		if got := s.Hides("divvy-version"); got != version {
			t.Errorf("%+v: hides the version: %v, want %v", o, got, version)
		}
		if got := s.Hides("divvy-token"); got != token {
			t.Errorf("%+v: hides the token: %v, want %v", o, got, token)
		}
		if s.HidesToken() != token || s.HidesQuery() != (version || token || o.Query == "v") {
			t.Errorf("%+v: hides the token's field: %v, and a parameter: %v", o, s.HidesToken(), s.HidesQuery())
		}
		if s.Hides("") || s.Hides("Divvy-Version") || s.Hides("v1") || s.Hides("v") != (o.Query == "v") {
			t.Errorf("%+v: hides what is the origin's", o)
		}
	}
	f(Override{}, false, false)
	f(Override{Networks: inside}, true, false)
	f(Override{Secrets: tokens}, true, true)
	f(Override{Networks: inside, PassQuery: true}, false, false)
	f(Override{Secrets: tokens, PassQuery: true}, false, true)
	f(Override{Networks: inside, Query: "off"}, false, false)
	f(Override{Secrets: tokens, Query: "off"}, false, true)
	f(Override{Networks: inside, Query: "v"}, false, false)
	f(Override{Query: "off"}, false, false)
}

func TestValidateSaysWhatIsWrongWithTheOverride(t *testing.T) {
	t.Parallel()
	f := func(o Override, want string) {
		t.Helper()
		if got := fmt.Sprint((&Config{Name: "shop", Override: o}).Validate()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f(Override{Networks: []string{"10.0.0.0/8", "::1"}, Header: "X-V", Cookie: "v", Query: "off"}, "<nil>")
	f(Override{Networks: []string{"here"}}, `override.networks: "here" is not a network: use 10.0.0.0/8, fd00::/8 or a single address`)
	f(Override{Header: "a b", Cookie: "a;b", Query: "a b"},
		`override.header: "a b" is not a name: use letters, digits, dashes and underscores, or off`+"\n"+
			`override.cookie: "a;b" is not a name: use letters, digits, dashes and underscores, or off`+"\n"+
			`override.query: "a b" is not a name: use letters, digits, dashes and underscores, or off`)
}
