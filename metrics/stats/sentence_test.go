package stats

import (
	"math"
	"testing"
)

// ran is what both versions did in one stratum: units and events of each.
type ran struct {
	stable, candidate              uint32 // weights
	units, events, cUnits, cEvents uint64
}

// sumsOf makes sums in which what was counted so often.
func sumsOf(what int, all ...ran) *Sums {
	s := NewSums()
	for _, r := range all {
		stratum := Stratum{r.stable, r.candidate, NoEdge, NoEdge}
		pair := entry(s.scope(0).Tallies, stratum)
		pair[Stable][countUnits], pair[Candidate][countUnits] = r.units, r.cUnits
		pair[Stable][what], pair[Candidate][what] = r.events, r.cEvents
		s.Strata[stratum] = new(Pair[Requests])
	}
	return s
}

var v2v1 = Names{Candidate: "v2", Stable: "v1"}

func TestASentenceHasAllNumbers(t *testing.T) {
	t.Parallel()
	j := DefaultJudge()
	j.Goals = []GoalMargin{{Name: "signup", Margin: Margin{Relative: 0.03}}}
	f := func(metric string, s *Sums, n Names, want string) {
		t.Helper()
		if got := j.Examine(s).Finding(metric).Sentence(n); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f("errors", sumsOf(countFailed, ran{19, 1, 190_000, 209, 10_000, 42}), v2v1,
		"v2 is WORSE on errors: 0.42 % of requests failed, v1 0.11 % over the same traffic mix: +0.31 points (99 % sure: +0.099 to +0.66; 1.9 to 7.0 times v1). Allowed: 1.9 times.")
	// Equal versions while the base rate falls: pooled rates would say 62 % better.
	f("errors", sumsOf(countFailed,
		ran{99, 1, 247_500, 2475, 2500, 25}, ran{95, 5, 237_500, 2375, 12_500, 125},
		ran{75, 25, 187_500, 375, 62_500, 125}, ran{50, 50, 125_000, 250, 125_000, 250}), v2v1,
		"v2 is no worse on errors: 0.26 % vs 0.26 % (0.81 to 1.22 times v1; allowed 1.39).")
	f("errors", sumsOf(countFailed, ran{50, 50, 100_000, 900, 100_000, 300}), v2v1,
		"v2 is better on errors: 0.30 % vs 0.90 % (0.25 to 0.43 times v1; allowed 1.25).")
	f("errors", sumsOf(countFailed, ran{50, 50, 1e6, 10_000, 1e6, 11_000}), v2v1,
		"v2 is slightly worse on errors, within what is allowed: 1.1 % vs 1.0 % (1.04 to 1.17 times v1; allowed 1.25).")
	f("errors", sumsOf(countFailed, ran{50, 50, 1e5, 1000, 1e5, 1200}), v2v1,
		"v2 is worse on errors, by how much is not clear yet: 1.2 % vs 1.0 % (1.01 to 1.42 times v1; allowed 1.25).")
	f("errors", sumsOf(countFailed, ran{19, 1, 95_000, 19, 5000, 0}), v2v1,
		"No errors in v2 yet (0 of 5,000): its rate is below 0.19 % (99 % sure). A doubling would show after about 1,700,000 more requests.")
	f("errors", sumsOf(countFailed, ran{19, 1, 95_000, 105, 5000, 4}), Names{Candidate: "v2", Stable: "v1", PerSecond: 100},
		"Cannot tell yet on errors: v2 0.080 %, v1 0.11 % (0.074 to 2.8 times). A doubling would show after about 37 more minutes.")
	f("errors", sumsOf(countFailed), v2v1, "Cannot tell yet on errors: there were no requests.")
	f("errors", sumsOf(countFailed, ran{19, 1, 100, 0, 0, 0}), v2v1, "Cannot tell yet on errors: v2 has had no requests.")
	f("signup", sumsOf(countGoals, ran{50, 50, 20_000, 2000, 20_000, 1500}), Names{Candidate: "v2", Stable: "v1", Trial: "users"},
		"v2 is WORSE on signup: 7.5 % of users reached it, v1 10 % over the same traffic mix: −2.5 points (99 % sure: −3.4 to −1.5; 0.66 to 0.85 times v1). Allowed: 0.97 times.")
	f("speed", sumsOf(countFailed, ran{50, 50, 1000, 0, 1000, 0}), v2v1,
		"Cannot tell yet on typical request: there were no requests.")
}

func TestASentenceSaysThatASplitIsOff(t *testing.T) {
	t.Parallel()
	f := func(s *Sums, n Names, want string) {
		t.Helper()
		if got := DefaultJudge().Split(s).Sentence(n); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f(sumsOf(countUnits, ran{19, 1, 95_300, 95_300, 4700, 4700}), Names{Candidate: "v2", Trial: "units"},
		"Traffic split is off: v2 got 4.70 % of the units, 5.00 % were meant (1 in 1,880 by chance). Comparison not trustworthy; promotion blocked.")
	f(sumsOf(countUnits, ran{19, 1, 95_000, 95_000, 5000, 5000}), v2v1, "")
	f(sumsOf(countUnits, ran{1, 1, 90_000, 90_000, 50_000, 50_000}), v2v1,
		"Traffic split is off: v2 got 35.71 % of the requests, 50.00 % were meant (less than 1 in a billion by chance). Comparison not trustworthy; promotion blocked.")
}

func TestNumbersArePrintedForPeople(t *testing.T) {
	t.Parallel()
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(percent(0.00099999), "0.10 %")
	f(percent(0.123), "12 %")
	f(percent(1), "100 %")
	f(percent(0), "0 %")
	f(points(0.0031), "+0.31")
	f(points(-0.0031), "−0.31")
	f(ratio(120), "120")
	f(ratio(1.96), "2.0")
	f(ratio(1.25), "1.25")
	f(ratio(0.074), "0.074")
	f(milliseconds(0.52), "520 ms")
	f(milliseconds(0.00052), "0.520 ms")
	f(milliseconds(12.34), "12.3 s")
	f(whole(1880.2), "1,880")
	f(whole(27), "27")
	f(rough(12345), "12,000")
	f(sure(0.01), "99 % sure")
	f(sure(0.005), "99.5 % sure")
	f(times(Interval{0, 1, math.Inf(1)}, "v1"), "any number of times v1")
	f(times(Interval{1.9, 3, math.Inf(1)}, "v1"), "at least 1.9 times v1")
	f(times(Interval{0, 1, 1.2}, ""), "at most 1.20 times")
}
