package compare

import (
	"testing"
	"testing/synctest"
	"time"

	"divvy/router"
)

func TestWhoIsCompared(t *testing.T) {
	t.Parallel()
	f := func(want string, weights map[string]int, c router.Compare) {
		t.Helper()
		w := newWorld(t, 10, weights)
		w.config.Compare = c
		p := w.proxy("a")
		defer p.end()
		if got := p.who(); got != want {
			t.Errorf("%v, %+v: got %q, want %q", weights, c, got, want)
		}
	}
	none := router.Compare{}
	f("", nil, none) // all the weight has one
	f("", map[string]int{"v1": 1}, none)
	f("v1: v2", map[string]int{"v1": 95, "v2": 5, "v3": 0}, none)
	f("v2: v1", map[string]int{"v1": 5, "v2": 95}, none)
	f("v1: v2", map[string]int{"v1": 1, "v2": 1}, none)
	f("v3: v2 v1", map[string]int{"v1": 1, "v2": 2, "v3": 3}, none)
	f("v1: v2 v3", map[string]int{"v1": 3, "v2": 1, "v3": 1}, none)
	f("v10: v9 v8 v7 v6 v5 v4 v3 v2", map[string]int{"v1": 1, "v2": 2, "v3": 3, "v4": 4, "v5": 5, "v6": 6, "v7": 7, "v8": 8, "v9": 9, "v10": 10}, none)
	three := map[string]int{"v1": 1, "v2": 2, "v3": 3}
	f("v1: v3 v2", three, router.Compare{Stable: "v1"})
	f("v3: v1", three, router.Compare{Candidates: []string{"v1"}})
	f("v3: v1", three, router.Compare{Candidates: []string{"v1@0000", "v4"}})
	f("v2: v3", three, router.Compare{Stable: "v2", Candidates: []string{"v3"}})
	f("", three, router.Compare{Candidates: []string{"v4"}})
	f("", three, router.Compare{Stable: "v4"})
	f("", three, router.Compare{Off: true})
}

func TestStableStaysForAsLongAsItHasWeight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, map[string]int{"v1": 95, "v2": 5})
		p := w.proxy("a")
		f := func(want string, weights map[string]int) {
			t.Helper()
			w.weigh(weights, p)
			if got := p.who(); got != want {
				t.Errorf("%v: got %q, want %q", weights, got, want)
			}
		}
		f("v1: v2", map[string]int{"v1": 50, "v2": 50})
		f("v1: v2", map[string]int{"v1": 40, "v2": 60})
		f("v1: v3 v2", map[string]int{"v1": 1, "v2": 2, "v3": 97})
		f("", map[string]int{"v2": 1})
		f("v2: v1", map[string]int{"v1": 5, "v2": 95})
		f("v2: v1", map[string]int{"v1": 60, "v2": 40})
		p.send(100, seeded(), nil)

		// Nor does it change when the service is taken away for a moment.
		p.Look(nil, false)
		f("v2: v1", map[string]int{"v1": 60, "v2": 40})

		// Nor when divvy is started anew.
		p.end()
		p = w.proxy("a")
		f("v2: v1", map[string]int{"v1": 60, "v2": 40})
		if got := p.total(); got != 100 {
			t.Errorf("%d units are left", got)
		}
		f("", map[string]int{"v1": 1})
		p.end()
		p = w.proxy("a")
		f("v1: v2", map[string]int{"v1": 90, "v2": 10})
		p.end()
	})
}

func TestAVersionThatIsAwayForAMomentEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, map[string]int{"v1": 40, "v2": 50, "v3": 60})
		w.config.Compare.Stable = "v1"
		p := w.proxy("a")
		defer p.end()
		w.config.Compare.Stable = ""
		p.look()
		p.send(300, seeded(), nil)
		before := p.Comparisons("shop")
		w.stop("v1")
		if p.look(); p.who() != "" {
			t.Errorf("without the stable version, %s is compared", p.who())
		}
		time.Sleep(awayTime / 2)
		w.start("v1", imageOf(1), "")
		if p.look(); p.who() != "v1: v3 v2" || !p.Comparisons("shop")[0].Since.Equal(before[0].Since) || p.total() < 150 {
			t.Errorf("after it was back, %s, %d units", p.who(), p.total())
		}

		// Who stays away is stable no more.
		w.stop("v1")
		p.look()
		time.Sleep(awayTime + 2*judgeEvery)
		p.mu.Lock()
		rebuilt := p.rebuilt
		p.mu.Unlock()
		if rebuilt != 1 {
			t.Errorf("the table was built %d times", rebuilt)
		}
		if p.look(); p.who() != "v3: v2" {
			t.Errorf("in the end, %q", p.who())
		}
	})
}

func TestWhatIsNotKnownYetEndsAndBeginsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, map[string]int{"v1": 90, "v2": 5, "v3": 5})
		p := w.proxy("a")
		p.send(1000, seeded(), nil)
		p.end()
		stopped := w.found
		w.found = stopped[1:]
		w.registry.Replace(w.found)
		p = w.proxy("a")
		defer p.end()
		if p.lookAt(true); p.who() != "" {
			t.Errorf("what is stable is not known, and %s", p.who())
		}
		w.found = stopped
		w.registry.Replace(w.found)
		if p.look(); p.who() != "v1: v2 v3" || p.total() < 800 {
			t.Errorf("once all is known, %s", p.who())
		}
		w.found = stopped[:2]
		w.registry.Replace(w.found)
		if p.lookAt(true); p.who() != "v1: v2" {
			t.Errorf("half is known, %s", p.who())
		}
		p.Look(nil, true)
		if p.who() != "v1: v2" {
			t.Errorf("nothing is known, %s", p.who())
		}
	})
}

func TestAnotherImageBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, map[string]int{"v1": 50, "v2": 50})
		w.start("v2", imageOf(2), "one")
		p := w.proxy("a")
		defer p.end()
		random := seeded()
		f := func(why string, want int) {
			t.Helper()
			p.look()
			if got := p.total(); got != want {
				t.Errorf("%s: %d units, want %d", why, got, want)
			}
			p.send(100, random, nil)
		}
		f("at first", 0)
		f("the same", 100)
		w.stop("v2")
		w.start("v2", imageOf(2), "another")
		f("it is configured otherwise", 0)
		w.stop("v2")
		w.start("v2", imageOf(9), "one")
		f("another image", 0)
		w.stop("v2")
		w.start("v2", imageOf(2), "one")
		f("that of before", 200)
		w.config.Goals = []router.Goal{{Name: "bought", If: []string{"path = /"}}}
		f("there is a goal", 0)
		w.config.Sticky.By = []string{"header:X-User"}
		f("units are counted", 0)
		w.config.Sticky.By, w.config.Goals = nil, nil
		f("as at first", 300)
	})
}
