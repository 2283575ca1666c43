package router

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// fits reports whether counts may have come from the weights: it fails one
// right split in a million, and any split that is off by a few standard errors.
func fits(counts []int, weights []int) (p float64, ok bool) {
	n, total, df := 0, 0, -1
	for i := range counts {
		n += counts[i]
		total += weights[i]
	}
	x := 0.0
	for i := range counts {
		want := float64(n) * float64(weights[i]) / float64(total)
		if weights[i] == 0 {
			if counts[i] > 0 {
				return 0, false
			}
			continue
		}
		df++
		x += (float64(counts[i]) - want) * (float64(counts[i]) - want) / want
	}
	if df == 0 {
		return 1, true
	}
	p = distuv.ChiSquared{K: float64(df)}.Survival(x)
	return p, p > 1e-6
}

func TestFitsRejectsAWrongSplit(t *testing.T) {
	t.Parallel()
	if p, ok := fits([]int{8800, 1200}, []int{90, 10}); ok {
		t.Errorf("12 %% passed for 10 %% with p = %v", p)
	}
	if p, ok := fits([]int{9010, 990}, []int{90, 10}); !ok {
		t.Errorf("9.9 %% was refused for 10 %% with p = %v", p)
	}
}

func randomWeights(rng *rand.Rand, n int) (map[string]int, []int) {
	named, list := map[string]int{}, make([]int, n)
	for i := range n {
		if rng.IntN(4) > 0 {
			list[i] = 1 + rng.IntN(1000)
		}
		named[fmt.Sprintf("v%d", i)] = list[i]
	}
	list[0] = max(list[0], 1)
	named["v0"] = list[0]
	return named, list
}

func TestSharesFollowTheWeights(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		n := 2 + rng.IntN(5)
		named, list := randomWeights(rng, n)
		c := weights(named)
		c.Sticky = byUser
		sticky := versions(t, n).service(c)
		plain := versions(t, n).service(weights(named))
		users, requests := make([]int, n), make([]int, n)
		for i := range 20_000 {
			users[sticky.Decide(user(i)).Version.Index]++
			requests[plain.Decide(Query{Request: request{}, Random: rng.Uint64()}).Version.Index]++
		}
		if p, ok := fits(users, list); !ok {
			t.Errorf("users: got %v for weights %v, p = %v", users, list, p)
		}
		if p, ok := fits(requests, list); !ok {
			t.Errorf("requests: got %v for weights %v, p = %v", requests, list, p)
		}
	}
}

func TestAVersionThatIsDownPassesItsUsersOnAndGetsThemBack(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	s := w.service(Config{Weights: map[string]int{"v0": 60, "v1": 30, "v2": 10}, Sticky: byUser})
	const n = 20_000
	was := make([]string, n)
	for i := range n {
		was[i] = tagOf(s.Decide(user(i)))
	}
	w.sicken("c0")
	taken := make([]int, 3)
	for i := range n {
		d := s.Decide(user(i))
		switch {
		case was[i] != "v0" && (tagOf(d) != was[i] || d.Reason != ByUnit):
			t.Fatalf("user %d of %s got %s by %s when v0 went down", i, was[i], tagOf(d), d.Reason)
		case was[i] == "v0" && d.Reason != ByFailover:
			t.Fatalf("user %d of v0 got %s by %s", i, tagOf(d), d.Reason)
		case was[i] == "v0":
			taken[d.Version.Index]++
		}
	}
	// Those who had to go are divided like everybody else.
	if p, ok := fits(taken, []int{0, 30, 10}); !ok {
		t.Errorf("v1 and v2 took over %v, want 3 to 1; p = %v", taken, p)
	}
	w.heal("c0")
	for i := range n {
		if got := tagOf(s.Decide(user(i))); got != was[i] {
			t.Fatalf("user %d is with %s after v0 came back, was with %s", i, got, was[i])
		}
	}
}

func TestANewImageDrawsAFreshSample(t *testing.T) {
	t.Parallel()
	first := versions(t, 2)
	second := &world{t: t}
	second.start("c0", first.found[0].Version.ImageID, "v0")
	second.start("c1", "sha256:feed", "v1")
	c := Config{Weights: map[string]int{"v0": 90, "v1": 10}, Sticky: byUser}
	a, b := first.service(c), second.service(c)
	both, n := 0, 20_000
	for i := range n {
		if tagOf(a.Decide(user(i))) == "v1" && tagOf(b.Decide(user(i))) == "v1" {
			both++
		}
	}
	// Independent samples of 10 % share little more than 1 %: v0's draw is
	// common to both, so it is not exactly that.
	if both > n*4/100 {
		t.Errorf("%d of %d users are in the samples of both images", both, n)
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	s := w.service(weights(map[string]int{"v0": 30, "v1": 10}))
	f := func(want ...Share) {
		t.Helper()
		got := s.Shares()
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("v%d: got %+v, want %+v", i, got[i], want[i])
			}
		}
	}
	f(Share{30, 0.75}, Share{10, 0.25}, Share{0, 0})
	w.sicken("c0")
	f(Share{30, 0}, Share{10, 1}, Share{0, 0})
	w.sicken("c1")
	f(Share{30, 0}, Share{10, 0}, Share{0, 0})
}

// The first promise: a version is what runs, not what it is called.
func TestTheWeightOfAMovedTagStaysWithTheOldImage(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	w.start("old", "sha256:53bff422", "v1")
	w.start("new", "sha256:210fe938", "v1")
	s := w.service(weights(map[string]int{"v1": 1}))
	q := Query{Request: request{}}
	if got := s.Decide(q).Version; got.Name != "v1@53bff422" {
		t.Errorf("the newcomer %s took the weight", got.Name)
	}
	w.sicken("old")
	if got := s.Decide(q).Version; got != nil {
		t.Errorf("%s took the weight of an image that still runs", got.Name)
	}
	// With the old image gone its tag means the new one, without a new table.
	w.registry.Stopping("old", "stop signal 15 was sent")
	if got := s.Decide(q).Version; got == nil || got.Name != "v1@210fe938" {
		t.Errorf("got %v after the old image was gone", got)
	}
}

func TestWeightsByDigest(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	w.start("old", "sha256:53bff422", "v1")
	w.start("new", "sha256:210fe938", "v1")
	f := func(kv map[string]int, old, new float64) {
		t.Helper()
		got := w.service(weights(kv)).Shares()
		if got[0].Weight != old || got[1].Weight != new {
			t.Errorf("%v: got %+v, want %v and %v", kv, got, old, new)
		}
	}
	f(map[string]int{"v1": 10}, 10, 0)
	f(map[string]int{"v1@210f": 10}, 0, 10)
	f(map[string]int{"v1@sha256:210fe938": 10}, 0, 10)
	f(map[string]int{"v1@53bff422": 90, "v1@210fe938": 10}, 90, 10)
	// What a digest speaks of, the bare tag does not.
	f(map[string]int{"v1": 90, "v1@53bff422": 10}, 10, 90)
	f(map[string]int{"v2": 1}, 0, 0)
	// No weights at all: everything to the one that came first.
	f(nil, 1, 0)
}

func TestTwoTagsOfOneImageAddUp(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	w.start("a", "sha256:aaaa", "v1")
	w.start("b", "sha256:aaaa", "latest")
	w.start("c", "sha256:bbbb", "v2")
	got := w.service(weights(map[string]int{"v1": 1, "latest": 2, "v2": 1})).Shares()
	if got[0].Share != 0.75 || got[1].Share != 0.25 {
		t.Errorf("got %+v", got)
	}
}

func BenchmarkDecide(b *testing.B) {
	w := &world{t: &testing.T{}}
	w.start("a", "sha256:aaaa", "v1")
	w.start("b", "sha256:bbbb", "v2")
	s := w.service(Config{Weights: map[string]int{"v1": 90, "v2": 10}, Sticky: byUser})
	q := user(1)
	b.ReportAllocs()
	for b.Loop() {
		s.Decide(q)
	}
}

func TestADecisionAllocatesNothing(t *testing.T) {
	s := versions(t, 3).service(Config{Weights: map[string]int{"v0": 1, "v1": 1}, Sticky: byUser})
	q := user(1)
	if n := testing.AllocsPerRun(100, func() { s.Decide(q) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
