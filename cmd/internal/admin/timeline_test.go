package admin

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

// remembering is a program that remembers what a test says.
type remembering struct {
	fake
	of    map[string]Timeline
	since time.Time // as it was asked last
}

func (r *remembering) Timeline(service string, since time.Time) (Timeline, error) {
	r.since = since
	t, known := r.of[service]
	if !known {
		return t, ErrNoService
	}
	return t, nil
}

func TestATimelineIsWhatTheDocumentSaysAndArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	s, client := open(t, Status{})
	when := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	shop := Timeline{Service: "shop", Versions: []VersionTimeline{{
		Version: "v1@53bff422",
		Whole:   Point{Start: when, Seconds: 60, Requests: 7, Failures: 1, Canceled: 2, P50: 0.1, P95: 0.4, P99: 0.5, Weight: 95, Share: 0.95},
		Points:  []Point{{Start: when, Seconds: 60, Requests: 7, Failures: 1, Canceled: 2, P50: 0.1, P95: 0.4, P99: 0.5, Weight: 95, Share: 0.95}},
	}}}
	program := &remembering{of: map[string]Timeline{"shop": shop, "new": {Service: "new"}}}
	s.Control = program
	get := document(t, "http://"+s.Addr())
	for service, want := range map[string]int{
		"shop/timeline": 200, "new/timeline": 200, "nobody/timeline": 404,
		"shop/timeline?since=2026-01-02T03:04:05Z": 200, "shop/timeline?since=yesterday": 400,
	} {
		if status, body := get("/api/v1/services/" + service); status != want {
			t.Errorf("%s: got %d %s, want %d", service, status, body, want)
		}
	}
	got, err := client.Timeline(t.Context(), "shop", when)
	if err != nil || !reflect.DeepEqual(*got, shop) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, shop)
	}
	if !program.since.Equal(when) {
		t.Errorf("it was asked since %v, want %v", program.since, when)
	}
	refused := new(Refused)
	if _, err := client.Timeline(t.Context(), "nobody", when); !errors.As(err, &refused) || refused.Status != 404 {
		t.Errorf("got %v", err)
	}
}
