package backends

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// group is backends of one version, and requests to them.
type group struct {
	t *testing.T
	r *Registry
	p *Pool
	b map[string]*Backend
}

// newGroup makes ready backends of one version, c1, c2, …
func newGroup(t *testing.T, n int, change func(*Care)) *group {
	g := &group{t: t, r: &Registry{}, b: map[string]*Backend{}}
	c := DefaultCare()
	change(&c)
	var list []Endpoint
	for i := range n {
		e := endpoint(fmt.Sprintf("c%d", i+1), "sha256:aa", "v1", i)
		e.Care = &c
		list = append(list, e)
	}
	g.r.Replace(list)
	g.p = only(t, g.r).Pool
	for _, b := range g.p.backends {
		g.b[b.ID] = b
	}
	return g
}

func (g *group) saw(o Outcome, ids ...string) {
	for _, id := range ids {
		g.b[id].Saw(o, 0)
	}
}

func (g *group) is(id string, want State, reason string) {
	g.t.Helper()
	if got, why := state(g.t, g.r, id); got != want || !strings.Contains(why, reason) {
		g.t.Errorf("%s is %s (%s), want %s (%s)", id, got, why, want, reason)
	}
}

// shares returns how many of n requests each backend gets, one at a time. Each
// that is on trial is answered.
func (g *group) shares(n int) map[string]int {
	got := map[string]int{}
	for range n {
		b := g.p.Acquire(nil)
		if b == nil {
			g.t.Fatal("nobody takes a request")
		}
		got[b.ID]++
		b.Release()
	}
	return got
}

func TestABackendThatFailsBesideGoodOnesIsEjectedAndReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, func(*Care) {})
		for range 4 {
			g.saw(Failed, "c1")
			g.saw(Answered, "c2", "c3")
		}
		g.is("c1", StateReady, "")
		g.saw(Unknown, "c1") // whose client left
		g.saw(Failed, "c1")
		g.is("c1", StateEjected, "5 requests in a row failed, while the others of its version answered")
		if n := g.shares(100)["c1"]; n != 0 {
			t.Errorf("it got %d requests", n)
		}
		if n := g.r.Ejections(g.p)["failures"]; n != 1 {
			t.Errorf("%d ejections were counted", n)
		}

		// Then one request at a time shows whether it is well.
		time.Sleep(11 * time.Second)
		g.is("c1", StateEjected, "on trial")
		if n := g.shares(100)["c1"]; n != 1 {
			t.Errorf("it got %d requests while one is on trial", n)
		}
		g.saw(Unknown, "c1")
		if n := g.shares(100)["c1"]; n != 1 {
			t.Errorf("it got %d requests after one said nothing", n)
		}
		g.saw(Answered, "c1")
		if n := g.shares(100)["c1"]; n != 1 {
			t.Errorf("it got %d requests after one was answered", n)
		}
		g.saw(Failed, "c1")
		g.is("c1", StateEjected, "a request on trial failed")

		// Longer each time.
		time.Sleep(11 * time.Second)
		if n := g.shares(100)["c1"]; n != 0 {
			t.Errorf("it got %d requests in its second time", n)
		}
		time.Sleep(10 * time.Second)
		g.saw(Answered, "c1", "c1", "c1")
		g.is("c1", StateReady, "")
		if n := g.shares(3000)["c1"]; n < 500 {
			t.Errorf("it got %d of 3000 requests", n)
		}
	})
}

func TestARequestOnTrialThatFailsWhileItsBackendDrainsCountsForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 2, func(*Care) {})
		g.saw(Unreachable, "c1", "c1", "c1")
		time.Sleep(11 * time.Second)
		g.is("c1", StateEjected, "on trial")
		b := g.b["c1"]
		b.Acquire()
		timer := b.timer
		g.r.Stopping("c1", "test")
		g.saw(Failed, "c1")
		g.is("c1", StateDraining, "test")
		if got := g.r.Ejections(g.p)["connect"]; got != 1 || b.timer != timer {
			t.Errorf("%d ejections were counted, want 1, and another timer was started: %t", got, b.timer != timer)
		}
		b.Release()
	})
}

func TestAFailureOfTheWholeVersionEjectsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := func(name string, n int, ask func(g *group, i int)) {
			t.Helper()
			g := newGroup(t, n, func(*Care) {})
			for i := range 1000 {
				ask(g, i)
			}
			for id := range g.b {
				g.is(id, StateReady, "")
			}
		}
		f("everything fails", 3, func(g *group, _ int) { g.saw(Failed, "c1", "c2", "c3") })
		f("one has nobody beside it", 1, func(g *group, _ int) { g.saw(Failed, "c1") })
		f("everything fails from some time on", 2, func(g *group, i int) {
			if i < 500 {
				g.saw(Answered, "c1", "c2")
				return
			}
			g.saw(Failed, "c1", "c1", "c2")
		})
		// Every fifth request fails, and by bad luck five in a row.
		f("much fails", 2, func(g *group, i int) {
			switch {
			case i < 900 && i%5 == 0:
				g.saw(Failed, "c1", "c2")
			case i > 990:
				g.saw(Failed, "c1")
				g.saw(Answered, "c2")
			default:
				g.saw(Answered, "c1", "c2")
			}
			if i == 996 {
				g.saw(Answered, "c1")
			}
		})
	})
}

func TestSiblingsThatComeAndGoCountForWhatTheyDoMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := func(name string, meanwhile func(g *group, away, back func()), want State) {
			t.Helper()
			g := newGroup(t, 3, func(*Care) {})
			list := func(paused bool) func() {
				var all []Endpoint
				for _, id := range []string{"c1", "c2", "c3"} {
					e := g.b[id].endpoint
					e.Paused = paused && id == "c3"
					all = append(all, e)
				}
				return func() { g.r.Replace(all) }
			}
			for range 1000 {
				g.saw(Answered, "c1", "c2", "c3")
			}
			meanwhile(g, list(true), list(false))
			if got, why := state(t, g.r, "c1"); got != want {
				t.Errorf("%s: it is %s (%s), want %s", name, got, why, want)
			}
		}
		f("one leaves", func(g *group, away, _ func()) {
			g.saw(Failed, "c1")
			away()
			for range 4 {
				g.saw(Answered, "c2", "c2")
				g.saw(Failed, "c1")
			}
		}, StateEjected)
		// That it answered a thousand requests long ago says nothing of now.
		f("one returns", func(g *group, away, back func()) {
			away()
			g.saw(Failed, "c1")
			back()
			g.saw(Failed, "c1", "c1", "c1", "c1", "c1")
		}, StateReady)
	})
}

func TestWhatIsUsualIsKnownFromSomeSiblings(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 10*usualOf, func(*Care) {})
	for _, b := range g.b {
		b.sight.ill.Store(math.Float64bits(0.25))
	}
	g.b["c1"].sight.ill.Store(math.Float64bits(1))
	for range 100 {
		if got := g.b["c1"].usual(); got != 0.25 {
			t.Fatalf("got %v", got)
		}
	}
}

func TestOutliers(t *testing.T) {
	t.Parallel()
	f := func(row int, good, bad int64, usual float64, want bool) {
		t.Helper()
		if got := outlier(row, 5, good, bad, usual); got != want {
			t.Errorf("%d failures beside %d good and %d bad, usually %v: got %t", row, good, bad, usual, got)
		}
	}
	f(4, 100, 0, 0, false)
	f(5, 100, 0, 0, true)
	f(5, 4, 0, 0, false) // who knows?
	f(5, 100, 1, 0, true)
	f(5, 100, 10, 0, false)
	f(9, 100, 10, 0, true)
	f(5, 100, 0, 0.1, false)
	f(10, 100, 0, 0.1, true)
	f(1000, 1000, 1000, 0, true)
	f(1000, 5, 5000, 0, false)
}

func TestABackendThatCannotBeReachedIsEjected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 2, func(*Care) {})
		g.saw(Unreachable, "c1", "c1")
		g.saw(Answered, "c1")
		g.saw(Unreachable, "c1", "c1")
		g.is("c1", StateReady, "")
		g.saw(Unreachable, "c1")
		g.is("c1", StateEjected, "3 connections in a row could not be opened")
		// The other has to do.
		g.saw(Unreachable, "c2", "c2", "c2", "c2", "c2", "c2")
		g.is("c2", StateReady, "")
	})
}

func TestABackendThatIsSlowBesideOthersIsEjected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := func(slow float64, own, others time.Duration, want State, reason string) {
			t.Helper()
			g := newGroup(t, 3, func(c *Care) { c.Eject.Slow = slow })
			for range 2 * paceOver {
				g.b["c2"].Saw(Answered, others)
				g.b["c3"].Saw(Answered, others)
				g.b["c1"].Saw(Answered, own)
			}
			g.is("c1", want, reason)
		}
		f(3, time.Second, 100*time.Millisecond, StateEjected, "its answers begin after 1s, those of the others of its version after 100ms")
		f(3, 250*time.Millisecond, 100*time.Millisecond, StateReady, "")
		f(3, 5*time.Millisecond, time.Millisecond, StateReady, "") // nobody notices
		f(0, time.Second, time.Millisecond, StateReady, "")
	})
}

func TestTheEjectedAreUsedWhenTooFewAreLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 4, func(*Care) {})
		g.saw(Unreachable, "c1", "c1", "c1", "c2", "c2", "c2")
		g.is("c2", StateEjected, "")
		g.saw(Unreachable, "c3", "c3", "c3")
		g.is("c3", StateReady, "") // half of them are out
		if n := g.shares(100); n["c1"]+n["c2"] != 0 {
			t.Errorf("the ejected got %v", n)
		}
		g.b["c3"].Refused(fmt.Errorf("refused"))
		g.is("c1", StateEjected, "it gets requests all the same")
		if n := g.shares(300); n["c1"] == 0 || n["c2"] == 0 || n["c3"] != 0 || n["c4"] == 0 {
			t.Errorf("got %v", n)
		}
	})
}

func TestEjectionsGrowAndDecay(t *testing.T) {
	t.Parallel()
	e := defaultEject()
	var j ejection
	now := t0
	f := func(healthy, want time.Duration) {
		t.Helper()
		now = now.Add(healthy)
		got := j.begin(&e, "", now)
		if got != want {
			t.Errorf("after %v: out for %v, want %v", healthy, got, want)
		}
		now = now.Add(got)
		j.over(now)
		j.end(now)
	}
	for i := range 30 {
		f(time.Minute, time.Duration(i+1)*10*time.Second)
	}
	f(time.Minute, 5*time.Minute)
	f(4*time.Minute, 5*time.Minute)
	f(20*time.Minute, 270*time.Second) // four were made up for
	f(24*time.Hour, 10*time.Second)
}

func TestAnEjectionSurvivesAReloadUnlessEjectionIsSwitchedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 2, func(*Care) {})
		var list []Endpoint
		for _, b := range g.p.backends {
			e := b.endpoint
			e.Care = &Care{Eject: defaultEject()}
			list = append(list, e)
		}
		g.saw(Unreachable, "c1", "c1", "c1")
		g.r.Replace(list)
		g.is("c1", StateEjected, "")
		for i := range list {
			list[i].Care = nil
		}
		g.r.Replace(list)
		g.is("c1", StateReady, "")
	})
}

func TestToTellWhatWasSeenAllocatesNothing(t *testing.T) {
	g := newGroup(t, 2, func(*Care) {})
	b := g.b["c1"]
	f := func(name string, tell func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, tell); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	f("answers", func() { b.Saw(Answered, time.Millisecond) })
	f("failures", func() { b.Saw(Failed, 0); b.Saw(Answered, 0) })
	f("rows of failures", func() { b.Saw(Failed, 0) })
}

func BenchmarkSaw(b *testing.B) {
	r := &Registry{}
	e, o := endpoint("c1", "sha256:aa", "v1", 0), endpoint("c2", "sha256:aa", "v1", 0)
	c := DefaultCare()
	e.Care, o.Care = &c, &c
	r.Replace([]Endpoint{e, o})
	backend := r.Members("shop")[0].Acquire(nil)
	b.ReportAllocs()
	for b.Loop() {
		backend.Saw(Answered, time.Millisecond)
	}
}

// What a failure costs must not depend on how many backends there are.
func BenchmarkSawFailures(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		c := DefaultCare()
		var list []Endpoint
		for i := range n {
			e := endpoint(fmt.Sprintf("c%d", i), "sha256:aa", "v1", 0)
			e.Care = &c
			list = append(list, e)
		}
		r := &Registry{}
		r.Replace(list)
		backend := r.Members("shop")[0].Acquire(nil)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				backend.Saw(Failed, 0)
			}
		})
	}
}
