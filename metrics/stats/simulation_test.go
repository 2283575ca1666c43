package stats

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"
)

// The candidate's shares during a rollout, in steps of equal length.
var (
	ramp = []float64{0.01, 0.05, 0.25, 0.50}
	half = []float64{0.50}
)

// rollout sends requests to two versions and looks after every error. It
// returns after how many requests "worse" and "different" were first said; 0:
// never.
func rollout(random *rand.Rand, shares []float64, requests int, base func(progress float64) float64, ratio float64) (worse, different int) {
	events := make([]Events, len(shares))
	for i, rho := range shares {
		events[i].Odds = rho / (1 - rho)
	}
	for n := 0; n < requests; {
		progress := float64(n) / float64(requests)
		step := int(progress * float64(len(shares)))
		p := base(progress)
		candidate, stable := shares[step]*p*ratio, (1-shares[step])*p
		// Jump to the next error, but not past the end of a stretch over which
		// the rate is as good as constant.
		jump := int(math.Log(1-random.Float64()) / math.Log1p(-candidate-stable))
		if stretch := requests / 400; jump >= stretch {
			n += stretch
			continue
		}
		n += jump + 1
		if random.Float64()*(candidate+stable) < candidate {
			events[step].Candidate++
		} else {
			events[step].Stable++
		}
		e := testErrors.Weigh(events)
		if e.LogE(0) < -math.Log(0.05) {
			continue
		}
		if different == 0 {
			different = n
		}
		if e.leansUp() && worse == 0 {
			worse = n
		}
	}
	return worse, different
}

func falling(progress float64) float64 { return 0.01 * math.Pow(0.2, progress) }

// Equal versions are said to be different in at most 5 % of rollouts, and the
// candidate to be worse in at most α/(2−α) = 2.6 %, though there is a look after
// every error, the weights change and the base rate falls.
func TestEqualVersionsRaiseFewAlarms(t *testing.T) {
	t.Parallel()
	runs := simulated(300)
	var worse, different int
	for seed := range runs {
		w, d := rollout(rand.New(rand.NewPCG(uint64(seed), 7)), ramp, 20_000, falling, 1)
		if w > 0 {
			worse++
		}
		if d > 0 {
			different++
		}
	}
	t.Logf("of %d rollouts %d were called different, %d worse", runs, different, worse)
	f := func(what string, got int, bound float64) {
		t.Helper()
		n := float64(runs)
		if most := n*bound + 3*math.Sqrt(n*bound*(1-bound)); float64(got) > most {
			t.Errorf("%d of %d equal candidates are %s, want at most %.1f", got, runs, what, most)
		}
	}
	f("different", different, 0.05)
	f("worse", worse, 0.05/(2-0.05))
}

func TestADoubledErrorRateIsFound(t *testing.T) {
	t.Parallel()
	runs := simulated(100)
	f := func(what string, shares []float64, least int) {
		t.Helper()
		found := 0
		for seed := range runs {
			steady := func(float64) float64 { return 0.01 }
			if w, _ := rollout(rand.New(rand.NewPCG(uint64(seed), 8)), shares, 20_000, steady, 2); w > 0 {
				found++
			}
		}
		t.Logf("%s: %d of %d were found", what, found, runs)
		if found < least {
			t.Errorf("%s: %d of %d candidates with twice the errors were found, want at least %d", what, found, runs, least)
		}
	}
	f("at half of the traffic", half, runs)
	f("in a ramp, half of which is next to no traffic", ramp, runs*8/10)
}

// Users are not alike: a few send most of the requests, and a few meet most of
// the errors, whichever version they get. Counted once, they raise few alarms;
// counted by the request, so many that this test can tell.
func TestUnlikeUsersRaiseFewAlarms(t *testing.T) {
	t.Parallel()
	runs := simulated(100)
	alarms := func(byUnit bool) (n int) {
		for seed := range runs {
			if stickyRollout(rand.New(rand.NewPCG(uint64(seed), 9)), byUnit) {
				n++
			}
		}
		return n
	}
	n := float64(runs)
	once, always := alarms(true), alarms(false)
	t.Logf("of %d rollouts %d raise an alarm counted by user, %d by request", runs, once, always)
	if most := n*0.05 + 3*math.Sqrt(n*0.05*0.95); float64(once) > most {
		t.Errorf("%d of %d equal candidates raise an alarm, want at most %.1f", once, runs, most)
	}
	if always < runs/4 {
		t.Errorf("by request, %d of %d raise an alarm: the users are too much alike to test anything", always, runs)
	}
}

// stickyRollout records requests of 1,000 users of two equal versions, and
// reports whether a look in between raised an alarm.
func stickyRollout(random *rand.Rand, byUnit bool) bool {
	type user struct {
		id    uint64
		side  Side
		fails float64
		until float64 // of the requests up to this one belong to it or to those before
	}
	users, all := make([]user, 1000), 0.0
	for i := range users {
		u := &users[i]
		u.id, u.side, u.fails = random.Uint64(), Side(random.IntN(2)), 0.001
		if random.IntN(50) == 0 {
			u.fails = 0.2
		}
		all += math.Pow(1-random.Float64(), -1/1.2) // Pareto
		u.until = all
	}
	r := NewRecorder(shop, byUnit, nil)
	split := r.Split(1, 1)
	for n := range 20_000 {
		at := random.Float64() * all
		u := users[sort.Search(len(users)-1, func(i int) bool { return users[i].until > at })]
		request(split, u.side, &Sample{Unit: u.id, Failed: random.Float64() < u.fails})
		if n%1000 == 999 && testErrors.Weigh(r.Sums().Scopes[0].events(countFailed, everyStratum)).P() < 0.05 {
			return true
		}
	}
	return false
}

// simulated is how many runs there is time for.
func simulated(runs int) int {
	if testing.Short() || raceDetector {
		return runs / 10
	}
	return runs
}
