package metrics

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a backend answers, there are at most 501 series.
func TestStatusCodesAreBounded(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	for status := -1000; status < 10_000; status++ {
		p.Observe(&Observation{Status: status})
	}
	lines := strings.Split(strings.TrimSpace(scrape(t, p, "divvy_unrouted_requests_total")), "\n")
	if len(lines) != 501 {
		t.Errorf("%d series, want 500 codes and other", len(lines))
	}
	for _, want := range []string{
		`divvy_unrouted_requests_total{code="100"} 1`,
		`divvy_unrouted_requests_total{code="599"} 1`,
		`divvy_unrouted_requests_total{code="other"} 10500`,
	} {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("no series %s", want)
		}
	}
}

func TestReasonsAreBounded(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	m := p.Meter("shop", "v1")
	for i := range 1000 {
		m.Assigned(fmt.Sprint("reason ", i))
	}
	m.Assigned("reason 0")
	got := scrape(t, p, "divvy_assignments_total")
	if n := strings.Count(got, "\n"); n != maxReasons+1 {
		t.Errorf("%d series, want %d", n, maxReasons+1)
	}
	for _, want := range []string{`reason="reason 0",service="shop",version="v1"} 2`, `reason="other",service="shop",version="v1"} 968`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestLabelIsShortAndUTF8(t *testing.T) {
	t.Parallel()
	f := func(in, want string) {
		t.Helper()
		got := label(in)
		if got != want || !utf8.ValidString(got) {
			t.Errorf("label(%q) = %q, want %q", in, got, want)
		}
	}
	f("", "")
	f("v1.5.0@53bff422", "v1.5.0@53bff422")
	f("a\xffb", "ab")
	f(strings.Repeat("x", 1000), strings.Repeat("x", maxLabel))
	// A character is not cut in half.
	f(strings.Repeat("x", maxLabel-1)+"é", strings.Repeat("x", maxLabel-1))
}
