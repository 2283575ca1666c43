package compare

import (
	"math"

	"divvy/metrics"
	"divvy/metrics/stats"
)

// The scopes of evidence. Restarts are not told apart: each would be a series of its
// own.
const (
	scopeWhole  = "whole"
	scopeRecent = "recent"
)

// Status returns all comparisons that are under way, as they were judged last: what
// Prometheus reads at a scrape.
func (m *Manager) Status() []metrics.ComparisonStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []metrics.ComparisonStatus{}
	for _, p := range m.underWay() {
		if p.judged.report != nil {
			all = append(all, p.status())
		}
	}
	return all
}

func (p *pair) status() metrics.ComparisonStatus {
	s := metrics.ComparisonStatus{
		Service: p.id.Service, Stable: p.stable.Version.Name, Candidate: p.candidate.Version.Name,
		Verdict: string(p.judged.verdict), Split: splitStatus("", p.judged.report.Split),
	}
	for i := range p.judged.report.Findings {
		s.Findings = append(s.Findings, p.finding(&p.judged.report.Findings[i]))
	}
	for _, proxy := range p.judged.proxies {
		s.Proxies = append(s.Proxies, splitStatus(proxy.Name, proxy.Split))
	}
	return s
}

func (p *pair) finding(f *stats.Finding) metrics.FindingStatus {
	out := metrics.FindingStatus{
		Metric: f.Metric, Word: string(f.Word), Ratio: bounds(f.Ratio), Difference: bounds(f.Difference),
		Tolerated: f.Tolerated, ETA: math.NaN(),
		Evidence:     map[string]metrics.Evidence{scopeWhole: {LogE: f.LogE, AlarmLine: f.Threshold}},
		StableEvents: f.Events[stats.Stable], CandidateEvents: f.Events[stats.Candidate],
	}
	if f.Worse() {
		out.Word = string(stats.Worse)
	}
	if f.Recent != nil {
		out.Evidence[scopeRecent] = metrics.Evidence{LogE: f.Recent.LogE, AlarmLine: f.Recent.Threshold}
	}
	if units, ok := f.More(); ok && p.judged.perSecond > 0 {
		out.ETA = units / p.judged.perSecond
	}
	return out
}

func bounds(i stats.Interval) [3]float64 { return [3]float64{i.Lower, i.Estimate, i.Upper} }

func splitStatus(proxy string, f stats.SplitFinding) metrics.SplitStatus {
	return metrics.SplitStatus{
		Proxy: proxy, Off: f.Off, Evidence: metrics.Evidence{LogE: f.LogE, AlarmLine: f.Threshold},
		Expected: float64(f.Expected), Observed: float64(f.Observed),
	}
}
