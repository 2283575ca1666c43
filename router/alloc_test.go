package router

import (
	"testing"
	"time"
)

// decisions returns decisions by name, each again and again the same, and checks
// that they are what they are called.
func decisions(t testing.TB) map[string]func() {
	w := versions(&testing.T{}, 3)
	all := map[string]func(){}
	add := func(name string, c Config, r request, want Reason) {
		s := w.service(c)
		q := Query{Request: r, Random: 1, Now: time.Now()}
		if d := s.Decide(q); d.Reason != want || d.Sets() {
			t.Fatalf("%s: got %s, sets a cookie: %v", name, d.Reason, d.Sets())
		}
		all[name] = func() { s.Decide(q) }
	}
	m := func(k, v string) map[string]string { return map[string]string{k: v} }
	pins := kept(even, func(c *Sticky) { c.By, c.Keep = []string{"header:X-User", "cookie"}, "always" })
	s := w.service(pins)
	const unit = "00000000deadbeef"
	pin := m(shopCookie, s.writePin(unit, s.Versions[0], time.Now(), s.splitID))
	ann := request{header: m("X-User", "ann")}
	d := s.Decide(Query{Request: ann, Now: time.Now()})
	known := request{header: ann.header, cookie: m(shopCookie, d.issue)}

	add("unpinned", kept(even, func(*Sticky) {}), request{cookie: m(shopCookie, unit)}, ByUnit)
	add("pinned", pins, request{cookie: pin}, ByPin)
	add("pinned by a header", pins, known, ByPin)
	add("rule", ruledConfig(Rule{"team", "v1", []string{"header:X-Team = qa"}}), request{header: m("X-Team", "qa")}, ByRule)
	add("rule that does not match", ruledConfig(Rule{"team", "v1", []string{"header:X-Team = qa"}}), request{header: m("X-Team", "dev")}, ByRequest)

	open := pins
	open.Override = overridable(unchanged).Override
	add("override that is not used", open, request{cookie: pin, client: outside}, ByPin)
	add("override by header", open, request{header: m(OverrideHeader, "v2"), client: inside}, ByOverride)
	add("override by a grant", open, request{cookie: m("divvy-version", s.grant("v2", time.Now())), client: outside}, ByOverride)
	forged := m(shopCookie, pin[shopCookie][:len(pin[shopCookie])-1]+"_")
	add("forged", kept(even, func(*Sticky) {}), request{cookie: forged}, ByUnit)
	return all
}

func TestNoDecisionAllocates(t *testing.T) {
	if underRaceDetector() {
		t.Skip("the race detector allocates")
	}
	for name, decide := range decisions(t) {
		if n := testing.AllocsPerRun(1000, decide); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

func BenchmarkPins(b *testing.B) {
	all := decisions(b)
	for _, name := range []string{"unpinned", "pinned", "pinned by a header"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				all[name]()
			}
		})
	}
}
