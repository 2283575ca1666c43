package metrics

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// compared is a comparison in which little is known.
var compared = ComparisonStatus{
	Service: "shop", Stable: "v1", Candidate: "v2", Verdict: "worse",
	Findings: []FindingStatus{
		{
			Metric: "errors", Word: "worse", Ratio: [3]float64{1.9, 3.8, 7}, Difference: [3]float64{0.001, 0.0031, 0.0066},
			Tolerated: 1.25, ETA: math.NaN(), StableEvents: 209, CandidateEvents: 42,
			Evidence: map[string]Evidence{"whole": {20.5, 4.6}, "recent": {7, 5.3}},
		},
		{
			Metric: "p99", Word: "undecided", Ratio: [3]float64{0, math.NaN(), math.Inf(1)}, Difference: [3]float64{math.NaN(), math.NaN(), math.NaN()},
			Tolerated: 1.2, ETA: 720, Evidence: map[string]Evidence{"whole": {0, 4.6}},
		},
	},
	Split:   SplitStatus{Off: true, Evidence: Evidence{8, 6.9}, Expected: 0.05, Observed: 0.047},
	Proxies: []SplitStatus{{Proxy: "edge-1", Evidence: Evidence{0, 6.9}, Expected: 0.05, Observed: math.NaN()}},
}

func TestAComparisonIsExportedWithAllItsNumbers(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	p.Watch(func() Snapshot { return Snapshot{Comparisons: []ComparisonStatus{compared}} })
	want := `divvy_comparison_alarm_line{candidate="v2",metric="errors",scope="recent",service="shop"} 5.3
divvy_comparison_alarm_line{candidate="v2",metric="errors",scope="whole",service="shop"} 4.6
divvy_comparison_alarm_line{candidate="v2",metric="p99",scope="whole",service="shop"} 4.6
divvy_comparison_difference{bound="estimate",candidate="v2",metric="errors",service="shop"} 0.0031
divvy_comparison_difference{bound="lower",candidate="v2",metric="errors",service="shop"} 0.001
divvy_comparison_difference{bound="upper",candidate="v2",metric="errors",service="shop"} 0.0066
divvy_comparison_eta_seconds{candidate="v2",metric="p99",service="shop"} 720
divvy_comparison_events_total{candidate="v2",metric="errors",service="shop",side="candidate"} 42
divvy_comparison_events_total{candidate="v2",metric="errors",service="shop",side="stable"} 209
divvy_comparison_events_total{candidate="v2",metric="p99",service="shop",side="candidate"} 0
divvy_comparison_events_total{candidate="v2",metric="p99",service="shop",side="stable"} 0
divvy_comparison_evidence{candidate="v2",metric="errors",scope="recent",service="shop"} 7
divvy_comparison_evidence{candidate="v2",metric="errors",scope="whole",service="shop"} 20.5
divvy_comparison_evidence{candidate="v2",metric="p99",scope="whole",service="shop"} 0
divvy_comparison_info{candidate="v2",service="shop",stable="v1"} 1
divvy_comparison_ratio{bound="estimate",candidate="v2",metric="errors",service="shop"} 3.8
divvy_comparison_ratio{bound="lower",candidate="v2",metric="errors",service="shop"} 1.9
divvy_comparison_ratio{bound="lower",candidate="v2",metric="p99",service="shop"} 0
divvy_comparison_ratio{bound="upper",candidate="v2",metric="errors",service="shop"} 7
divvy_comparison_ratio{bound="upper",candidate="v2",metric="p99",service="shop"} +Inf
divvy_comparison_tolerated_ratio{candidate="v2",metric="errors",service="shop"} 1.25
divvy_comparison_tolerated_ratio{candidate="v2",metric="p99",service="shop"} 1.2
`
	var verdicts []string
	for metric, is := range map[string]string{"all": "worse", "errors": "worse", "p99": "undecided"} {
		names := Words[:]
		if metric == "all" {
			names = Verdicts[:]
		}
		for _, v := range names {
			verdicts = append(verdicts, fmt.Sprintf("divvy_comparison_verdict{candidate=%q,metric=%q,service=%q,verdict=%q} %v\n", "v2", metric, "shop", v, number(v == is)))
		}
	}
	got := scrape(t, p, "divvy_comparison_")
	for _, line := range verdicts {
		if !strings.Contains(got, line) {
			t.Errorf("%s is missing", line)
		}
		got = strings.Replace(got, line, "", 1)
	}
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	want = `divvy_srm_alarm_line{candidate="v2",proxy="",service="shop"} 6.9
divvy_srm_alarm_line{candidate="v2",proxy="edge-1",service="shop"} 6.9
divvy_srm_detected{candidate="v2",proxy="",service="shop"} 1
divvy_srm_detected{candidate="v2",proxy="edge-1",service="shop"} 0
divvy_srm_evidence{candidate="v2",proxy="",service="shop"} 8
divvy_srm_evidence{candidate="v2",proxy="edge-1",service="shop"} 0
divvy_srm_share_ratio{bound="expected",candidate="v2",proxy="",service="shop"} 0.05
divvy_srm_share_ratio{bound="expected",candidate="v2",proxy="edge-1",service="shop"} 0.05
divvy_srm_share_ratio{bound="observed",candidate="v2",proxy="",service="shop"} 0.047
`
	if got := scrape(t, p, "divvy_srm_"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
