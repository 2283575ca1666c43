package compare

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
	"divvy/router"
)

func TestAVerdictIsToldOfOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 50, "v2": 50})
		p := w.proxy("a")
		random := seeded()
		for range 60 {
			p.send(100, random, map[string]float64{"v2": 0.3})
			time.Sleep(time.Second)
		}
		c := p.Comparisons("shop")[0]
		if c.Verdict != admin.Worse || c.Reason != "worse on errors" || math.Abs(c.PerSecond-100) > 10 {
			t.Errorf("got %s, %s, %v units a second", c.Verdict, c.Reason, c.PerSecond)
		}
		if !strings.Contains(c.Sentences[0], "is WORSE on errors") || c.Candidate.Share != 0.5 || c.Candidate.Weight != 50 || c.Stable.ImageID != imageOf(1) {
			t.Errorf("got %+v", c)
		}
		if s := p.Status()[0]; s.Verdict != "worse" || s.Findings[0].Word != "worse" || s.Split.Off {
			t.Errorf("for Prometheus, %+v", s)
		}
		p.end()
		if len(p.changes) != 1 {
			t.Fatalf("it was told %d times: %+v", len(p.changes), p.changes)
		}
		told := p.changes[0]
		told.Finding, _, _ = strings.Cut(told.Finding, ":")
		v1, v2 := c.Stable.Version, c.Candidate.Version
		if want := (Change{"shop", v2, v1, admin.CannotTell, admin.Worse, "worse on errors", v2 + " is WORSE on errors"}); told != want {
			t.Errorf("got %+v, want %+v", told, want)
		}
	})
}

func TestOfNothingThereAreSentences(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, map[string]int{"v1": 50, "v2": 50})
		p := w.proxy("a")
		defer p.end()
		c := p.Comparisons("shop")[0]
		if c.Verdict != admin.CannotTell || len(c.Sentences) != 5 || c.Report == nil || c.PerSecond != 0 || c.Since.IsZero() {
			t.Errorf("got %+v", c)
		}
		if p.Comparisons("nobody") == nil {
			t.Error("no comparisons are null")
		}
		for _, f := range p.Status()[0].Findings {
			if !math.IsNaN(f.ETA) || !math.IsInf(f.Ratio[2], 1) {
				t.Errorf("of nothing, %+v", f)
			}
		}
	})
}

func TestWhatIsToleratedIsWhatIsConfigured(t *testing.T) {
	t.Parallel()
	part := func(x float64) *float64 { return &x }
	c := router.Config{
		Sticky:  router.Sticky{By: []string{"ip"}},
		Compare: router.Compare{Tolerate: map[string]router.Tolerance{"errors": {Relative: part(2), Absolute: part(0.1)}, "canceled": {Absolute: part(0.2)}, "p99": {Relative: part(0.5)}}},
		Goals:   []router.Goal{{Name: "bought", Tolerate: part(0.1), Guard: true}, {Name: "signup"}},
	}
	got, usual := judge(&c, 3), stats.DefaultJudge()
	if !got.ByUnit || got.Candidates != 3 || got.Copies != 1 {
		t.Errorf("got %+v", got)
	}
	f := func(what string, got, want stats.Margin) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
	}
	f("errors", got.Errors, stats.Margin{Relative: 2, Absolute: 0.1})
	f("canceled", got.Canceled, stats.Margin{Relative: usual.Canceled.Relative, Absolute: 0.2})
	f("p95", got.P95, usual.P95)
	f("p99", got.P99, stats.Margin{Relative: 0.5, Early: usual.P99.Early, EarlyBelow: usual.P99.EarlyBelow, Floor: usual.P99.Floor})
	f("speed", got.Speed, usual.Speed)
	f("a goal", got.Goals[0].Margin, stats.Margin{Relative: 0.1})
	f("a goal of which nothing is said", got.Goals[1].Margin, stats.Margin{Relative: 0.03})
	if !got.Goals[0].Guard || got.Goals[1].Guard {
		t.Errorf("got %+v", got.Goals)
	}
}

func TestCopiesAreBoundedByWhatWasCountedUnequallyOften(t *testing.T) {
	t.Parallel()
	f := func(want float64, units ...int) {
		t.Helper()
		l := stats.NewLedger(stats.Key{})
		for i, n := range units {
			r := stats.NewRecorder(stats.Key{}, false, nil)
			split := r.Split(1, 1)
			for range n {
				split.Arrive(stats.Stable, new(stats.Sample))
			}
			l.Put(stats.Origin{Proxy: "a", Boot: string(rune('a' + i))}, r.Sums())
		}
		if got := copies(l); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: got %v, want %v", units, got, want)
		}
	}
	f(1)
	f(1, 0)
	f(1, 100)
	f(1, 100, 0)
	f(2, 100, 100)
	f(3, 50, 50, 50)
	f(1.5, 10, 30) // (10·2² + 20·1²) / 40
}

// Users come and go while weights change, on the real router. Verdicts must be what
// is true.
func TestVerdictsOfASimulation(t *testing.T) {
	t.Parallel()
	type outcome struct {
		verdict admin.Verdict
		errors  stats.Interval
		off     bool
	}
	run := func(seed uint64, rate func(minute int, tag string) float64) (o outcome) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 2, map[string]int{"v1": 95, "v2": 5})
			p := w.proxy("a")
			defer p.end()
			random := rand.New(rand.NewPCG(seed, 7))
			for minute := range 60 {
				switch minute {
				case 10:
					w.weigh(map[string]int{"v1": 75, "v2": 25}, p)
				case 25:
					w.weigh(map[string]int{"v1": 45, "v2": 55}, p)
				}
				p.send(500, random, map[string]float64{"v1": rate(minute, "v1"), "v2": rate(minute, "v2")})
				time.Sleep(judgeEvery)
				if minute == 40 {
					time.Sleep(restartEvery)
				}
			}
			c := p.Comparisons("shop")[0]
			o = outcome{c.Verdict, c.Report.Finding("errors").Ratio, c.Report.Split.Off}
		})
		return o
	}
	equal := func(int, string) float64 { return 0.01 }
	worse := func(_ int, tag string) float64 { return map[string]float64{"v1": 0.01, "v2": 0.03}[tag] }
	outage := func(minute int, _ string) float64 {
		if minute >= 20 && minute < 30 {
			return 0.6
		}
		return 0.01
	}
	for seed := range uint64(3) {
		f := func(name string, rate func(int, string) float64, truth float64, is bool) {
			t.Helper()
			o := run(seed, rate)
			if (o.verdict == admin.Worse) != is || o.off || o.errors.Lower > truth || o.errors.Upper < truth {
				t.Errorf("%s, seed %d: %+v", name, seed, o)
			}
		}
		f("equal", equal, 1, false)
		f("1 % and 3 %", worse, 3, true)
		f("an outage of both", outage, 1, false)
	}
}
