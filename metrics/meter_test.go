package metrics

import (
	"testing"
	"time"
)

func TestMeterCountsWhatHappened(t *testing.T) {
	t.Parallel()
	c := DefaultConfig()
	c.Buckets = []float64{.1, 1}
	p := New(c)
	m := p.Meter("shop", "v1.5.0@53bff422")
	m.Begin()
	m.Begin()
	m.Assigned("unit")
	m.Assigned("unit")
	m.Assigned("failover")
	m.Retried()
	p.Observe(&Observation{Meter: m, Status: 200, RequestBytes: 10, ResponseBytes: 2000, Duration: 250 * time.Millisecond, FirstByte: 50 * time.Millisecond})
	p.Observe(&Observation{Meter: m, Status: 418, ResponseBytes: 1, Duration: 2 * time.Second, FirstByte: 500 * time.Millisecond})
	// No answer from a backend: there is no time to first byte.
	p.Observe(&Observation{Meter: m, Status: 502, RequestBytes: 5, Duration: 50 * time.Millisecond})
	m.End()

	want := `divvy_assignments_total{reason="failover",service="shop",version="v1.5.0@53bff422"} 1
divvy_assignments_total{reason="unit",service="shop",version="v1.5.0@53bff422"} 2
divvy_request_bytes_total{service="shop",version="v1.5.0@53bff422"} 15
divvy_request_duration_seconds_bucket{service="shop",version="v1.5.0@53bff422",le="0.1"} 1
divvy_request_duration_seconds_bucket{service="shop",version="v1.5.0@53bff422",le="1"} 2
divvy_request_duration_seconds_bucket{service="shop",version="v1.5.0@53bff422",le="+Inf"} 3
divvy_request_duration_seconds_sum{service="shop",version="v1.5.0@53bff422"} 2.3
divvy_request_duration_seconds_count{service="shop",version="v1.5.0@53bff422"} 3
divvy_requests_in_flight{service="shop",version="v1.5.0@53bff422"} 1
divvy_requests_total{code="200",service="shop",version="v1.5.0@53bff422"} 1
divvy_requests_total{code="418",service="shop",version="v1.5.0@53bff422"} 1
divvy_requests_total{code="500",service="shop",version="v1.5.0@53bff422"} 0
divvy_requests_total{code="502",service="shop",version="v1.5.0@53bff422"} 1
divvy_requests_total{code="503",service="shop",version="v1.5.0@53bff422"} 0
divvy_requests_total{code="504",service="shop",version="v1.5.0@53bff422"} 0
divvy_response_bytes_total{service="shop",version="v1.5.0@53bff422"} 2001
divvy_retries_total{service="shop",version="v1.5.0@53bff422"} 1
divvy_time_to_first_byte_seconds_bucket{service="shop",version="v1.5.0@53bff422",le="0.1"} 1
divvy_time_to_first_byte_seconds_bucket{service="shop",version="v1.5.0@53bff422",le="1"} 2
divvy_time_to_first_byte_seconds_bucket{service="shop",version="v1.5.0@53bff422",le="+Inf"} 2
divvy_time_to_first_byte_seconds_sum{service="shop",version="v1.5.0@53bff422"} 0.55
divvy_time_to_first_byte_seconds_count{service="shop",version="v1.5.0@53bff422"} 2
`
	if got := scrape(t, p, "divvy_re", "divvy_assign", "divvy_time"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTunnelIsCountedButItsLengthIsNoLatency(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	m := p.Meter("chat", "v1")
	m.Observe(&Observation{Status: 101, Upgraded: true, Duration: time.Hour, FirstByte: time.Millisecond, ResponseBytes: 7})
	want := `divvy_request_duration_seconds_count{service="chat",version="v1"} 0
divvy_requests_total{code="101",service="chat",version="v1"} 1
divvy_response_bytes_total{service="chat",version="v1"} 7
divvy_time_to_first_byte_seconds_count{service="chat",version="v1"} 1
`
	got := scrape(t, p, "divvy_request_duration_seconds_count", `divvy_requests_total{code="101"`,
		"divvy_response_bytes", "divvy_time_to_first_byte_seconds_count")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNilMeterDoesNothing(t *testing.T) {
	t.Parallel()
	var m *Meter
	m.Begin()
	m.Assigned("unit")
	m.Retried()
	m.Observe(&Observation{Status: 200})
	m.End()
}

// Wrong numbers are the caller's mistake, but must not take a connection down.
func TestNegativeNumbersCountAsZero(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	m := p.Meter("shop", "v1")
	m.Observe(&Observation{Status: 200, RequestBytes: -1, ResponseBytes: -1, Duration: -1, FirstByte: -1})
	want := `divvy_request_bytes_total{service="shop",version="v1"} 0
divvy_request_duration_seconds_sum{service="shop",version="v1"} 0
divvy_response_bytes_total{service="shop",version="v1"} 0
divvy_time_to_first_byte_seconds_count{service="shop",version="v1"} 0
`
	got := scrape(t, p, "divvy_request_bytes", "divvy_response_bytes", "divvy_request_duration_seconds_sum",
		"divvy_time_to_first_byte_seconds_count")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMeterDoesNotAllocateOnceWarm(t *testing.T) {
	p := New(DefaultConfig())
	m := p.Meter("shop", "v1")
	o := &Observation{Meter: m, Status: 404, RequestBytes: 10, ResponseBytes: 10, Duration: 3 * time.Millisecond, FirstByte: 2 * time.Millisecond}
	lost := &Observation{Status: 404}
	request := func() {
		m.Begin()
		m.Assigned("unit")
		m.Assigned("override")
		m.Retried()
		p.Observe(o)
		m.End()
		p.Observe(lost)
	}
	if n := testing.AllocsPerRun(1000, request); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkPrometheusObserve(b *testing.B) {
	p := New(DefaultConfig())
	m := p.Meter("shop", "v1")
	request := func(i int) {
		d := time.Duration(i%100) * 300 * time.Microsecond
		m.Begin()
		m.Assigned("unit")
		p.Observe(&Observation{Meter: m, Status: 200, ResponseBytes: 10, Duration: d, FirstByte: d / 2})
		m.End()
	}
	b.Run("one goroutine", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			request(i)
		}
	})
	b.Run("many", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				request(i)
			}
		})
	})
}
