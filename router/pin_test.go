package router

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// visitor is a client that keeps the cookies that it is given.
type visitor struct {
	t      *testing.T
	jar    map[string]string
	random uint64 // of its requests
	now    time.Time
	user   string // in the field X-User, unless it is empty
	got    string // the Set-Cookie fields of the answer to its last request
}

// noon is when stories begin.
var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

func newVisitor(t *testing.T, random uint64) *visitor {
	return &visitor{t: t, jar: map[string]string{}, random: random, now: noon}
}

// newcomer returns a browser that s assigns to a version, and has.
func newcomer(t *testing.T, s *Service, tag string) *visitor {
	t.Helper()
	for random := range uint64(10_000) {
		if b := newVisitor(t, random); tagOf(b.get(s, "/")) == tag {
			return b
		}
	}
	t.Fatalf("nobody is assigned to %s", tag)
	return nil
}

// query returns the request that the browser makes for a target.
func (b *visitor) query(target string) Query {
	b.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		b.t.Fatal(err)
	}
	r := request{cookie: maps.Clone(b.jar), query: map[string]string{}, header: map[string]string{}, path: u.Path, client: outside}
	for name, values := range u.Query() {
		r.query[name] = values[0]
	}
	if b.user != "" {
		r.header["X-User"] = b.user
	}
	return Query{Request: r, Random: b.random, Now: b.now}
}

// get makes a request.
func (b *visitor) get(s *Service, target string) Decision {
	b.t.Helper()
	d := s.Decide(b.query(target))
	b.takes(s, d)
	return d
}

// takes takes the cookies of an answer.
func (b *visitor) takes(s *Service, d Decision) {
	b.t.Helper()
	b.got = string(s.AppendCookies(nil, &d, false))
	if d.Sets() != (b.got != "") {
		b.t.Errorf("it says %v to whether it sets a cookie, and sets %q", d.Sets(), b.got)
	}
	for line := range strings.Lines(b.got) {
		text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\r\n"), "Set-Cookie: ")
		c, err := http.ParseSetCookie(text)
		if err != nil || !ok {
			b.t.Fatalf("a browser does not take %q: %v", line, err)
		}
		if len(c.Value) > maxCookie {
			b.t.Errorf("the cookie %s has %d bytes", c.Name, len(c.Value))
		}
		delete(b.jar, c.Name)
		if c.MaxAge >= 0 {
			b.jar[c.Name] = c.Value
		}
	}
}

// gets makes a request and checks who answers, why, and whether a cookie is set.
func (b *visitor) gets(s *Service, target, tag string, reason Reason, sets bool) {
	b.t.Helper()
	if d := b.get(s, target); tagOf(d) != tag || d.Reason != reason || sets != (b.got != "") {
		b.t.Errorf("got %s by %s, setting %q; want %s by %s, setting one: %v", tagOf(d), d.Reason, b.got, tag, reason, sets)
	}
}

const shopCookie = "divvy-shop"

// The splits of these stories. In rising as good as everybody belongs to v1.
var (
	even   = map[string]int{"v0": 1, "v1": 1, "v2": 0}
	rising = map[string]int{"v0": 1, "v1": MaxWeight, "v2": 0}
	gone   = map[string]int{"v0": 0, "v1": 1, "v2": 0}
	silent = map[string]int{"v1": 1}
)

// kept returns a configuration that recognises units by cookie.
func kept(weights map[string]int, change func(*Sticky)) Config {
	c := Config{Weights: weights, Sticky: Sticky{By: []string{"cookie"}}}
	change(&c.Sticky)
	return c
}

func keep(d string) func(*Sticky) { return func(c *Sticky) { c.Keep = d } }

func TestAUnitStaysForAsLongAsItIsKept(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	f := func(keep string, later time.Duration, want string, reason Reason, sets bool) {
		t.Helper()
		at := func(weights map[string]int) *Service {
			return w.service(kept(weights, func(c *Sticky) { c.Keep = keep }))
		}
		b := newcomer(t, at(even), "v0")
		b.now = b.now.Add(later)
		b.gets(at(rising), "/", want, reason, sets)
		if again := b.get(at(rising), "/"); tagOf(again) != want || b.got != "" {
			t.Errorf("keep %s: then %s by %s, setting %q", keep, tagOf(again), again.Reason, b.got)
		}
	}
	f("", 0, "v1", ByUnit, false)
	f("0s", 0, "v1", ByUnit, false)
	f("24h", 0, "v0", ByPin, false)
	f("24h", 24*time.Hour-time.Second, "v0", ByPin, false)
	f("24h", 24*time.Hour, "v1", ByUnit, true)
	f("24h", 20*365*24*time.Hour, "v1", ByUnit, true)
	f("always", 20*365*24*time.Hour, "v0", ByPin, false)
}

func TestTheTimeOfAUnitBeginsWithItsAssignment(t *testing.T) {
	t.Parallel()
	s := versions(t, 2).service(kept(map[string]int{"v0": 1, "v1": 1}, keep("24h")))
	b := newcomer(t, s, "v0")
	b.now = b.now.Add(23 * time.Hour)
	b.gets(s, "/", "v0", ByPin, false) // which does not prolong it
	b.now = b.now.Add(time.Hour)
	b.gets(s, "/", "v0", ByUnit, true) // it belongs there still, for another day
	b.now = b.now.Add(24*time.Hour - time.Second)
	b.gets(s, "/", "v0", ByPin, false)
}

func TestWithoutKeepTheCookieHasNothingButTheUnit(t *testing.T) {
	t.Parallel()
	s := versions(t, 2).service(Config{Sticky: Sticky{By: []string{"cookie"}, Keep: "0s"}})
	b := newVisitor(t, 0xabc)
	b.get(s, "/")
	if got := b.jar[shopCookie]; got != "0000000000000abc" {
		t.Errorf("got %q", got)
	}
}

// What an edit gives to the hash and what a pin keeps from it: everybody who was
// assigned stays, everybody who comes is divided by the new weights.
func TestNewcomersFollowTheWeightsAtOnce(t *testing.T) {
	t.Parallel()
	w := versions(t, 2)
	at := func(candidate int) *Service {
		return w.service(kept(map[string]int{"v0": 90, "v1": candidate}, keep("always")))
	}
	before, after := at(10), at(90)
	counts := make([]int, 2)
	for i := range uint64(4000) {
		b := newVisitor(t, i*0x9e3779b97f4a7c15)
		was := b.get(before, "/")
		if is := b.get(after, "/"); is.Version.Index != was.Version.Index || is.Reason != ByPin || b.got != "" {
			t.Fatalf("it moved from %s to %s by %s", tagOf(was), tagOf(is), is.Reason)
		}
		counts[newVisitor(t, ^i*0x9e3779b97f4a7c15).get(after, "/").Version.Index]++
	}
	if p, ok := fits(counts, []int{90, 90}); !ok {
		t.Errorf("newcomers are divided %v, p = %v", counts, p)
	}
}

func TestAVersionWhoseWeightBecomesZero(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	f := func(why, keep, onZero string, after map[string]int, want string, reason Reason) {
		t.Helper()
		at := func(weights map[string]int) *Service {
			return w.service(kept(weights, func(c *Sticky) { c.Keep, c.OnZero = keep, onZero }))
		}
		b := newcomer(t, at(even), "v0")
		b.now = b.now.Add(time.Hour)
		b.gets(at(after), "/", want, reason, reason == ByUnit)
		b.gets(at(after), "/", want, ByPin, false)
	}
	f("released by default", "always", "", gone, "v1", ByUnit)
	f("released", "always", "release", gone, "v1", ByUnit)
	f("kept", "always", "keep", gone, "v0", ByPin)
	f("kept though its time is over", "1s", "keep", gone, "v0", ByPin)
	f("kept where nothing else is", "0s", "keep", gone, "v0", ByPin)
	f("released, since the split does not name it", "always", "keep", silent, "v1", ByUnit)
}

func TestWhereOnlyZeroKeepsTheHashDecides(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	at := func(weights map[string]int) *Service {
		return w.service(kept(weights, func(c *Sticky) { c.OnZero = "keep" }))
	}
	b := newcomer(t, at(even), "v0")
	b.gets(at(even), "/", "v0", ByUnit, false)
	b.gets(at(rising), "/", "v1", ByUnit, true)
	b.gets(at(map[string]int{"v0": 1, "v1": 0}), "/", "v1", ByPin, false)
	b.gets(at(even), "/", "v0", ByUnit, true) // it has weight again, so the hash says where
	b.gets(at(gone), "/", "v0", ByPin, false)
	b.gets(at(silent), "/", "v1", ByUnit, true)
}

func TestAUnitThatWasReleasedDoesNotComeBack(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	at := func(weights map[string]int) *Service { return w.service(kept(weights, keep("always"))) }
	b := newcomer(t, at(even), "v0")
	b.gets(at(gone), "/", "v1", ByUnit, true)
	b.gets(at(even), "/", "v1", ByPin, false)
}

func TestAnImageThatWasRolledBackIsLeftAtOnce(t *testing.T) {
	t.Parallel()
	w := versions(t, 2)
	in := w.input(kept(map[string]int{"v0": 1, "v1": 1}, func(c *Sticky) {
		c.Keep, c.OnZero, c.RebalanceOn = "always", "keep", []string{"/never"}
	}))
	b := newcomer(t, NewService(in), "v0")
	in.RolledBack = []string{w.found[0].Version.ImageID}
	b.gets(NewService(in), "/", "v1", ByUnit, true)
}

func TestAVersionThatVanishedIsReassigned(t *testing.T) {
	t.Parallel()
	for _, onZero := range []string{"release", "keep"} {
		w := versions(t, 2)
		c := kept(map[string]int{"v0": 1, "v1": 1}, func(c *Sticky) {
			c.Keep, c.OnZero, c.RebalanceOn = "always", onZero, []string{"/never"}
		})
		was := w.service(c)
		b := newcomer(t, was, "v0")
		w.found = w.found[1:]
		w.registry.Replace(w.found)
		// The table that does not know of it yet sends nobody there.
		if d := b.get(was, "/"); tagOf(d) != "v1" {
			t.Errorf("%s: got %s by %s from the old table", onZero, tagOf(d), d.Reason)
		}
		is := w.service(c)
		b.get(is, "/")
		b.gets(is, "/", "v1", ByPin, false)
		// Another image under its tag is another version.
		w.start("again", "sha256:feed", "v0")
		b.gets(w.service(c), "/", "v1", ByPin, false)
	}
}

func TestAUnitIsAwayFromAnUnhealthyVersionForAsLongAsThatLasts(t *testing.T) {
	t.Parallel()
	f := func(weights map[string]int, change func(*Sticky)) {
		t.Helper()
		w := versions(t, 3)
		before := w.service(kept(even, change))
		b := newcomer(t, before, "v0")
		s := w.service(kept(weights, change))
		b.gets(s, "/", "v0", ByPin, false)
		w.sicken("c0")
		b.gets(s, "/", "v1", ByFailover, false)
		w.sicken("c1")
		b.gets(s, "/", "", ByNone, false)
		w.heal("c1")
		b.gets(s, "/", "v1", ByFailover, false)
		w.heal("c0")
		b.gets(s, "/", "v0", ByPin, false)
	}
	f(even, keep("always"))
	f(rising, keep("24h"))
	f(gone, func(c *Sticky) { c.OnZero = "keep" })
	f(gone, func(c *Sticky) { c.RebalanceOn = []string{"/never"} })
}

func TestWhoComesWhileAVersionIsAwayIsNotPinnedToItsStandIn(t *testing.T) {
	t.Parallel()
	w := versions(t, 2)
	s := w.service(kept(map[string]int{"v0": 1, "v1": 1}, keep("always")))
	stray := newcomer(t, s, "v0")
	w.sicken("c0")
	b := newVisitor(t, stray.random)
	b.gets(s, "/", "v1", ByFailover, true) // its unit, so that it is the same next time
	b.gets(s, "/", "v1", ByFailover, false)
	w.heal("c0")
	b.gets(s, "/", "v0", ByUnit, true)
	b.gets(s, "/", "v0", ByPin, false)
}

func TestUnitsMoveOnTheChosenRequestsOnly(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	on := func(c *Sticky) { c.RebalanceOn = []string{"/cart", "/start/"} }
	at := func(weights map[string]int) *Service { return w.service(kept(weights, on)) }
	b := newcomer(t, at(even), "v0")
	b.now = b.now.Add(10 * 365 * 24 * time.Hour)
	for _, path := range []string{"/", "/cartoon", "/Cart", "/start", "/x/cart"} {
		b.gets(at(rising), path, "v0", ByPin, false)
		b.gets(at(gone), path, "v0", ByPin, false) // what has no weight is waited with, too
	}
	b.gets(at(rising), "/cart", "v1", ByUnit, true)
	b.gets(at(even), "/", "v1", ByPin, false)
	b.gets(at(even), "/start/over", "v0", ByUnit, true)
	b.gets(at(gone), "/cart/1", "v1", ByUnit, true)

	// A chosen request moves who is to be moved, not who has been there for less
	// than the time to keep.
	on = func(c *Sticky) { c.RebalanceOn, c.Keep = []string{"/cart"}, "24h" }
	b = newcomer(t, at(even), "v0")
	b.gets(at(rising), "/cart", "v0", ByPin, false)
	b.now = b.now.Add(25 * time.Hour)
	b.gets(at(rising), "/", "v0", ByPin, false)
	b.gets(at(rising), "/cart", "v1", ByUnit, true)

	// Nor does it move anybody where zero keeps.
	on = func(c *Sticky) { c.RebalanceOn, c.OnZero = []string{"/cart"}, "keep" }
	b = newcomer(t, at(even), "v0")
	b.gets(at(gone), "/cart", "v0", ByPin, false)

	// What the split does not name is left with the next request.
	b = newcomer(t, at(even), "v0")
	b.gets(at(silent), "/", "v1", ByUnit, true)
}

func TestAPinIsSignedAnewWhenTheKeyHasChanged(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	var in Input
	with := func(change func(*Sticky), weights map[string]int, keys ...Key) *Service {
		in = w.input(kept(weights, change))
		in.Keys = NewKeyring(keys)
		return NewService(in)
	}
	// since returns when the unit of a browser was assigned, as the cookie says.
	since := func(b *visitor) string { return strings.Split(b.jar[shopCookie], ".")[2] }
	signer := func(b *visitor) string { return strings.Split(b.jar[shopCookie], ".")[4] }

	day := keep("24h")
	b := newcomer(t, with(day, even, oldKey), "v0")
	was := since(b)
	b.now = b.now.Add(23 * time.Hour)
	b.gets(with(day, rising, newKey, oldKey), "/", "v0", ByPin, true)
	if since(b) != was || signer(b) != newKey.ID {
		t.Errorf("it was signed by %s, since %s, not %s", signer(b), since(b), was)
	}
	b.gets(with(day, rising, newKey, oldKey), "/", "v0", ByPin, false)
	b.gets(with(day, rising, newKey), "/", "v0", ByPin, false)
	b.now = b.now.Add(time.Hour) // so a rotation does not prolong it
	b.gets(with(day, rising, newKey), "/", "v1", ByUnit, true)

	// A key that is forgotten takes its pins along.
	b = newcomer(t, with(day, even, oldKey), "v0")
	b.gets(with(day, rising, newKey), "/", "v1", ByUnit, true)

	// The time stays where the hash decides, too.
	zero := func(c *Sticky) { c.OnZero = "keep" }
	b = newcomer(t, with(zero, even, oldKey), "v0")
	was = since(b)
	b.now = b.now.Add(time.Hour)
	b.gets(with(zero, even, newKey, oldKey), "/", "v0", ByUnit, true)
	if since(b) != was || signer(b) != newKey.ID {
		t.Errorf("it was signed by %s, since %s, not %s", signer(b), since(b), was)
	}
	b.gets(with(zero, even, newKey, oldKey), "/", "v0", ByUnit, false)
}

func TestWithoutAKeyUnitsAreKnownAndNothingIsKept(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	for _, keys := range []*Keyring{nil, NewKeyring(nil)} {
		at := func(weights map[string]int) *Service {
			in := w.input(kept(weights, func(c *Sticky) {
				c.By, c.Keep, c.OnZero, c.RebalanceOn = []string{"header:X-User", "cookie"}, "always", "keep", []string{"/never"}
			}))
			in.Keys = keys
			return NewService(in)
		}
		b := newcomer(t, at(even), "v0")
		b.gets(at(even), "/", "v0", ByUnit, false)
		b.gets(at(rising), "/", "v1", ByUnit, false)
		known := newVisitor(t, 1)
		known.user = "ann"
		if d := known.get(at(even), "/"); d.Reason != ByUnit || known.got != "" {
			t.Errorf("got %s, setting %q", d.Reason, known.got)
		}
	}
}

func TestAUnitThatIsNotOurCookieIsPinnedByItsHash(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	at := func(weights map[string]int) *Service {
		return w.service(kept(weights, func(c *Sticky) { c.By, c.Keep = []string{"header:X-User", "cookie"}, "always" }))
	}
	b := newVisitor(t, 1)
	for i := 0; b.user == "" || tagOf(at(even).Decide(b.query("/"))) != "v0"; i++ {
		b.user = fmt.Sprint("user ", i)
	}
	b.gets(at(even), "/", "v0", ByUnit, true)
	b.gets(at(rising), "/", "v0", ByPin, false)
	if strings.Contains(b.jar[shopCookie], b.user) {
		t.Errorf("the cookie shows the user: %s", b.jar[shopCookie])
	}
	// Another user of the same browser has nothing of it.
	ann := b.user
	b.user = "another"
	b.gets(at(rising), "/", "v1", ByUnit, true)
	b.gets(at(rising), "/", "v1", ByPin, false)
	// Nor has the first got it back: one cookie, one pin.
	b.user = ann
	b.gets(at(rising), "/", "v1", ByUnit, true)
	// Who is not known any more keeps the version: a logout changes nothing.
	b.user = ""
	b.gets(at(rising), "/", "v1", ByPin, false)
}

func TestAPinIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	s := versions(t, 2).service(kept(map[string]int{"v0": 1, "v1": 1}, keep("always")))
	v := s.Versions[1]
	const unit = "00000000deadbeef"
	value := s.writePin(unit, v, noon, 0x5e)
	want := fmt.Sprintf("%s.%016x.%08x.0000005e.k3y1.", unit, v.hash, noon.Unix())
	if !strings.HasPrefix(value, want) || len(value) != len(want)+macLen || len(value) > 110 {
		t.Errorf("got %s, want %s…", value, want)
	}
	if p := s.readPin(value, unit); !p.ok || !p.newest || p.version != v.hash || !p.since.Equal(noon) || p.split != 0x5e {
		t.Errorf("got %+v", p)
	}
	f := func(why, text string) {
		t.Helper()
		if p := s.readPin(s.keys.sign(pinPurpose, s.Name, text), unit); p.ok {
			t.Errorf("%s: got %+v", why, p)
		}
	}
	// Though we signed it, it is none.
	f("another's", strings.Replace(value[:pinLen], unit, "00000000deadbeee", 1))
	f("no split", value[:pinLen-9])
	f("a split that is none", value[:pinLen-1]+"g")
	f("a time that is none", value[:pinLen-10]+"g"+value[pinLen-9:pinLen])
	f("a version that is none", unit+".000000000000000G."+value[pinLen-17:pinLen])
	f("capitals", unit+"."+strings.Repeat("A", 16)+"."+value[pinLen-17:pinLen])
	f("more", value[:pinLen]+"0")
}

// Cookies that are nobody's, of another service or of another place decide like
// the unit that stands in front, if one does, and else like none.
func TestACookieThatIsNotOursDoesNothing(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	c := kept(rising, func(c *Sticky) { c.Keep, c.OnZero = "always", "keep" })
	s := w.service(c)
	b := newcomer(t, w.service(kept(even, keep("always"))), "v0")
	pin := b.jar[shopCookie]
	b.gets(s, "/", "v0", ByPin, false)

	other := w.input(c)
	other.Config.Name = "cart"
	cart := NewService(other)
	unit := pin[:unitLen]
	tampered := []byte(pin)
	tampered[unitLen+1] ^= 1
	f := func(why, value string, fresh bool) {
		t.Helper()
		b := newVisitor(t, b.random^0xffff)
		b.jar[shopCookie] = value
		b.gets(s, "/", "v1", ByUnit, true)
		if issued := b.jar[shopCookie][:unitLen]; (issued == newUnit(b.random)) != fresh {
			t.Errorf("%s: the unit is %s", why, issued)
		}
		b.gets(s, "/", "v1", ByPin, false)
	}
	f("the unit alone", unit, false)
	f("another version", string(tampered), false)
	f("cut off", pin[:len(pin)-1], false)
	f("nothing behind the point", unit+".", false)
	f("of another service", cart.writePin(unit, s.Versions[0], noon, 0x5e), false)
	f("a grant", s.grant("v0", noon), true)
	f("signed by another key of the same name", unit+pin[unitLen:pinLen]+".k3y1."+signature([]byte("another"), pinPurpose, "shop", pin[:pinLen]+".k3y1"), false)
	f("another's pin behind the unit", newUnit(5)+pin[unitLen:], false)
	f("nothing", "", true)
	f("too long", unit+"."+strings.Repeat("x", maxCookie), true)
	f("too long by a byte", unit+"."+strings.Repeat("x", maxCookie-unitLen), true)
	f("capitals", strings.ToUpper(newUnit(0xabcdef)), true)
	f("no unit", "v0", true)
	f("bytes", "\x00\xff"+pin, true)
}

// An edit moves no unit that is pinned, whichever way it goes: only those move
// whose version has lost its weight.
func TestNobodyWhoIsKeptMovesBetweenVersionsWithWeight(t *testing.T) {
	t.Parallel()
	w := versions(t, 4)
	splits := []map[string]int{
		{"v0": 90, "v1": 10}, {"v0": 50, "v1": 50}, {"v0": 1, "v1": 99, "v2": 300}, {"v0": 0, "v1": 10, "v2": 10},
		{"v1": 5, "v2": 0, "v3": 5}, {"v0": 1, "v1": 1, "v2": 1, "v3": 1}, {"v3": 1},
	}
	for i := range uint64(300) {
		b := newVisitor(t, i*0x9e3779b97f4a7c15)
		was := ""
		for j, weights := range splits {
			s := w.service(kept(weights, keep("always")))
			d := b.get(s, "/")
			is := tagOf(d)
			if stays := weights[was] > 0; stays && is != was || weights[is] == 0 || stays == (b.got != "") {
				t.Fatalf("browser %d, split %d: from %q to %q by %s, setting %q", i, j, was, is, d.Reason, b.got)
			}
			was = is
		}
	}
}

func TestACookieOfAnotherServiceOnTheSameHostStays(t *testing.T) {
	t.Parallel()
	w := versions(t, 2)
	in := w.input(kept(map[string]int{"v0": 1, "v1": 1}, keep("always")))
	shop := NewService(in)
	in.Config.Name = "cart"
	cart := NewService(in)
	b := newVisitor(t, 7)
	b.get(shop, "/")
	b.get(cart, "/cart")
	if names := slices.Sorted(maps.Keys(b.jar)); !slices.Equal(names, []string{"divvy-cart", "divvy-shop"}) {
		t.Errorf("it has the cookies %q", names)
	}
	for _, s := range []*Service{shop, cart, shop} {
		if d := b.get(s, "/"); d.Reason != ByPin || b.got != "" {
			t.Errorf("%s: got %s, setting %q", s.Name, d.Reason, b.got)
		}
	}
}
