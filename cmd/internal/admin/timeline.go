package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
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
	Version string  `json:"version"` // as in logs and metrics
	Whole   Point   `json:"whole"`   // all points as one
	Points  []Point `json:"points"`
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

// timeline answers with what the versions of a service did over time, since a moment
// if one is named.
func (s *Server) timeline(w http.ResponseWriter, r *http.Request) {
	since := time.Time{}
	if text := r.URL.Query().Get("since"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			s.fail(w, r, &malformed{fmt.Sprintf("since: %.64q is not a time: use one such as 2026-01-02T15:04:05Z", text)})
			return
		}
	}
	t, err := s.Control.Timeline(r.PathValue("service"), since)
	if t.Versions == nil {
		t.Versions = []VersionTimeline{}
	}
	s.answerOr(w, r, t, err)
}

// Timeline returns what the versions of a service did since a moment.
func (c Client) Timeline(ctx context.Context, service string, since time.Time) (*Timeline, error) {
	query := url.Values{"since": {since.UTC().Format(time.RFC3339)}}
	return ask[Timeline](ctx, c, http.MethodGet, pathOf(service, "/timeline")+"?"+query.Encode(), nil)
}
