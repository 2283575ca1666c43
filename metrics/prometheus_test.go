package metrics

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSameVersionSameMeter(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	v1 := p.Meter("shop", "v1")
	if p.Meter("shop", "v1") != v1 {
		t.Error("the same pair gave two meters")
	}
	if p.Meter("shop", "v2") == v1 || p.Meter("blog", "v1") == v1 {
		t.Error("two pairs gave the same meter")
	}
}

func TestRequestWithoutServiceIsUnrouted(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	p.Observe(&Observation{Status: 404})
	p.Observe(&Observation{Status: 404})
	p.Observe(&Observation{Status: 400})
	p.Observe(&Observation{Status: 200, Meter: p.Meter("shop", "v1")})
	want := "divvy_unrouted_requests_total{code=\"400\"} 1\ndivvy_unrouted_requests_total{code=\"404\"} 2\n"
	if got := scrape(t, p, "divvy_unrouted"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A thousand services that always find a version should not export a thousand
// histograms for the case that they do not.
func TestSeriesWithoutVersionAppearWhenNeeded(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	m := p.Meter("shop", "")
	if got := scrape(t, p, "divvy_request"); got != "" {
		t.Errorf("before any request there is\n%s", got)
	}
	m.Observe(&Observation{Status: 503})
	want := "divvy_requests_total{code=\"503\",service=\"shop\",version=\"\"} 1\n"
	if got := scrape(t, p, "divvy_requests_total"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// world is a Prometheus that runs inside a bubble of synctest.
func world(t *testing.T, story func(t *testing.T, p *Prometheus)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(DefaultConfig())
		done := make(chan error)
		go func() { done <- p.Run(t.Context()) }()
		t.Cleanup(func() {
			if err := <-done; err != nil {
				t.Errorf("Run returned %v", err)
			}
		})
		story(t, p)
	})
}

func requests(t *testing.T, p *Prometheus) string {
	t.Helper()
	synctest.Wait()
	return scrape(t, p, `divvy_requests_total{code="200"`)
}

const (
	oneV1 = `divvy_requests_total{code="200",service="shop",version="v1"} 1` + "\n"
	oneV2 = `divvy_requests_total{code="200",service="shop",version="v2"} 1` + "\n"
)

func TestSeriesOfGoneVersionAreDroppedAfterRetention(t *testing.T) {
	world(t, func(t *testing.T, p *Prometheus) {
		v1, v2 := p.Meter("shop", "v1"), p.Meter("shop", "v2")
		p.Present([]Key{{"shop", "v1"}, {"shop", "v2"}})
		v1.Observe(&Observation{Status: 200})
		v2.Observe(&Observation{Status: 200})

		// Far from the moments at which Run wakes up by itself.
		time.Sleep(7*time.Minute + time.Second)
		p.Present([]Key{{"shop", "v2"}})
		time.Sleep(15*time.Minute - 1)
		if got := requests(t, p); got != oneV1+oneV2 {
			t.Errorf("just before the retention ends: got\n%s", got)
		}
		time.Sleep(time.Nanosecond)
		if got := requests(t, p); got != oneV2 {
			t.Errorf("after it: got\n%s\nwant\n%s", got, oneV2)
		}
		if got := scrape(t, p, "divvy_"); strings.Contains(got, `"v1"`) {
			t.Errorf("series of v1 are left in\n%s", got)
		}
		if p.Meter("shop", "v2") != v2 {
			t.Error("v2 got other counters because v1 went away")
		}
		// What is new under the old name starts from zero, and a late request
		// of the old one does not disturb it.
		p.Meter("shop", "v1")
		v1.Observe(&Observation{Status: 200})
		if got := requests(t, p); got != strings.Replace(oneV1, " 1\n", " 0\n", 1)+oneV2 {
			t.Errorf("a new v1: got\n%s", got)
		}
	})
}

// A version that is absent in many tables is gone since the first of them.
func TestRetentionIsCountedFromTheFirstAbsence(t *testing.T) {
	world(t, func(t *testing.T, p *Prometheus) {
		p.Meter("shop", "v1").Observe(&Observation{Status: 200})
		p.Present(nil) // resolved for this table, hence present
		for range 16 {
			p.Present(nil)
			time.Sleep(time.Minute)
		}
		if got := requests(t, p); got != "" {
			t.Errorf("got\n%s", got)
		}
	})
}

func TestVersionThatComesBackInTimeKeepsItsSeries(t *testing.T) {
	world(t, func(t *testing.T, p *Prometheus) {
		v1 := p.Meter("shop", "v1")
		p.Present([]Key{{"shop", "v1"}})
		v1.Observe(&Observation{Status: 200})

		p.Present(nil)
		time.Sleep(14 * time.Minute)
		p.Present([]Key{{"shop", "v1"}})
		time.Sleep(time.Hour)
		if got := requests(t, p); got != oneV1 {
			t.Errorf("got\n%s\nwant\n%s", got, oneV1)
		}
		if p.Meter("shop", "v1") != v1 {
			t.Error("it got other counters")
		}

		// Its next absence counts from the start.
		p.Present(nil) // v1 was resolved by the line above
		p.Present(nil)
		time.Sleep(15*time.Minute - 1)
		if got := requests(t, p); got != oneV1 {
			t.Errorf("gone again: got\n%s\nwant\n%s", got, oneV1)
		}
		time.Sleep(time.Nanosecond)
		if got := requests(t, p); got != "" {
			t.Errorf("gone again for the retention: got\n%s", got)
		}
	})
}

// A table that resolves a meter counts in it, whether or not keys say so.
func TestResolvedMeterIsPresent(t *testing.T) {
	world(t, func(t *testing.T, p *Prometheus) {
		none := p.Meter("shop", "")
		for range 5 {
			p.Present(nil)
			time.Sleep(20 * time.Minute) // longer than the retention
			if p.Meter("shop", "") != none {
				t.Fatal("it was dropped")
			}
		}
		// A key of the service is enough as well.
		for range 5 {
			p.Present([]Key{{"shop", "v7"}})
			time.Sleep(20 * time.Minute)
		}
		if p.Meter("shop", "") != none {
			t.Error("it was dropped although its service has a version")
		}
	})
}

// A tunnel may outlive its version by far. When it ends there is time to see it.
func TestGoneVersionIsKeptWhileItHasRequests(t *testing.T) {
	world(t, func(t *testing.T, p *Prometheus) {
		v1 := p.Meter("shop", "v1")
		p.Present([]Key{{"shop", "v1"}})
		v1.Begin()
		p.Present(nil)
		time.Sleep(time.Hour - 1) // Run wakes up at the full hour
		v1.End()
		v1.Observe(&Observation{Status: 200, Upgraded: true})
		time.Sleep(15*time.Minute - 1)
		if got := requests(t, p); got != oneV1 {
			t.Errorf("until the retention after the tunnel ends: got\n%s\nwant\n%s", got, oneV1)
		}
		time.Sleep(time.Nanosecond)
		if got := requests(t, p); got != "" {
			t.Errorf("after it: got\n%s", got)
		}
	})
}

// Everything at once, for the race detector; and no count is lost.
func TestCountsAreExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	p.Watch(func() Snapshot { return Snapshot{} })
	go p.Run(t.Context())
	const goroutines, each = 8, 500
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			m := p.Meter("shop", "v1")
			for i := range each {
				m.Begin()
				m.Assigned([]string{"unit", "request", "override"}[i%3])
				p.Observe(&Observation{Meter: m, Status: 200 + i%50, Duration: time.Duration(i) * time.Microsecond})
				m.End()
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			p.Present([]Key{{"shop", "v1"}})
			scrape(t, p)
		}
	})
	wg.Wait()
	var want strings.Builder
	for i := range 50 {
		fmt.Fprintf(&want, "divvy_requests_total{code=\"%d\",service=\"shop\",version=\"v1\"} %d\n", 200+i, goroutines*each/50)
	}
	if got := scrape(t, p, `divvy_requests_total{code="2`); got != want.String() {
		t.Errorf("got\n%s\nwant\n%s", got, want.String())
	}
	if got, want := scrape(t, p, "divvy_requests_in_flight"), "divvy_requests_in_flight{service=\"shop\",version=\"v1\"} 0\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
