package stats

import (
	"math/rand/v2"
	"testing"
	"time"
)

// rolledOut plays a whole rollout at 100 requests a second, with a look every
// ten seconds: recorder, sums, judge and decision as they will be used. It
// returns how it ended and after what time.
func rolledOut(random *rand.Rand, stable, candidate float64) (Action, time.Duration) {
	const tick, perTick = 10 * time.Second, 1000
	r, judge := NewRecorder(shop, false, nil), DefaultJudge()
	steps := []uint32{5, 25, 50, 100}
	inStep := time.Duration(0)
	for step, now := 0, tick; ; now += tick {
		split := r.Split(100-steps[step], steps[step])
		for range perTick {
			side, fails := Stable, stable
			if random.Uint32N(100) < steps[step] {
				side, fails = Candidate, candidate
			}
			latency := 50 + 30*random.ExpFloat64()
			request(split, side, &Sample{Latency: time.Duration(latency * 1e6), Failed: random.Float64() < fails})
		}
		inStep += tick
		next := Stage{Next: float64(steps[step+1]) / 100, InStep: inStep}
		switch d := judge.Examine(r.Sums()).Decide(next, DefaultPatience()); d.Action {
		case Wait:
		case Advance:
			step, inStep = step+1, 0
			if steps[step] == 100 {
				return Advance, now
			}
		default:
			return d.Action, now
		}
	}
}

func TestARolloutEndsAsItShould(t *testing.T) {
	t.Parallel()
	f := func(what string, stable, candidate float64, want Action, atMost time.Duration) {
		t.Helper()
		runs, longest := max(1, simulated(5)), time.Duration(0)
		for seed := range runs {
			action, after := rolledOut(rand.New(rand.NewPCG(uint64(seed), 11)), stable, candidate)
			if action != want {
				t.Errorf("%s: ends with %s after %v, want %s", what, action, after, want)
			}
			longest = max(longest, after)
		}
		t.Logf("%s: %s after at most %v", what, want, longest)
		if longest > atMost {
			t.Errorf("%s: takes up to %v, want at most %v", what, longest, atMost)
		}
	}
	f("an equal candidate", 0.05, 0.05, Advance, time.Hour)
	f("twice the errors", 0.05, 0.10, RollBack, 10*time.Minute)
	f("a rare error five times as often", 0.002, 0.010, RollBack, 20*time.Minute)
}
