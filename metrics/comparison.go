package metrics

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// ComparisonStatus is the present state of the comparison of a candidate with
// the stable version of its service.
type ComparisonStatus struct {
	Service, Stable, Candidate string // versions as in [Key]

	Verdict  string          // of the whole, one of Verdicts
	Findings []FindingStatus // each metric once
	Split    SplitStatus     // of all proxies together
	Proxies  []SplitStatus   // of each, where there are several
}

// FindingStatus is what was found about one metric. What is a rate is a
// fraction, what is a latency is in seconds. What is not known is NaN, and not
// exported; a bound that there is none of is infinite.
type FindingStatus struct {
	Metric     string     // "errors", "p95", "p99", "speed", "canceled", or the name of a goal
	Word       string     // one of Words
	Ratio      [3]float64 // lower, estimate, upper
	Difference [3]float64
	Tolerated  float64 // the ratio at which it is too much
	ETA        float64 // seconds until a doubling would show; NaN if there is no telling

	Evidence map[string]Evidence // by scope: "whole", and "recent" for the most telling restart

	// The grow-only counts of what is compared.
	StableEvents, CandidateEvents uint64
}

// Evidence is the log of the e-value against "no difference" in one scope, and
// where the alarm is raised.
type Evidence struct{ LogE, AlarmLine float64 }

// SplitStatus says whether the split that was seen is the one that was set.
type SplitStatus struct {
	Proxy              string // "" for all together
	Off                bool
	Evidence           Evidence
	Expected, Observed float64 // the candidate's share of what the two get, 0 to 1
}

// Verdicts are what a comparison can come to on the whole, Words what it can on one
// metric: the values of the label verdict.
var (
	Verdicts = [...]string{"worse", "no_worse", "cannot_tell"}
	Words    = [...]string{"worse", "worse_size_unclear", "slightly_worse_within_tolerance", "undecided", "no_worse", "better"}
)

// bounds are the values of the label bound, in the order of an interval.
var bounds = [...]string{"lower", "estimate", "upper"}

// wholeMetric is the value of the label metric for all of a comparison.
const wholeMetric = "all"

// comparisons exports the comparisons of a snapshot.
type comparisons struct {
	info, ratio, difference, evidence, line, tolerated, verdict, events, eta *prometheus.Desc
	off, splitEvidence, splitLine, share                                     *prometheus.Desc
}

func newComparisons() *comparisons {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"service", "candidate"}, labels...), nil)
	}
	return &comparisons{
		info:       desc("divvy_comparison_info", "Which version the candidate is compared with; always 1.", "stable"),
		ratio:      desc("divvy_comparison_ratio", "Candidate over stable, and the range that the ratio is in however often one looks; +Inf where it has no bound yet.", "metric", "bound"),
		difference: desc("divvy_comparison_difference", "Candidate minus stable, and its range: a fraction for rates, seconds for latencies; not there where it is not known.", "metric", "bound"),
		evidence:   desc("divvy_comparison_evidence", "Natural logarithm of the e-value against no difference, for all of the comparison (whole) and for the restart with the most (recent).", "metric", "scope"),
		line:       desc("divvy_comparison_alarm_line", "The evidence from which on no difference is ruled out.", "metric", "scope"),
		tolerated:  desc("divvy_comparison_tolerated_ratio", "The ratio from which on the candidate is too bad; for goals, below which.", "metric"),
		verdict:    desc("divvy_comparison_verdict", "1 for the verdict that there is, 0 for all others; metric all is the comparison as a whole.", "metric", "verdict"),
		events:     desc("divvy_comparison_events_total", "What was counted for the comparison: errors, slow requests, goals.", "metric", "side"),
		eta:        desc("divvy_comparison_eta_seconds", "Time until a doubling would show at the present traffic; not there if it is not known.", "metric"),

		off:           desc("divvy_srm_detected", "Whether the split that was seen is not the one that was set (sample ratio mismatch).", "proxy"),
		splitEvidence: desc("divvy_srm_evidence", "Natural logarithm of the e-value against a split that is as set.", "proxy"),
		splitLine:     desc("divvy_srm_alarm_line", "The evidence from which on the split is off.", "proxy"),
		share:         desc("divvy_srm_share_ratio", "The candidate's share of what it and stable got, as the weights mean it and as it was.", "proxy", "bound"),
	}
}

func (c *comparisons) describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.info, c.ratio, c.difference, c.evidence, c.line, c.tolerated, c.verdict, c.events, c.eta,
		c.off, c.splitEvidence, c.splitLine, c.share,
	} {
		ch <- d
	}
}

// exporter exports one sample.
type exporter func(d *prometheus.Desc, t prometheus.ValueType, value float64, labels ...string)

// known is an exporter that leaves out what is not known.
func (export exporter) known(d *prometheus.Desc, value float64, labels ...string) {
	if !math.IsNaN(value) {
		export(d, prometheus.GaugeValue, value, labels...)
	}
}

func (c *comparisons) export(s *ComparisonStatus, export exporter) {
	export(c.info, prometheus.GaugeValue, 1, s.Service, s.Candidate, s.Stable)
	for _, v := range Verdicts {
		export(c.verdict, prometheus.GaugeValue, number(v == s.Verdict), s.Service, s.Candidate, wholeMetric, v)
	}
	for i := range s.Findings {
		c.exportFinding(s, &s.Findings[i], export)
	}
	for _, split := range append([]SplitStatus{s.Split}, s.Proxies...) {
		export(c.off, prometheus.GaugeValue, number(split.Off), s.Service, s.Candidate, split.Proxy)
		export.known(c.splitEvidence, split.Evidence.LogE, s.Service, s.Candidate, split.Proxy)
		export.known(c.splitLine, split.Evidence.AlarmLine, s.Service, s.Candidate, split.Proxy)
		export.known(c.share, split.Expected, s.Service, s.Candidate, split.Proxy, "expected")
		export.known(c.share, split.Observed, s.Service, s.Candidate, split.Proxy, "observed")
	}
}

func (c *comparisons) exportFinding(s *ComparisonStatus, f *FindingStatus, export exporter) {
	for i, bound := range bounds {
		export.known(c.ratio, f.Ratio[i], s.Service, s.Candidate, f.Metric, bound)
		export.known(c.difference, f.Difference[i], s.Service, s.Candidate, f.Metric, bound)
	}
	for scope, e := range f.Evidence {
		export.known(c.evidence, e.LogE, s.Service, s.Candidate, f.Metric, scope)
		export.known(c.line, e.AlarmLine, s.Service, s.Candidate, f.Metric, scope)
	}
	for _, w := range Words {
		export(c.verdict, prometheus.GaugeValue, number(w == f.Word), s.Service, s.Candidate, f.Metric, w)
	}
	export.known(c.tolerated, f.Tolerated, s.Service, s.Candidate, f.Metric)
	export.known(c.eta, f.ETA, s.Service, s.Candidate, f.Metric)
	export(c.events, prometheus.CounterValue, float64(f.StableEvents), s.Service, s.Candidate, f.Metric, "stable")
	export(c.events, prometheus.CounterValue, float64(f.CandidateEvents), s.Service, s.Candidate, f.Metric, "candidate")
}
