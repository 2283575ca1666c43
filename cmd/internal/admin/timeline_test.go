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
	of map[string]Timeline
}

func (r *remembering) Timeline(service string) (Timeline, error) {
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
		Windows: []Window{{Start: when, Seconds: 3600, Requests: 7, Failures: 1, Canceled: 2, P50: 0.1, P75: 0.2, P90: 0.3, P95: 0.4, P99: 0.5, P999: 0.6}},
		Points:  []Point{{Start: when, Seconds: 60, Requests: 7, Failures: 1, Canceled: 2, P50: 0.1, P95: 0.4, P99: 0.5, Weight: 95, Share: 0.95}},
	}}}
	s.Control = &remembering{of: map[string]Timeline{"shop": shop, "new": {Service: "new"}}}
	get := document(t, "http://"+s.Addr())
	for service, want := range map[string]int{"shop": 200, "new": 200, "nobody": 404} {
		if status, body := get("/api/v1/services/" + service + "/timeline"); status != want {
			t.Errorf("%s: got %d %s, want %d", service, status, body, want)
		}
	}
	got, err := client.Timeline(t.Context(), "shop")
	if err != nil || !reflect.DeepEqual(*got, shop) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, shop)
	}
	refused := new(Refused)
	if _, err := client.Timeline(t.Context(), "nobody"); !errors.As(err, &refused) || refused.Status != 404 {
		t.Errorf("got %v", err)
	}
}
