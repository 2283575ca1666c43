package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"divvy/metrics/stats"
	"divvy/router"
)

// scopes returns the numbers of the scopes of the first comparison.
func (p *proxy) scopes() []uint32 {
	p.Manager.mu.Lock()
	defer p.Manager.mu.Unlock()
	return slices.Sorted(maps.Keys(p.services["shop"].pairs[0].ledger().Total().Scopes))
}

func TestScopesBeginAtTheSameMomentsOnEveryProxy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 80, "v2": 20})
		time.Sleep(7 * time.Minute)
		a := w.proxy("a")
		random := seeded()
		f := func(why string, want ...uint32) {
			t.Helper()
			if got := a.scopes(); !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", why, got, want)
			}
			a.send(10, random, nil)
		}
		f("at first", 0)
		w.weigh(map[string]int{"v1": 160, "v2": 40}, a)
		f("the same weights", 0)
		w.weigh(map[string]int{"v1": 50, "v2": 50}, a)
		f("other weights", 0, 1)
		time.Sleep(8*time.Minute + judgeEvery)
		f("a quarter of an hour begins", 0, 1, 2)
		b := w.proxy("b")
		time.Sleep(4 * shareEvery)
		b.send(10, random, nil)
		w.weigh(map[string]int{"v1": 60, "v2": 40}, a, b)
		b.send(10, random, nil)
		time.Sleep(4 * shareEvery)
		f("on both, other weights", 0, 1, 2, 3)
		b.end()
		a.end()
		a = w.proxy("a")
		f("started anew, in the same quarter", 0, 1, 2, 3)
		time.Sleep(15*time.Minute + judgeEvery)
		f("the next", 0, 1, 2, 3, 4)
		a.end()
	})
}

func TestAUnitThatStaysIsCountedByTheWeightsThatItWasAssignedBy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, map[string]int{"v1": 90, "v2": 10})
		w.config.Sticky = router.Sticky{By: []string{"header:X-User"}, Keep: "always"}
		p := w.proxy("a")
		cookies := map[string]string{}
		visit := func(user string) {
			d := p.service.Decide(router.Query{Request: request{user, cookies[user]}, Now: time.Now()})
			if set := string(p.service.AppendCookies(nil, &d, false)); set != "" {
				_, value, _ := strings.Cut(set, "=")
				cookies[user], _, _ = strings.Cut(value, ";")
			}
			tally(p.service, &d, stats.Sample{Latency: time.Millisecond})
		}
		strata := func() string {
			p.Manager.mu.Lock()
			defer p.Manager.mu.Unlock()
			total := p.services["shop"].pairs[0].ledger().Total()
			byWeights := map[string]uint64{}
			for s, pair := range total.Scopes[0].Tallies {
				byWeights[fmt.Sprintf("%d:%d", s.Stable, s.Candidate)] += pair[0].Units() + pair[1].Units()
			}
			return fmt.Sprint(byWeights)
		}
		for i := range 200 {
			visit(fmt.Sprint("old", i))
		}
		p.end()
		time.Sleep(time.Hour)
		p = w.proxy("a") // which has to remember the split, too
		w.weigh(map[string]int{"v1": 50, "v2": 50}, p)
		for i := range 100 {
			visit(fmt.Sprint("old", i))
			visit(fmt.Sprint("new", i))
		}
		if got := strata(); got != "map[1:1:100 9:1:300]" { // the old twice: before and after the start
			t.Errorf("got %s", got)
		}
		p.end()
	})
}

func TestAsManyWeightsAsOneLikesAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 100, "v2": 1})
		p := w.proxy("a")
		random := seeded()
		for percent := 1; percent < 100; percent++ {
			before := p.service
			w.weigh(map[string]int{"v1": 100 - percent, "v2": percent}, p)
			is := p.service
			p.service = before // what is in flight
			p.send(10, random, nil)
			p.service = is
			p.send(90, random, nil)
			time.Sleep(time.Second)
		}
		c := p.Comparisons("shop")[0]
		if got := p.total(); got != 99*100 || c.Report.Lost > 0 || c.Report.Split.Off {
			t.Errorf("%d units, %d were lost, the split: %+v", got, c.Report.Lost, c.Report.Split)
		}
		p.end()
		p = w.proxy("a")
		if got := p.total(); got != 99*100 {
			t.Errorf("%d units after a start", got)
		}
		p.end()
	})
}

func TestRequestsAreRecordedWhileTablesAreBuilt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, map[string]int{"v1": 70, "v2": 20, "v3": 10})
	m := newManager(w)
	build := func(i int) *router.Service {
		c := w.config
		c.Weights = map[string]int{"v1": 70 + i%7, "v2": 20, "v3": 10}
		s := router.Build([]router.Input{{Config: c, Members: w.registry.Members("shop")}}).Services[0]
		m.Look([]Subject{{s, c}}, false)
		return s
	}
	first := build(0)
	var mu sync.Mutex
	current := first
	const goroutines, each = 4, 3000
	var recording, beside sync.WaitGroup
	done := make(chan struct{})
	beside.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			s := build(i)
			mu.Lock()
			current = s
			mu.Unlock()
			m.judge()
			m.store(t.Context())
			m.Status()
		}
	})
	for g := range goroutines {
		recording.Go(func() {
			random := seeded()
			for range each {
				mu.Lock()
				s := current
				mu.Unlock()
				d := s.Decide(router.Query{Request: request{}, Random: random.Uint64() + uint64(g)})
				tally(s, &d, stats.Sample{Latency: time.Millisecond})
			}
		})
	}
	recording.Wait()
	close(done)
	beside.Wait()
	stable := uint64(0)
	for _, p := range m.underWay() {
		units := p.ledger().Total().Units()
		stable = units[stats.Stable]
		if units[stats.Candidate] == 0 {
			t.Error("a candidate has no requests")
		}
	}
	all := stable
	for _, p := range m.underWay() {
		all += p.ledger().Total().Units()[stats.Candidate]
	}
	if all != goroutines*each {
		t.Errorf("%d requests were counted, want %d", all, goroutines*each)
	}
}
