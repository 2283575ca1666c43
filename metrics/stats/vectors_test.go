package stats

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// testdata/vectors.json was computed twice, with doubles and with 40 digits by
// other quadratures and root finders. Each group of it has a test here, and a
// group that has none fails.
var vectorTests = map[string]func(*testing.T, json.RawMessage){
	"odds_eprocess":        testOddsVectors,
	"expectation_is_one":   testExpectationVectors,
	"rate_cs":              testRateVectors,
	"srm_dirichlet_n_arms": testSharesVectors,
	"asymptotic_cs":        testMeanVectors,
	"stratified_mean":      testStratifiedMeanVectors,
	"display":              testDisplayVectors,
	"scopes":               testScopeVectors,
	"histogram_schema5":    testSchemaVectors,
	"quantile_ratio":       testQuantileRatioVectors,
	"events_needed":        testEventsNeededVectors,
	"verdicts":             testVerdictVectors,
	"third_party_checked":  testThirdPartyVectors,
}

func TestVectorsReproduce(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var groups map[string]json.RawMessage
	if err := json.Unmarshal(text, &groups); err != nil {
		t.Fatal(err)
	}
	delete(groups, "meta")
	for name := range vectorTests {
		if groups[name] == nil {
			t.Errorf("group %s is not in the file", name)
		}
	}
	for name, group := range groups {
		test := vectorTests[name]
		if test == nil {
			t.Errorf("group %s has no test", name)
			continue
		}
		t.Run(name, func(t *testing.T) { test(t, group) })
	}
}

// each reads a group and calls f with every vector of it.
func each[V any](t *testing.T, group json.RawMessage, f func(V)) {
	t.Helper()
	var vectors []V
	if err := json.Unmarshal(group, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Error("the group is empty")
	}
	for _, v := range vectors {
		f(v)
	}
}

// number is a float64 of the file, in which infinity is null.
type number = *float64

// same compares with the tolerance of the file; a want of nil is infinite.
func same(t *testing.T, what string, got float64, want number) {
	t.Helper()
	switch {
	case want == nil:
		if !math.IsInf(got, 0) && !math.IsNaN(got) {
			t.Errorf("%s is %v, want no finite number", what, got)
		}
	case !(math.Abs(got-*want) <= 1e-9*math.Abs(*want)) && !(math.Abs(*want) < 1e-9 && math.Abs(got) < 2e-9):
		t.Errorf("%s is %.17g, want %.17g", what, got, *want)
	}
}

func sameRange(t *testing.T, what string, lower, upper float64, want [2]number) {
	t.Helper()
	same(t, what+" lower", lower, want[0])
	same(t, what+" upper", upper, want[1])
}

func eventsOf(rows [][3]float64) (events []Events) {
	for _, r := range rows {
		events = append(events, Events{r[0], uint64(r[1]), uint64(r[2])})
	}
	return events
}

func testOddsVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Name      string
		Tau, Phi  float64
		Strata    [][3]float64
		LogM      number    `json:"log_m"`
		Loglik0   number    `json:"loglik_0"`
		LogE0     number    `json:"log_e_0"`
		P         number    `json:"p_anytime"`
		LogEHalf  number    `json:"log_e_log1.5"`
		MLE       number    `json:"mle_log_ratio"`
		CS95Log   [2]number `json:"cs95_log"`
		CS99Log   [2]number `json:"cs99_log"`
		CS95Ratio [2]number `json:"cs95_ratio"`
		CS99Ratio [2]number `json:"cs99_ratio"`
	}) {
		e := OddsTest{v.Tau, v.Phi}.Weigh(eventsOf(v.Strata))
		same(t, v.Name+": ln M", e.m.logM, v.LogM)
		same(t, v.Name+": likelihood", e.l.at(0), v.Loglik0)
		same(t, v.Name+": ln E", e.LogE(0), v.LogE0)
		same(t, v.Name+": p", e.P(), v.P)
		same(t, v.Name+": ln E against 1.5", e.LogE(math.Log(1.5)), v.LogEHalf)
		same(t, v.Name+": estimate", e.l.peak(), v.MLE)
		for alpha, want := range map[float64][2][2]number{0.05: {v.CS95Log, v.CS95Ratio}, 0.01: {v.CS99Log, v.CS99Ratio}} {
			lower, upper := e.bounds(alpha)
			sameRange(t, v.Name+": log range", lower, upper, want[0])
			ratio := e.Ratio(alpha)
			sameRange(t, v.Name+": range", ratio.Lower, ratio.Upper, want[1])
		}
	})
}

// The mean of the e-value over all that can happen is one: it is a fair bet.
func testExpectationVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Rho, Tau float64
		Events   uint64
		Expected number `json:"expected_e_value"`
	}) {
		sum := 0.0
		n := float64(v.Events)
		for c := range v.Events + 1 {
			k := float64(c)
			logP := logGamma(n+1) - logGamma(k+1) - logGamma(n-k+1) + k*math.Log(v.Rho) + (n-k)*math.Log1p(-v.Rho)
			e := OddsTest{Tau: v.Tau}.Weigh([]Events{{v.Rho / (1 - v.Rho), c, v.Events - c}})
			sum += math.Exp(logP + e.LogE(0))
		}
		same(t, "mean of E", sum, v.Expected)
	})
}

func testRateVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		K, N       uint64
		CS95, CS99 [2]number
	}) {
		r := RateInterval(v.K, v.N, 0.05)
		sameRange(t, "rate 95 %", r.Lower, r.Upper, v.CS95)
		r = RateInterval(v.K, v.N, 0.01)
		sameRange(t, "rate 99 %", r.Lower, r.Upper, v.CS99)
	})
}

func testSharesVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Counts []uint64
		Rho    []float64
		Kappa  float64
		LogE   number `json:"log_e"`
		P      number `json:"p_anytime"`
	}) {
		logE := SharesLogE(v.Counts, v.Rho, v.Kappa)
		same(t, "ln E", logE, v.LogE)
		same(t, "p", chance(logE), v.P)
	})
}

func testMeanVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Error     float64 `json:"se"`
		N         float64 `json:"n_eff"`
		Tuned     float64 `json:"n_opt"`
		Alpha     float64
		K         number `json:"robbins_k"`
		HalfWidth number `json:"half_width"`
		Diff      float64
		LogE      number `json:"log_e"`
	}) {
		d := MeanDifference{v.Diff, v.Error, v.N, v.Tuned}
		same(t, "K", d.rho(v.Alpha), v.K)
		same(t, "half width", d.halfWidth(v.Alpha), v.HalfWidth)
		same(t, "ln E", d.LogE(v.Alpha), v.LogE)
	})
}

func testStratifiedMeanVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Strata    [][2][3]float64 `json:"strata_n_sum_sumsq_candidate_stable"`
		Diff      number
		Error     number  `json:"se"`
		N         number  `json:"n_eff"`
		Tuned     float64 `json:"n_opt"`
		Alpha     float64
		HalfWidth number `json:"half_width"`
		Interval  [2]number
		LogE      number `json:"log_e"`
	}) {
		var strata []MeanStratum
		for _, s := range v.Strata {
			strata = append(strata, MeanStratum{
				Moments{s[0][0], s[0][1], s[0][2]}, Moments{s[1][0], s[1][1], s[1][2]},
			})
		}
		d := CompareMeans(strata)
		same(t, "difference", d.Difference, v.Diff)
		same(t, "standard error", d.Error, v.Error)
		same(t, "n", d.N, v.N)
		same(t, "half width", d.halfWidth(v.Alpha), v.HalfWidth)
		same(t, "ln E", d.LogE(v.Alpha), v.LogE)
		i := d.Interval(v.Alpha)
		sameRange(t, "interval", i.Lower, i.Upper, v.Interval)
	})
}

func testDisplayVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Strata    [][4]uint64 `json:"generations_nc_kc_ns_ks"`
		Candidate number      `json:"candidate_rate"`
		Stable    number      `json:"stable_rate_standardised"`
		Diff      number      `json:"diff_standardised"`
		Ratio     number
		RatioCS   [2]number `json:"ratio_cs95"`
		DiffCS    [2]number `json:"diff_cs95"`
	}) {
		var outcomes []OutcomePair
		var events []Events
		for _, s := range v.Strata {
			outcomes = append(outcomes, OutcomePair{Outcome{s[1], s[0]}, Outcome{s[3], s[2]}})
			events = append(events, Events{float64(s[0]) / float64(s[2]), s[1], s[3]})
		}
		rates := Standardise(outcomes)
		ratio := testErrors.Weigh(events).Ratio(0.05)
		difference := rates.Difference(ratio)
		same(t, "candidate", rates.Candidate, v.Candidate)
		same(t, "stable", rates.Stable, v.Stable)
		same(t, "difference", difference.Estimate, v.Diff)
		same(t, "ratio", ratio.Estimate, v.Ratio)
		sameRange(t, "ratio", ratio.Lower, ratio.Upper, v.RatioCS)
		sameRange(t, "difference", difference.Lower, difference.Upper, v.DiffCS)
	})
}

func testScopeVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Alpha      float64   `json:"alpha_m"`
		LogE       []float64 `json:"log_e_by_scope"`
		Thresholds []number
		Alarming   []int `json:"alarming_scopes"`
	}) {
		var alarming []int
		for i, logE := range v.LogE {
			threshold := ScopeThreshold(v.Alpha, uint32(i))
			same(t, "threshold", threshold, v.Thresholds[i])
			if logE >= threshold {
				alarming = append(alarming, i)
			}
		}
		if !slices.Equal(alarming, v.Alarming) {
			t.Errorf("scopes %v raise the alarm, want %v", alarming, v.Alarming)
		}
	})
}

func testSchemaVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Seconds      float64
		Index        int
		Lower, Upper number
	}) {
		got := bucketOf(v.Seconds)
		if got != v.Index {
			t.Errorf("%v s is in bucket %d, want %d", v.Seconds, got, v.Index)
		}
		sameRange(t, "bucket", BucketEnd(got-1), BucketEnd(got), [2]number{v.Lower, v.Upper})
	})
}

func testQuantileRatioVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Generations []struct {
			W                 float64
			Ref               int
			Stable, Candidate [][2]int
		}
		Tau, Alpha float64
		ByShift    []struct {
			Shift  int
			Strata [][3]float64
			LogE   number `json:"log_e_0"`
		} `json:"by_shift"`
		Ratio   [2]number `json:"ratio_cs95"`
		Verdict string    `json:"verdict_at_shift_0"`
	}) {
		var strata []LatencyStratum
		for _, g := range v.Generations {
			s := LatencyStratum{g.W, g.Ref, new(Histogram), new(Histogram)}
			for _, bin := range g.Candidate {
				s.Candidate.Add(bin[0], uint64(bin[1]))
			}
			for _, bin := range g.Stable {
				s.Stable.Add(bin[0], uint64(bin[1]))
			}
			strata = append(strata, s)
		}
		q := OddsTest{Tau: v.Tau}.CompareLatencies(strata)
		for _, s := range v.ByShift {
			if got, want := q.Events(s.Shift), eventsOf(s.Strata); !slices.Equal(got, want) {
				t.Errorf("shift %d gives %v, want %v", s.Shift, got, want)
			}
			same(t, "ln E", q.test.Weigh(q.Events(s.Shift)).LogE(0), s.LogE)
		}
		ratio := q.Interval(v.Alpha)
		sameRange(t, "ratio", ratio.Lower, ratio.Upper, v.Ratio)
		if !(ratio.Lower < ratio.Estimate && ratio.Estimate < ratio.Upper) {
			t.Errorf("the estimate is outside of %v", ratio)
		}
		if slower := q.test.Weigh(q.Events(0)).Ratio(v.Alpha).Lower > 1; slower != (v.Verdict == "slower") {
			t.Errorf("slower: %v, want %s", slower, v.Verdict)
		}
	})
}

func testEventsNeededVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Ratio, Rho, Tau, Alpha float64
		Events                 number
		Gain                   number `json:"kl_per_event"`
		Requests               number `json:"requests_if_stable_rate_1pct"`
	}) {
		f := OddsTest{Tau: v.Tau}.EventsNeeded(v.Ratio, v.Rho, v.Alpha)
		same(t, "events", f.Events, v.Events)
		same(t, "gain", f.Gain, v.Gain)
		same(t, "requests", f.Requests(0.01), v.Requests)
	})
}

func testVerdictVectors(t *testing.T, group json.RawMessage) {
	each(t, group, func(v struct {
		Lo, Est, Hi, Rel, Abs float64
		Rate                  float64 `json:"stable_rate"`
		Tolerated             number  `json:"tolerated_ratio"`
		Verdict               Word
		Advance               map[string]bool `json:"may_advance_to"`
	}) {
		margin := Margin{Relative: v.Rel, Absolute: v.Abs}
		tolerated := margin.Tolerated(1, v.Rate, 1e9)
		same(t, "tolerated", tolerated, v.Tolerated)
		if got := classify(Interval{v.Lo, v.Est, v.Hi}, tolerated); got != v.Verdict {
			t.Errorf("%v with %v tolerated is %s, want %s", v.Lo, tolerated, got, v.Verdict)
		}
		for text, want := range v.Advance {
			var weight float64
			if err := json.Unmarshal([]byte(text), &weight); err != nil {
				t.Fatal(err)
			}
			if got := v.Verdict.allows(v.Hi, margin.Tolerated(weight, v.Rate, 1e9)); got != want {
				t.Errorf("up to %v may go to weight %s: %v, want %v", v.Hi, text, got, want)
			}
		}
	})
}

// The numbers of others, to the digits that they print.
func testThirdPartyVectors(t *testing.T, group json.RawMessage) {
	var have []float64
	each(t, group, func(v struct{ Values []float64 }) { have = append(have, v.Values...) })
	d := MeanDifference{Difference: 0.1, Error: 0.1, N: 100, Tuned: 100}
	got := []float64{
		// confseq: best_rho, the two-sided normal mixture at a sum of 10, its bound.
		d.rho(0.05),
		d.halfWidth(0.05) * d.N,
		d.LogE(0.05),
		// confseq: the two-sided beta-binomial mixture, g = 0.2, h = 0.8, at a
		// sum of 10 and an intrinsic time of 100: 10 more than 125 in 625.
		SharesLogE([]uint64{135, 490}, []float64{0.2, 0.8}, (d.rho(0.05)-0.2*0.8)/(0.2*0.8)),
		// GrowthBook: SequentialTwoSidedTTest.
		MeanDifference{0.50336, 0.33341, 6461, 1000}.halfWidth(0.05),
	}
	if len(got) != len(have) {
		t.Fatalf("%d numbers are checked, %d are in the file", len(got), len(have))
	}
	for i, want := range have {
		if math.Abs(got[i]-want) > 1e-5*max(1, math.Abs(want)) {
			t.Errorf("number %d is %v, want %v", i, got[i], want)
		}
	}
}
