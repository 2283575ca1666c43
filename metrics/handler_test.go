package metrics

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
)

// get asks p for its metrics in the given format.
func get(t *testing.T, p *Prometheus, accept string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", accept)
	p.Handler().ServeHTTP(w, r)
	return w
}

// scrape returns the samples that begin with one of prefixes, as text.
func scrape(t *testing.T, p *Prometheus, prefixes ...string) string {
	t.Helper()
	w := get(t, p, "text/plain")
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: status %d: %s", w.Code, w.Body)
	}
	var found strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		for _, prefix := range prefixes {
			if strings.HasPrefix(line, prefix) {
				found.WriteString(line)
				break
			}
		}
	}
	return found.String()
}

func TestHandlerNegotiatesTheFormat(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	p.Meter("shop", "v1").Observe(&Observation{Status: 200, Duration: time.Millisecond})
	f := func(accept, wantType, wantBody string) {
		t.Helper()
		w := get(t, p, accept)
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, wantType) {
			t.Errorf("%s: got %s, want %s", accept, got, wantType)
		}
		if !strings.Contains(w.Body.String(), wantBody) {
			t.Errorf("%s: no %q in the answer", accept, wantBody)
		}
	}
	f("", "text/plain", "# TYPE divvy_requests_total counter\n")
	f("application/openmetrics-text;version=1.0.0", "application/openmetrics-text", "# EOF\n")
	f("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
		"application/vnd.google.protobuf", "divvy_requests_total")
}

func TestHistogramsAreClassicAndNative(t *testing.T) {
	t.Parallel()
	f := func(c Config, wantBuckets int, wantNative bool) {
		t.Helper()
		p := New(c)
		p.Meter("shop", "v1").Observe(&Observation{Status: 200, Duration: 70 * time.Millisecond, FirstByte: time.Millisecond})
		w := get(t, p, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
		families, err := p.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		family := families[0] // for its type, which this module does not require by itself
		decoder := expfmt.NewDecoder(w.Body, expfmt.ResponseFormat(w.Header()))
		for seen := 0; ; {
			family.Reset()
			err := decoder.Decode(family)
			if errors.Is(err, io.EOF) {
				if seen != 2 {
					t.Errorf("saw %d histograms, want 2", seen)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			name := family.GetName()
			if name != "divvy_request_duration_seconds" && name != "divvy_time_to_first_byte_seconds" {
				continue
			}
			seen++
			h := family.Metric[0].GetHistogram()
			if got := len(h.GetBucket()); got != wantBuckets {
				t.Errorf("%s: %d classic buckets, want %d", name, got, wantBuckets)
			}
			if got := len(h.GetPositiveSpan()) > 0; got != wantNative {
				t.Errorf("%s: native: %v, want %v", name, got, wantNative)
			}
			// Schema 3 divides a power of two into 8 buckets: a factor below 1.1.
			if wantNative && h.GetSchema() != 3 {
				t.Errorf("%s: schema %d, want 3", name, h.GetSchema())
			}
		}
	}
	c := DefaultConfig()
	f(c, 15, true)
	c.NativeHistograms = false
	f(c, 15, false)
	c.NativeHistograms, c.Buckets = true, nil
	f(c, 0, true)
}

func TestScrapesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(DefaultConfig())
		goOn := make(chan struct{})
		p.Watch(func() Snapshot { <-goOn; return Snapshot{} })
		handler := p.Handler()
		ask := func() int {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			return w.Code
		}
		codes := make(chan int, maxScrapes)
		for range maxScrapes {
			go func() { codes <- ask() }()
		}
		synctest.Wait()
		if got := ask(); got != http.StatusServiceUnavailable {
			t.Errorf("one more scrape got %d, want 503", got)
		}
		close(goOn)
		for range maxScrapes {
			if got := <-codes; got != http.StatusOK {
				t.Errorf("got %d, want 200", got)
			}
		}
		if got := ask(); got != http.StatusOK {
			t.Errorf("after that: got %d, want 200", got)
		}
	})
}

// A wrong series is logged once and does not take the others with it; nor does
// a source that panics.
func TestErrorsOfScrapesAreLogged(t *testing.T) {
	t.Parallel()
	f := func(source func() Snapshot, want string, lines int) {
		t.Helper()
		var log bytes.Buffer
		p := New(DefaultConfig())
		p.Log = slog.New(slog.NewTextHandler(&log, nil))
		p.Watch(source)
		p.Observe(&Observation{Status: 404})
		handler := p.Handler()
		for range 2 {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			if !strings.Contains(w.Body.String(), `divvy_unrouted_requests_total{code="404"} 1`) {
				t.Errorf("status %d without the other series", w.Code)
			}
		}
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log.String())
		}
		if n := strings.Count(log.String(), "\n"); n != lines {
			t.Errorf("%d lines in the log, want %d:\n%s", n, lines, log.String())
		}
	}
	f(func() Snapshot {
		return Snapshot{Hosts: []HostStatus{{Name: "h1"}, {Name: "h1"}}}
	}, "was collected before with the same name and label values", 1)
	// Each panic has its own stack.
	f(func() Snapshot { panic("the source is broken") }, "the source is broken", 2)
}

func TestMetricsPleasePromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is not in PATH, and CI must check the metrics; install the package prometheus")
		}
		t.Skip("promtool is not in PATH; install the package prometheus to check the metrics")
	}
	p := New(DefaultConfig())
	m := p.Meter("shop", "v1")
	m.Assigned("unit")
	m.Observe(&Observation{Status: 200, Duration: time.Millisecond, FirstByte: time.Millisecond})
	p.Observe(&Observation{Status: 404})
	p.Watch(func() Snapshot { return example })
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = get(t, p, "text/plain").Body
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
