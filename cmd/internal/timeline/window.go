package timeline

import (
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics"
)

// windows are the times that quantiles are told of, each read from the level whose
// points fit into it best.
var windows = [...]struct {
	back  time.Duration
	level int
}{{time.Hour, 0}, {24 * time.Hour, 1}, {keepTime, 2}}

// windows returns what the version did until now, as seen from several times back.
// Quantiles of quantiles are nothing, so they are taken of all latencies together.
func (s *series) windows(now time.Time) []admin.Window {
	all := make([]admin.Window, 0, len(windows))
	for _, w := range windows {
		from := now.Add(-w.back)
		out, latencies := admin.Window{Start: from.UTC(), Seconds: w.back.Seconds()}, metrics.Latencies{}
		for _, p := range s.Levels[w.level] {
			if end := time.Unix(p.Start, 0).Add(levels[w.level].span); !end.After(from) {
				continue
			}
			out.Requests += p.Requests
			out.Failures += p.Failures
			out.Canceled += p.Canceled
			p.Latency.addTo(&latencies)
		}
		for _, q := range []struct {
			of float64
			is *float64
		}{{0.5, &out.P50}, {0.75, &out.P75}, {0.9, &out.P90}, {0.95, &out.P95}, {0.99, &out.P99}, {0.999, &out.P999}} {
			*q.is = latencies.Quantile(q.of).Seconds()
		}
		all = append(all, out)
	}
	return all
}
