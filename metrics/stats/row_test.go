package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

// copied returns a report as it arrives over the wire.
func copied(t *testing.T, r *Report) *Report {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	out := new(Report)
	if err := json.Unmarshal(data, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestARowHasAllNumbers(t *testing.T) {
	t.Parallel()
	j := DefaultJudge()
	j.Goals = []GoalMargin{{Name: "signup", Margin: Margin{Relative: 0.03}}}
	f := func(metric string, s *Sums, want string) {
		t.Helper()
		r := copied(t, j.Examine(s))
		row := r.Finding(metric).Row()
		got := strings.Join([]string{row.Metric, row.Candidate, row.Stable, row.Difference, row.Ratio, row.Allowed, row.Verdict}, " | ")
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if n := utf8.RuneCountInString(got) - 18 + 12; n > 80 {
			t.Errorf("%d columns with two between cells: %s", n, got)
		}
	}
	f("errors", sumsOf(countFailed, ran{19, 1, 190_000, 209, 10_000, 42}), "errors | 0.42 % | 0.11 % | +0.31 points | 3.8 (1.9–7.0) | ≤ 1.9 | WORSE")
	f("errors", sumsOf(countFailed, ran{50, 50, 100_000, 900, 100_000, 300}), "errors | 0.30 % | 0.90 % | −0.60 points | 0.33 (0.25–0.43) | ≤ 1.25 | better")
	f("errors", sumsOf(countFailed, ran{50, 50, 1e6, 10_000, 1e6, 11_000}), "errors | 1.1 % | 1.0 % | +0.1 points | 1.10 (1.04–1.17) | ≤ 1.25 | slightly worse")
	f("errors", sumsOf(countFailed, ran{50, 50, 1e5, 1000, 1e5, 1200}), "errors | 1.2 % | 1.0 % | +0.2 points | 1.20 (1.01–1.42) | ≤ 1.25 | worse, unclear")
	f("errors", sumsOf(countFailed, ran{19, 1, 95_000, 19, 5000, 0}), "errors | 0 % | 0.020 % | −0.020 points | 0 (0–6.4) | ≤ 6.0 | too early")
	f("errors", sumsOf(countFailed, ran{50, 50, 10_000, 0, 10_000, 50}), "errors | 0.50 % | 0 % | +0.50 points | 3.6–∞ | ≤ 21 | WORSE")
	f("signup", sumsOf(countGoals, ran{50, 50, 20_000, 2000, 20_000, 1500}), "signup* | 7.5 % | 10 % | −2.5 points | 0.75 (0.66–0.85) | ≥ 0.97 | WORSE")
	for _, metric := range []string{"errors", "p95", "p99", "speed"} { // nothing, in sums and in strata
		f(metric, sumsOf(countFailed, ran{19, 1, 0, 0, 0, 0}), metric+" | – | – | – | – | ≤ "+ratio(j.Examine(NewSums()).Finding(metric).Tolerated)+" | too early")
		f(metric, NewSums(), metric+" | – | – | – | – | ≤ "+ratio(j.Examine(NewSums()).Finding(metric).Tolerated)+" | too early")
	}
	f("canceled", NewSums(), "canceled* | – | – | – | – | ≤ 1.25 | too early")

	slow := good
	slow.latency *= 1.4
	row := copied(t, examined(60_000, good, slow)).Finding("p95").Row()
	if row.Verdict != "WORSE" || !strings.HasSuffix(row.Candidate, " ms") || !strings.HasPrefix(row.Difference, "+") || !strings.HasSuffix(row.Difference, " ms") {
		t.Errorf("a slow candidate has the row %+v", row)
	}
	same := Finding{Kind: Rate, Trials: Pair[uint64]{1, 1}, Candidate: 0.01002, Stable: 0.01, Difference: Interval{-1, 0.00002, 1}}
	if got := same.Row().Difference; got != "0.0 points" {
		t.Errorf("between 1.0 and 1.0 there are %s", got)
	}
	late := Finding{Word: NoWorse, Late: make([]Late, 1)}
	if got := late.Summary(); got != "WORSE now" {
		t.Errorf("what was found late is %q", got)
	}
}

func TestASentenceOfAVersionThatNeverFailedHasItsBounds(t *testing.T) {
	t.Parallel()
	got := DefaultJudge().Examine(sumsOf(countFailed, ran{50, 50, 10_000, 0, 10_000, 50})).Finding("errors").Sentence(v2v1)
	want := "v2 is WORSE on errors: 0.50 % of requests failed, v1 0 % over the same traffic mix: +0.50 points (99 % sure: +0 to +0.87; at least 3.6 times v1). Allowed: 21 times."
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAReportIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, r := range []*Report{examined(30_000, good, good), DefaultJudge().Examine(NewSums()), DefaultJudge().Examine(anySums(3))} {
		first, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(copied(t, r))
		if err != nil || string(again) != string(first) {
			t.Errorf("%v; got  %s\nwant %s", err, again, first)
		}
		if got, want := copied(t, r).Split.Seen(v2v1), r.Split.Seen(v2v1); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	var i Interval
	var n Number
	if err := json.Unmarshal([]byte(`{"lower": 1, "estimate": null, "upper": null}`), &i); err != nil || i.Lower != 1 || !math.IsNaN(i.Estimate) || !math.IsInf(i.Upper, 1) {
		t.Errorf("an open interval is %v, %v", i, err)
	}
	for _, text := range []string{`"x"`, `[]`, `{"lower": "x"}`} {
		if json.Unmarshal([]byte(text), &i) == nil || json.Unmarshal([]byte(text), &n) == nil {
			t.Errorf("%s is read", text)
		}
	}
}

func TestARemarkSaysWhatLimitsAReport(t *testing.T) {
	t.Parallel()
	r := &Report{Full: true, Lost: 1200, Elsewhere: Pair[uint64]{0, 17}, Split: SplitFinding{Units: Pair[uint64]{190_000, 10_000}}}
	n := Names{Candidate: "v2", Stable: "v1", Trial: "units"}
	want := "10,000 units of v2 and 190,000 of v1" +
		"\nAnother version answered 17 requests that were meant for v2; they count for v2." +
		"\nNo more units are counted: there is no room to tell new ones from known ones." +
		"\n1,200 requests are not counted: the weights were changed too often."
	if got := fmt.Sprint(r.Counted(n), "\n", strings.Join(r.Remarks(n), "\n")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r = DefaultJudge().Examine(NewSums())
	if got := r.Counted(v2v1) + strings.Join(r.Remarks(v2v1), ""); got != "no requests yet" {
		t.Errorf("of nothing it says %s", got)
	}
	if got := r.Split.Seen(v2v1); got != "there were no requests" {
		t.Errorf("of nothing it says %s", got)
	}
}
