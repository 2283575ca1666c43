package admin

import (
	"context"
	"net/http"
	"time"
)

// Timeline is what the versions of a service did over time.
type Timeline struct {
	Service  string            `json:"service"`
	Versions []VersionTimeline `json:"versions"` // those that got a request first come first
}

// VersionTimeline is what one version did. Points do not overlap, the oldest comes
// first, and those that are further back span more. Where there is none, nothing was
// noted.
type VersionTimeline struct {
	Version string   `json:"version"` // as in logs and metrics
	Windows []Window `json:"windows"` // the last hour, the last day, two weeks
	Points  []Point  `json:"points"`
}

// Window is what a version did from some time on until now, at the grain of the
// points. Latencies are those of all its requests together; see [Point].
type Window struct {
	Start    time.Time `json:"start"`
	Seconds  float64   `json:"seconds"`
	Requests uint64    `json:"requests"`
	Failures uint64    `json:"failures"`
	Canceled uint64    `json:"canceled"`
	P50      float64   `json:"p50"`
	P75      float64   `json:"p75"`
	P90      float64   `json:"p90"`
	P95      float64   `json:"p95"`
	P99      float64   `json:"p99"`
	P999     float64   `json:"p999"`
}

// Point is what a version did in a span of time. Latencies are times to the first
// byte in seconds, 0 if there was none.
type Point struct {
	Start    time.Time `json:"start"`
	Seconds  float64   `json:"seconds"` // how long it spans
	Requests uint64    `json:"requests"`
	Failures uint64    `json:"failures"` // 5xx and failed calls of gRPC
	Canceled uint64    `json:"canceled"` // clients that went away before an answer
	P50      float64   `json:"p50"`
	P95      float64   `json:"p95"`
	P99      float64   `json:"p99"`
	Weight   float64   `json:"weight"` // at its end, as set
	Share    float64   `json:"share"`  // at its end, of all units; 0 to 1
}

// timeline answers with what the versions of a service did over time.
func (s *Server) timeline(w http.ResponseWriter, r *http.Request) {
	t, err := s.Control.Timeline(r.PathValue("service"))
	if t.Versions == nil {
		t.Versions = []VersionTimeline{}
	}
	s.answerOr(w, r, t, err)
}

// Timeline returns what the versions of a service did over time.
func (c Client) Timeline(ctx context.Context, service string) (*Timeline, error) {
	return ask[Timeline](ctx, c, http.MethodGet, pathOf(service, "/timeline"), nil)
}
