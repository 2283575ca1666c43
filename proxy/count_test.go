package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/metrics/stats"
	"divvy/router"
)

// judged has what v1 and v2 get counted, as stable and candidate.
func (h *harness) judged(byUnit bool) *stats.Recorder {
	r := stats.NewRecorder(stats.Key{Service: "shop"}, byUnit, nil)
	then := map[uint32][][]router.Arm{}
	h.built = func(s *router.Service) {
		now := make([][]router.Arm, len(s.Versions))
		var weights [2]uint32
		for _, holding := range s.Holdings() {
			weights[sideOf(holding.Version)] = holding.Weight
		}
		split := r.Split(weights[stats.Stable], weights[stats.Candidate])
		for _, v := range s.Versions {
			now[v.Index] = []router.Arm{{Split: split, Side: sideOf(v)}}
		}
		s.Count(router.Counting{Now: now, Then: then})
		then[s.SplitID()] = now
	}
	h.publish()
	return r
}

func sideOf(v *router.Version) stats.Side {
	if v.Tags[0] == "v2" {
		return stats.Candidate
	}
	return stats.Stable
}

// counted is what was counted of a version since it was asked last.
type counted struct{ requests, errors, canceled, elsewhere, goal0, goal1 uint64 }

// tellCounts returns what was counted of one side, in all strata.
func tellCounts(r *stats.Recorder, side stats.Side) (c counted) {
	sums := r.Sums()
	for _, pair := range sums.Strata {
		c.requests += pair[side].Count()
		c.elsewhere += pair[side].Elsewhere
	}
	for _, pair := range sums.Scopes[0].Tallies {
		c.errors += pair[side].Errors()
		c.canceled += pair[side].Canceled()
		c.goal0 += pair[side].Goal(0)
		c.goal1 += pair[side].Goal(1)
	}
	return c
}

func TestWhatBecomesOfARequestIsCountedForItsVersion(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		gone := make(chan bool)
		door.origin("v1", func(http.ResponseWriter, *http.Request) {})
		door.origin("v2", func(w http.ResponseWriter, r *http.Request) {
			var status int
			switch _, _ = fmt.Sscanf(r.URL.Path, "/%d", &status); {
			case status != 0:
				w.WriteHeader(status)
			case r.URL.Path == "/silent":
				panic(http.ErrAbortHandler)
			case r.URL.Path == "/short":
				w.Header().Set("Content-Length", "10")
				fmt.Fprint(w, "half")
				panic(http.ErrAbortHandler)
			case r.URL.Path == "/late":
				<-r.Context().Done()
			case r.URL.Path == "/gone":
				gone <- true
				<-r.Context().Done()
			}
		})
		door.configure(func(c *Config, s *router.Config) {
			c.Timeouts.Response = 50 * time.Millisecond
			s.Weights = map[string]int{"v1": 1, "v2": router.MaxWeight}
			s.Compare = router.Compare{Errors: []int{404}, NotErrors: []int{501}}
			s.Override.Networks = []string{"127.0.0.1"}
			s.Rules = []router.Rule{{Name: "team", To: "v2", If: []string{"header:X-Team = qa"}}}
			s.Goals = []router.Goal{
				{Name: "bought", If: []string{"path ^= /", "method = POST"}},
				{Name: "asked", If: []string{"header:X-Ask"}, Status: []int{404, 500}},
			}
		})
		r := door.judged(false)
		before := counted{}
		f := func(why string, want counted, ask func()) {
			t.Helper()
			ask()
			o := door.observed()
			now := tellCounts(r, stats.Candidate)
			got := counted{
				now.requests - before.requests, now.errors - before.errors, now.canceled - before.canceled,
				now.elsewhere - before.elsewhere, now.goal0 - before.goal0, now.goal1 - before.goal1,
			}
			if got != want {
				t.Errorf("%s: counted %+v, want %+v (observed %d, %q)", why, got, want, o.Status, o.Err)
			}
			before = now
		}
		get := func(path string, fields ...string) func() {
			return func() {
				if res, err := door.transport.RoundTrip(door.request("GET", path, nil, fields...)); err == nil {
					_ = text(res.Body)
				}
			}
		}
		f("an answer", counted{requests: 1}, get("/"))
		f("a failure", counted{requests: 1, errors: 1}, get("/500"))
		f("what is a failure here", counted{requests: 1, errors: 1}, get("/404"))
		f("what is none here", counted{requests: 1}, get("/501"))
		f("what the client did wrong", counted{requests: 1}, get("/400"))
		f("no answer", counted{requests: 1, errors: 1}, get("/silent"))
		f("an answer that is cut short", counted{requests: 1, errors: 1}, get("/short"))
		f("an answer that is late", counted{requests: 1, errors: 1}, get("/late"))
		f("an override", counted{}, get("/500", "Divvy-Version: v2"))
		f("a rule", counted{}, get("/500", "X-Team: qa"))
		f("a goal", counted{requests: 1, goal0: 1}, func() { door.post("/", "") })
		f("a goal that was missed", counted{requests: 1, errors: 1}, func() { door.post("/500", "") })
		f("a goal by its status", counted{requests: 1, errors: 1, goal1: 1}, get("/404", "X-Ask: yes"))
		f("another status", counted{requests: 1}, get("/", "X-Ask: yes"))
		f("a client that went away", counted{requests: 1, canceled: 1}, func() {
			door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Response = time.Minute })
			ctx, leave := context.WithCancel(context.Background())
			go func() { <-gone; leave() }()
			_, _ = door.transport.RoundTrip(door.request("GET", "/gone", nil).WithContext(ctx))
		})
		f("a version without a backend", counted{requests: 1, errors: 1, elsewhere: 1}, func() {
			door.health(1, backends.HealthUnhealthy)
			door.is(door.get("/"), 200, "")
		})
		f("no version at all", counted{requests: 1, errors: 1}, func() {
			door.health(0, backends.HealthUnhealthy)
			if a := door.get("/"); a.StatusCode != 503 {
				t.Errorf("got %d, want 503", a.StatusCode)
			}
		})
		if c := tellCounts(r, stats.Stable); c != (counted{}) {
			t.Errorf("counted %+v of stable", c)
		}
	})
}

func TestWhatFailsOverDuringTheRequestIsAnErrorOfItsVersion(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(http.ResponseWriter, *http.Request) {})
		door.refusing("v2")
		door.configure(func(_ *Config, s *router.Config) { s.Weights = map[string]int{"v1": 1, "v2": router.MaxWeight} })
		r := door.judged(false)
		door.is(door.get("/"), 200, "")
		if o := door.observed(); o.Version[:2] != "v1" {
			t.Errorf("observed %s", o.Version)
		}
		if c := tellCounts(r, stats.Candidate); c != (counted{requests: 1, errors: 1, elsewhere: 1}) {
			t.Errorf("counted %+v", c)
		}
	})
}

func TestAUnitIsCountedOnceAndWithTheWeightsThatItWasAssignedBy(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.versions("v1", "v2")
		weights := func(v1, v2 int) {
			door.configure(func(_ *Config, s *router.Config) {
				s.Weights = map[string]int{"v1": v1, "v2": v2}
				s.Sticky = router.Sticky{By: []string{"cookie"}, Keep: "always"}
			})
		}
		r := door.judged(true)
		weights(1, router.MaxWeight)
		first, _, _ := strings.Cut(door.get("/").setCookies()[0], ";")
		weights(router.MaxWeight, 1)
		other, _, _ := strings.Cut(door.get("/").setCookies()[0], ";")
		for range 3 {
			door.is(door.get("/", "Cookie: "+first), 200, "v2")
			door.is(door.get("/", "Cookie: "+other), 200, "v1")
		}
		for range 8 {
			door.observed()
		}
		got := map[string]uint64{}
		sums := r.Sums()
		for stratum, pair := range sums.Scopes[0].Tallies {
			for side := range pair {
				name := fmt.Sprintf("%d:%d %d", stratum.Stable, stratum.Candidate, side)
				got[name+" units"] += pair[side].Units()
				got[name+" requests"] += sums.Strata[stratum][side].Count()
			}
		}
		want := map[string]uint64{
			"1:1000000 0 units": 0, "1:1000000 0 requests": 0, "1:1000000 1 units": 1, "1:1000000 1 requests": 4,
			"1000000:1 0 units": 1, "1000000:1 0 requests": 4, "1000000:1 1 units": 0, "1000000:1 1 requests": 0,
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("counted %v, want %v", got, want)
		}
	})
}
