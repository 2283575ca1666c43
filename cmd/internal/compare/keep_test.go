package compare

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
	"divvy/router"
)

func TestAComparisonGoesOnWhenDivvyIsStartedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 50, "v2": 50})
		p := w.proxy("a")
		random := seeded()
		began := p.Comparisons("shop")[0].Since
		for boot := range 3 {
			p.send(3000, random, map[string]float64{"v2": 0.5})
			if got := p.total(); got != 3000*(boot+1) {
				t.Errorf("start %d: %d units", boot, got)
			}
			c := p.Comparisons("shop")[0]
			if !c.Since.Equal(began) || len(c.Proxies) > 0 {
				t.Errorf("start %d: since %v, with %d proxies", boot, c.Since, len(c.Proxies))
			}
			// What is slow is known from before.
			if boot > 0 && c.Report.Finding("p95").Events[stats.Stable] == 0 {
				t.Errorf("start %d: nothing is slow", boot)
			}
			p.end()
			time.Sleep(time.Hour)
			p = w.proxy("a")
		}
		defer p.end()
		if got := p.Comparisons("shop")[0].Verdict; got != admin.Worse {
			t.Errorf("in the end it is %s", got)
		}
		// The verdict was told of once, by the first.
		time.Sleep(time.Minute)
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.changes) > 0 {
			t.Errorf("told again: %+v", p.changes)
		}
	})
}

func TestSeveralProxiesAreJudgedAsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 80, "v2": 20})
		a, b := w.proxy("a"), w.proxy("b")
		random := seeded()
		a.send(700, random, nil)
		b.send(300, random, nil)
		time.Sleep(4 * shareEvery)
		for _, p := range []*proxy{a, b} {
			c := p.Comparisons("shop")[0]
			if p.total() != 1000 || len(c.Proxies) != 2 || c.Proxies[0].Name != "a" || c.Proxies[1].Split.Units[0] < 200 {
				t.Errorf("%s: %d units, %+v", p.Proxy, p.total(), c.Proxies)
			}
			if status := p.Status(); len(status) != 1 || len(status[0].Proxies) != 2 || len(status[0].Findings) != 5 {
				t.Errorf("%s: %+v", p.Proxy, status)
			}
		}

		// Who counts nothing stores nothing.
		stores := w.storage.count()
		time.Sleep(10 * time.Minute)
		if got := w.storage.count(); got != stores {
			t.Errorf("stored %d times for nothing", got-stores)
		}

		// What one has counted stays when it is gone, and its value goes.
		b.end()
		a.send(100, random, nil)
		time.Sleep(4 * shareEvery)
		a.end()
		a.prune(t.Context())
		if keys := w.storage.keys(); len(keys) != 2 {
			t.Errorf("at once there is %v", keys)
		}
		time.Sleep(2 * deadTime)
		a.prune(t.Context())
		if got, keys := a.total(), w.storage.keys(); got != 1100 || len(keys) != 1 {
			t.Errorf("%d units are left, in %v", got, keys)
		}
	})
}

func TestWhoTakesOverCountsBesideItsPredecessor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 80, "v2": 20})
		old := w.proxy("a")
		random := seeded()
		old.send(500, random, nil)
		time.Sleep(storeEvery)
		next := w.proxy("a")
		old.send(300, random, nil) // finishing what has begun
		next.send(200, random, nil)
		time.Sleep(storeEvery)
		old.send(10, random, nil)
		old.end()
		time.Sleep(4 * shareEvery)
		if got := next.total(); got != 1010 {
			t.Errorf("the successor knows %d units", got)
		}
		if c := next.Comparisons("shop")[0]; len(c.Proxies) > 0 {
			t.Errorf("they count as %d proxies", len(c.Proxies))
		}
		next.end()
		again := w.proxy("a")
		defer again.end()
		if got := again.total(); got != 1010 {
			t.Errorf("%d units are stored", got)
		}
	})
}

func TestAValueThatIsDamagedIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 80, "v2": 20})
		p := w.proxy("a")
		p.send(500, seeded(), nil)
		p.end()
		key := w.storage.keys()[0]
		whole := w.storage.values[key]
		for name, value := range map[string][]byte{
			"cut off": whole[:len(whole)/2], "changed": []byte(strings.Replace(string(whole), `"ledger":"RF`, `"ledger":"RG`, 1)),
			"of another": []byte(strings.Replace(string(whole), `"service":"shop"`, `"service":"shop2"`, 1)),
			"later":      []byte(strings.Replace(string(whole), `"format":1`, `"format":2`, 1)), "none": {},
		} {
			w.storage.values[key], w.storage.times[key] = value, time.Now()
			p := w.proxy("a")
			p.send(10, seeded(), nil)
			if got := p.total(); got != 10 {
				t.Errorf("%s: %d units", name, got)
			}
			time.Sleep(3 * shareEvery) // it is read again, for it was stored a moment ago
			p.end()
			time.Sleep(2 * keepTime)
			p.prune(t.Context())
			if got := w.storage.values[key]; string(got) != string(value) {
				t.Errorf("%s: there is %q", name, got)
			}
			if log := p.logged(); strings.Count(log, "cannot be used, and is left as it is: restore it from a copy, or remove it") != 1 || !strings.Contains(log, key) {
				t.Errorf("%s: logged %s", name, log)
			}
			clear(w.storage.values)
		}
	})
}

func TestAStorageThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 80, "v2": 20})
		w.storage.fail(errors.New("it is away"))
		p := w.proxy("a")
		p.send(500, seeded(), nil)
		time.Sleep(4 * shareEvery)
		if log := p.logged(); strings.Count(log, "listing what was counted") != 1 || strings.Count(log, "storing what was counted") != 1 {
			t.Errorf("logged %s", log)
		}
		w.storage.fail(nil)
		p.end()
		again := w.proxy("a")
		defer again.end()
		if got := again.total(); got != 500 {
			t.Errorf("%d units were stored", got)
		}
	})
}

func TestWhatWasNotCountedForLongIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 80, "v2": 20})
		random := seeded()
		f := func(after time.Duration, want int) {
			t.Helper()
			time.Sleep(after)
			p := w.proxy("a")
			defer p.end()
			if got := p.total(); got != want {
				t.Errorf("after %v there are %d units, want %d", after, got, want)
			}
			p.send(100, random, nil)
			if log := p.logged(); log != "" {
				t.Errorf("logged %s", log)
			}
		}
		f(0, 0)
		f(keepTime-pruneEvery, 100)
		f(keepTime+pruneEvery, 0)
		if keys := w.storage.keys(); len(keys) != 1 {
			t.Errorf("there is still %v", keys)
		}
	})
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 80, "v2": 20})
		random := seeded()
		for range maxOrigins + 10 {
			p := w.proxy("a")
			p.send(20, random, nil)
			p.end()
		}
		p := w.proxy("a")
		p.send(20, random, nil)
		p.Manager.mu.Lock()
		got := len(p.services["shop"].pairs[0].others.Entries)
		p.Manager.mu.Unlock()
		if got != maxOrigins {
			t.Errorf("%d recorders are kept apart", got)
		}
		time.Sleep(4 * shareEvery)
		p.send(20, random, nil)
		time.Sleep(storeEvery)
		p.end()
		time.Sleep(2 * deadTime)
		p.prune(t.Context())
		if keys := w.storage.keys(); len(keys) != 1 {
			t.Errorf("there are %d values", len(keys))
		}

		// So many services that not all can be compared.
		var all []Subject
		for i := range maxPairs + 5 {
			c := w.config
			c.Name = fmt.Sprintf("s%d", i)
			all = append(all, Subject{router.NewService(router.Input{Config: c, Members: w.registry.Members("shop")}), c})
		}
		m := newManager(w)
		m.Look(all, false)
		m.Look(all, false)
		if len(m.pairs) != maxPairs {
			t.Errorf("there are %d comparisons", len(m.pairs))
		}
		m.Look(nil, false)
		m.expire(time.Now())
		if len(m.pairs) != maxResting || len(m.underWay()) != 0 {
			t.Errorf("%d comparisons rest, %d are under way", len(m.pairs), len(m.underWay()))
		}
		m.forget(time.Now())
		if got := len(m.shelf); got > maxRecords {
			t.Errorf("%d comparisons are remembered", got)
		}
	})
}

func TestAComparisonHasOneNameOnEveryProxy(t *testing.T) {
	t.Parallel()
	c := router.Config{}
	one := id{stats.Key{Service: "shop", Stable: stats.Version{Image: "a"}, Candidate: stats.Version{Image: "b"}}, whatCounts(&c)}
	two := one
	two.Stable, two.Candidate = one.Candidate, one.Stable
	if one.text() == two.text() || path.Clean(one.text()) != one.text() || len(one.text()) != 16 {
		t.Errorf("got %s and %s", one.text(), two.text())
	}
}
