package backends

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestANewcomerComesToItsShareSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, func(c *Care) { c.SlowStart = 30 * time.Second })
		within := func(id string, low, high int) {
			t.Helper()
			if n := g.shares(10_000)[id]; n < low || n > high {
				t.Errorf("%s got %d of 10000 requests, want %d to %d", id, n, low, high)
			}
		}
		// All are new, so each has its whole share.
		within("c1", 3000, 3700)
		list := []Endpoint{g.b["c1"].endpoint, g.b["c2"].endpoint, g.b["c3"].endpoint}
		late := g.b["c1"].endpoint
		late.ID, late.Addr = "c4", "c4:80"
		list = append(list, late)

		// Its whole share would be 2500.
		time.Sleep(time.Minute)
		g.r.Replace(list)
		within("c4", 150, 350)
		time.Sleep(15 * time.Second)
		g.r.Replace(list) // and nothing begins anew
		within("c4", 1200, 1550)
		time.Sleep(16 * time.Second)
		within("c4", 2200, 2800)
		if left := g.p.rotation.Load().eased; len(left) != 0 {
			t.Errorf("it is still among those with less: %v", left)
		}

		// One that was away is new.
		list[0].Paused = true
		g.r.Replace(list)
		within("c1", 0, 0)
		list[0].Paused = false
		g.r.Replace(list)
		within("c1", 150, 350)
	})
}

func TestANewcomerTakesWhatNobodyElseCan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 1, func(c *Care) { c.SlowStart = 30 * time.Second })
		time.Sleep(time.Minute)
		late := g.b["c1"].endpoint
		late.ID, late.Addr = "c2", "c2:80"
		g.r.Replace([]Endpoint{g.b["c1"].endpoint, late})
		tried := []*Backend{g.b["c1"]}
		if b := g.p.Acquire(tried); b == nil || b.ID != "c2" {
			t.Errorf("a retry got %v", b)
		}
		g.r.Replace([]Endpoint{late})
		if n := g.shares(100)["c2"]; n != 100 {
			t.Errorf("it got %d of 100 requests", n)
		}
	})
}

func TestConnectionsEndWhenADrainTakesTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := func(limit time.Duration, release, want bool) {
			t.Helper()
			g := newGroup(t, 1, func(c *Care) { c.DrainTimeout = limit })
			b := g.p.Acquire(nil)
			c := new(conns)
			b.Conns(opener{c})
			g.r.Stopping("c1", "test")
			time.Sleep(29 * time.Second)
			if c.ended.Load() {
				t.Error("they ended too early")
			}
			if g.r.Replace(nil); release {
				b.Release()
				synctest.Wait()
			}
			time.Sleep(2 * time.Second)
			if got := c.ended.Load(); got != want {
				t.Errorf("within %v, released %t: ended %t", limit, release, got)
			}
		}
		f(30*time.Second, false, true)
		f(30*time.Second, true, false)
		f(0, false, false)
	})
}
