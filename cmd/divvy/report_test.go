package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"divvy/backends"
	"divvy/metrics"
)

// metrics knows nothing of backends, and has a list of their states.
func TestEveryStateOfABackendIsExported(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.DefaultConfig())
	m.Watch(func() metrics.Snapshot {
		v := metrics.VersionStatus{Service: "shop", Version: "v1", Backends: map[string]int{}}
		for _, s := range backends.States() {
			v.Backends[string(s)] = 7
		}
		return metrics.Snapshot{Versions: []metrics.VersionStatus{v}}
	})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if got := strings.Count(w.Body.String(), `version="v1"} 7`); got != len(backends.States()) {
		t.Errorf("%d of %d states are exported", got, len(backends.States()))
	}
}
