package router

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"divvy/metrics/stats"
)

// judged has the service's requests counted, v0 as stable and v1 as candidate. The
// arms are remembered in then by the split.
func judged(s *Service, r *stats.Recorder, then map[uint32][][]Arm) *Service {
	var weights [2]uint32
	for _, h := range s.Holdings() {
		if h.Version.Index < len(weights) {
			weights[h.Version.Index] = h.Weight
		}
	}
	split := r.Split(weights[stats.Stable], weights[stats.Candidate])
	now := [][]Arm{{{split, stats.Stable}}, {{split, stats.Candidate}}}
	s.Count(Counting{Now: now, Then: then})
	then[s.SplitID()] = now
	return s
}

func TestWhatChanceGaveIsCounted(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	c := overridable(unchanged)
	c.Weights, c.Sticky = even, Sticky{By: []string{"cookie"}, Keep: "24h"}
	c.Rules = []Rule{{"beta", "v1", []string{"path ^= /beta"}}}
	r, then := stats.NewRecorder(stats.Key{}, true, nil), map[uint32][][]Arm{}
	at := func(weights map[string]int) *Service {
		c.Weights = weights
		return judged(w.service(c), r, then)
	}
	was, is := at(even), at(rising)
	b := newcomer(t, was, "v0")
	f := func(why string, s *Service, d Decision, want Reason, arm *Arm) {
		t.Helper()
		a, arms := d.Assigned, s.Arms(d.Assigned)
		switch {
		case d.Reason != want:
			t.Errorf("%s: decided by %s", why, d.Reason)
		case arm == nil && len(arms) > 0:
			t.Errorf("%s: it is counted: %+v", why, a)
		case arm != nil && (len(arms) != 1 || arms[0] != *arm || a.Version.Index != int(arm.Side)):
			t.Errorf("%s: got %+v", why, a)
		case arm != nil && a.Unit == 0:
			t.Errorf("%s: it has no unit", why)
		}
	}
	stable, candidate := &then[was.SplitID()][0][0], &then[is.SplitID()][1][0]
	f("a newcomer", was, newVisitor(t, b.random).get(was, "/"), ByUnit, stable)
	f("one more", is, newVisitor(t, b.random).get(is, "/"), ByUnit, candidate)
	f("who is pinned", was, b.get(was, "/"), ByPin, stable)
	f("who was pinned before an edit", is, b.get(is, "/"), ByPin, stable)
	f("a rule", is, b.get(is, "/beta"), ByRule, nil)
	f("an override", is, b.get(is, "/?divvy-token=another&divvy-version=v2"), ByOverride, nil)
	b.get(is, "/?divvy-version=none")
	other := judged(w.service(c), r, map[uint32][][]Arm{})
	f("a pin by a split that nobody remembers", other, b.get(other, "/"), ByPin, nil)

	w.sicken("c0")
	f("a version that cannot answer", is, b.get(is, "/"), ByFailover, stable)
	w.sicken("c1")
	f("a unit that nobody can answer", is, newVisitor(t, 7).get(is, "/"), ByNone, candidate)
	w.heal("c0")
	w.heal("c1")
	w.found = w.found[1:]
	w.registry.Replace(w.found)
	f("a table that is older than what runs", is, newVisitor(t, 8).get(is, "/"), ByUnit, nil)
}

func TestARequestWithoutAUnitIsOneByItself(t *testing.T) {
	t.Parallel()
	w := versions(t, 2)
	s := judged(w.service(Config{Weights: map[string]int{"v0": 1, "v1": 1}}), stats.NewRecorder(stats.Key{}, false, nil), map[uint32][][]Arm{})
	if a := s.Decide(Query{Request: request{}, Random: 1}).Assigned; a.Unit != 0 || len(s.Arms(a)) != 1 {
		t.Errorf("got %+v", a)
	}
}

func TestASplitHasOneIdentifierOnEveryProxy(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	of := func(weights map[string]int) uint32 { return w.service(Config{Weights: weights}).SplitID() }
	same := of(map[string]int{"v0": 90, "v1": 10})
	if of(map[string]int{"v1": 10, "v0": 90, "v2": 0}) != same {
		t.Error("a version without weight changes it")
	}
	for _, weights := range []map[string]int{{"v0": 10, "v1": 90}, {"v0": 9, "v1": 1}, {"v0": 90, "v2": 10}, {"v0": 90}} {
		if of(weights) == same {
			t.Errorf("%v has that of another", weights)
		}
	}
}

// Users come and go while the candidate is given more and more. Whatever keeps them,
// each must be counted with the odds that it was assigned by, or else versions
// that are equal look different.
func TestTheSplitThatIsCountedIsTheOneThatWasSet(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Sticky){
		"nothing is kept":   func(*Sticky) {},
		"kept for a while":  keep("3h"),
		"kept always":       keep("always"),
		"moved on requests": func(c *Sticky) { c.RebalanceOn = []string{"/cart"} },
		"both":              func(c *Sticky) { c.RebalanceOn, c.Keep = []string{"/cart"}, "2h" },
		"kept at zero":      func(c *Sticky) { c.OnZero = "keep" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := versions(t, 2)
			r, then := stats.NewRecorder(stats.Key{}, true, nil), map[uint32][][]Arm{}
			rnd := rand.New(rand.NewPCG(1, 2))
			users := make([]*visitor, 6000)
			for hour, percent := range []int{5, 5, 20, 20, 50, 50, 80, 95, 40} {
				s := judged(w.service(kept(map[string]int{"v0": 100 - percent, "v1": percent}, change)), r, then)
				if hour > 0 {
					r.Restart(uint32(hour))
				}
				for range 3000 {
					u := &users[rnd.IntN(min(len(users), 1000*(hour+1)))]
					if *u == nil {
						*u = newVisitor(t, rnd.Uint64())
					}
					(*u).now = noon.Add(time.Duration(hour) * time.Hour)
					target := "/"
					if rnd.IntN(4) == 0 {
						target = "/cart"
					}
					// A tenth of the requests fail, whoever answers them.
					a := (*u).get(s, target).Assigned
					x := stats.Sample{Unit: a.Unit, Failed: rnd.IntN(10) == 0}
					for _, arm := range s.Arms(a) {
						arm.Split.Arrive(arm.Side, &x)
						arm.Split.Record(arm.Side, &x)
					}
				}
			}
			sums := r.Sums()
			for number, scope := range sums.Scopes {
				for stratum, pair := range scope.Tallies {
					n, m := int(pair[stats.Stable].Units()), int(pair[stats.Candidate].Units())
					if p, ok := fits([]int{n, m}, []int{int(stratum.Stable), int(stratum.Candidate)}); !ok {
						t.Errorf("scope %d, at %d:%d: there were %d and %d units, p = %v", number, stratum.Stable, stratum.Candidate, n, m, p)
					}
				}
			}
			report := stats.DefaultJudge().Examine(sums)
			if total := report.Split.Units[0] + report.Split.Units[1]; total < 4000 {
				t.Errorf("only %d units were counted", total)
			}
			if report.Split.Off {
				t.Errorf("the split is off: %+v", report.Split)
			}
			if f := report.Finding("errors"); f.Worse() || f.Ratio.Lower > 1 || f.Ratio.Upper < 1 {
				t.Errorf("versions that are equal differ: %+v", f)
			}
		})
	}
}

func TestWhatVersionsAreJudgedByIsValidated(t *testing.T) {
	t.Parallel()
	part := func(x float64) *float64 { return &x }
	f := func(change func(*Config), want string) {
		t.Helper()
		c := Config{Name: "shop"}
		change(&c)
		got := "nothing"
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	compare := func(change func(*Compare)) func(*Config) { return func(c *Config) { change(&c.Compare) } }
	tolerate := func(metric string, x Tolerance) func(*Config) {
		return func(c *Config) { c.Compare.Tolerate = map[string]Tolerance{metric: x} }
	}
	goal := func(g Goal) func(*Config) { return func(c *Config) { c.Goals = []Goal{g} } }
	f(compare(func(c *Compare) {
		*c = Compare{Stable: "v1", Candidates: []string{"v2@53bff422"}, Errors: []int{404, 499}, NotErrors: []int{501}, Tolerate: map[string]Tolerance{
			"errors": {part(0.5), part(0.01)}, "p99": {Relative: part(1)},
		}}
	}), "nothing")
	f(compare(func(c *Compare) { c.Stable = "a b" }), `compare.stable: "a b" names no version: use a tag, v1, or a tag and the first digits of its image ID, v1@53bff422`)
	f(compare(func(c *Compare) { c.Candidates = []string{"-"} }), `compare.candidates: "-" names no version: use a tag, v1, or a tag and the first digits of its image ID, v1@53bff422`)
	f(compare(func(c *Compare) { c.Stable, c.Candidates = "v1", []string{"v1"} }), "compare.candidates: v1 is compare.stable: a version is not compared with itself")
	f(compare(func(c *Compare) { c.Candidates = make([]string, 0); c.Errors = []int{500} }), "compare.errors: 500 is none of its statuses: use 100 to 499")
	f(compare(func(c *Compare) { c.NotErrors = []int{404} }), "compare.not_errors: 404 is none of its statuses: use 500 to 599")
	f(tolerate("error", Tolerance{}), `compare.tolerate: "error" is no metric: use errors, canceled, p95, p99 or speed`)
	f(tolerate("errors", Tolerance{Relative: part(0)}), "compare.tolerate.errors.relative: 0 is not what can be tolerated: use more than 0 and at most 10, 0.25 for a quarter")
	f(tolerate("p95", Tolerance{Absolute: part(2)}), "compare.tolerate.p95.absolute: 2 is not what can be tolerated: use more than 0 and at most 1, 0.25 for a quarter")
	f(goal(Goal{Name: "bought", If: []string{"path = /done"}, Status: []int{200}, Tolerate: part(0.1), Guard: true}), "nothing")
	f(goal(Goal{Name: "a b", If: []string{"path = /"}}), `goal[0].name: "a b" is not a name: use 1 to 63 letters, digits, dots, dashes and underscores`)
	f(goal(Goal{Name: "p99", If: []string{"path = /"}}), "goal[0].name: p99 is a metric of every service: use another name")
	f(goal(Goal{Name: "bought"}), `goal[0].if: there is no condition: use one such as "path ^= /checkout/done"`)
	f(goal(Goal{Name: "bought", If: []string{"path"}}), `goal[0].if: "path" is not a condition: say what it is compared with, as in path ^= /beta`)
	f(goal(Goal{Name: "bought", If: []string{"path = /"}, Status: []int{600}}), "goal[0].status: 600 is none of its statuses: use 100 to 599")
	f(goal(Goal{Name: "bought", If: []string{"path = /"}, Tolerate: part(1)}), "goal[0].tolerate: 1 is not what can be tolerated: use more than 0 and at most 0.99, 0.25 for a quarter")
	f(func(c *Config) {
		for i := range 9 {
			c.Goals = append(c.Goals, Goal{Name: fmt.Sprintf("g%d", i%8), If: []string{"path = /"}})
		}
	}, "goal: there are 9 goals: use at most 8\ngoal[8].name: there are two goals g0")
}
