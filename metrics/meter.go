package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Key names the series of one version of one service.
type Key struct {
	Service string
	Version string // "" stands for requests of the service that got no version
}

// Meter holds the counters of one version of one service. It is resolved with
// [Prometheus.Meter] when the routing table is built, so that a request finds
// nothing but atomic additions.
//
// All methods may be called from any goroutine, do not block, and do nothing
// on a nil Meter.
type Meter struct {
	key Key

	requests    codes
	calls       calls // of gRPC, which are requests too
	assignments reasons
	retries     prometheus.Counter
	received    prometheus.Counter // bytes of request bodies
	sent        prometheus.Counter // bytes of response bodies
	duration    prometheus.Histogram
	firstByte   prometheus.Histogram
	latency     latencyCounters // what firstByte has, for whoever reads it here
	failed      atomic.Uint64
	inFlight    atomic.Int64
	gauge       prometheus.GaugeFunc // reads inFlight

	// gone is when the version was first found absent, or when the last
	// request after that ended, in Unix nanoseconds; 0: it is present.
	gone atomic.Int64

	resolved bool // since the last call of Present; guarded by the mutex of Prometheus
}

// Begin counts a request in flight. Every Begin needs an End.
func (m *Meter) Begin() {
	if m != nil {
		m.inFlight.Add(1)
	}
}

// End is the counterpart of [Meter.Begin].
func (m *Meter) End() {
	if m == nil {
		return
	}
	if gone := m.gone.Load(); gone != 0 {
		// A tunnel outlives its version. What it adds is retained as well, so
		// that a scrape sees it. If the swap fails, Present or another End was
		// faster, and right.
		m.gone.CompareAndSwap(gone, time.Now().UnixNano())
	}
	m.inFlight.Add(-1) // last, because idleUntil reads it first
}

// Assigned counts a decision for this version. Reasons are few and fixed; a
// reason that has been seen before costs no allocation.
func (m *Meter) Assigned(reason string) {
	if m != nil {
		m.assignments.inc(reason)
	}
}

// Retried counts one further attempt of a request.
func (m *Meter) Retried() {
	if m != nil {
		m.retries.Inc()
	}
}

// Observe counts a request that has ended. A status that has been seen before
// costs no allocation.
func (m *Meter) Observe(o *Observation) {
	if m == nil {
		return
	}
	m.requests.inc(o.Status)
	m.calls.inc(o.GRPC)
	// A counter panics if it is to go back, and a wrong number must not cost
	// a connection.
	m.received.Add(float64(max(o.RequestBytes, 0)))
	m.sent.Add(float64(max(o.ResponseBytes, 0)))
	if !o.Upgraded {
		m.duration.Observe(max(o.Duration, 0).Seconds())
	}
	if o.FirstByte > 0 {
		m.firstByte.Observe(o.FirstByte.Seconds())
		m.latency.observe(o.FirstByte)
	}
	if o.Failed() {
		m.failed.Add(1)
	}
}

// idleUntil returns when m, which is absent, will have been idle for retention;
// ok is false if m is present or has requests.
func (m *Meter) idleUntil(retention time.Duration) (t time.Time, ok bool) {
	if m.inFlight.Load() != 0 {
		return t, false
	}
	gone := m.gone.Load()
	return time.Unix(0, gone).Add(retention), gone != 0
}

// newMeter makes the counters of k. They are children of no vector: with the
// Meter go all its series, and one that is still held after that cannot bring
// any back.
func newMeter(k Key, c Config) *Meter {
	labels := prometheus.Labels{"service": label(k.Service), "version": label(k.Version)}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}
	}
	histogram := func(name, help string) prometheus.Histogram {
		o := prometheus.HistogramOpts{Name: name, Help: help, ConstLabels: labels, Buckets: c.Buckets}
		if c.NativeHistograms {
			o.NativeHistogramBucketFactor = 1.1
			o.NativeHistogramMaxBucketNumber = 160
			o.NativeHistogramMinResetDuration = time.Hour
		}
		return prometheus.NewHistogram(o)
	}
	m := &Meter{
		key: k,
		retries: prometheus.NewCounter(counter("divvy_retries_total",
			"Further attempts of requests on another backend.")),
		received: prometheus.NewCounter(counter("divvy_request_bytes_total",
			"Bytes of request bodies received from clients.")),
		sent: prometheus.NewCounter(counter("divvy_response_bytes_total",
			"Bytes of response bodies sent to clients.")),
		duration: histogram("divvy_request_duration_seconds",
			"Time from the first byte of a request to the last byte of its answer, without upgraded connections."),
		firstByte: histogram("divvy_time_to_first_byte_seconds",
			"Time from the start of a request until the head of the answer came from the backend."),
	}
	m.requests.vec = prometheus.NewCounterVec(counter("divvy_requests_total",
		"Requests that ended, by status code as sent; 499: the client went away before an answer."), []string{"code"})
	m.calls.vec = prometheus.NewCounterVec(counter("divvy_grpc_requests_total",
		"Calls of gRPC that ended, by the name of their status; they are requests too."), []string{"code"})
	m.assignments.vec = prometheus.NewCounterVec(counter("divvy_assignments_total",
		"Decisions for a version, by reason."), []string{"reason"})
	m.gauge = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "divvy_requests_in_flight", Help: "Requests under way.", ConstLabels: labels,
	}, func() float64 { return float64(m.inFlight.Load()) })

	if k.Version != "" {
		// A series that appears with a value above zero hides its first
		// increments from rate(), and the first errors of a candidate are
		// those that matter. The usual codes therefore start at zero.
		for _, status := range []int{200, 500, 502, 503, 504} {
			m.requests.counter(status)
		}
	}
	return m
}

// collect sends all series of m. Requests without a version are the exception
// in most services, so those series are exported once there has been one.
func (m *Meter) collect(ch chan<- prometheus.Metric) {
	if m.key.Version == "" && !m.used() {
		return
	}
	for _, c := range []prometheus.Collector{
		m.requests.vec, m.calls.vec, m.assignments.vec, m.retries, m.received, m.sent, m.duration, m.firstByte, m.gauge,
	} {
		c.Collect(ch)
	}
}

// used reports whether a request was counted in m.
func (m *Meter) used() bool {
	if m.inFlight.Load() != 0 || m.assignments.list.Load() != nil {
		return true
	}
	for i := range m.requests.seen {
		if m.requests.seen[i].Load() != nil {
			return true
		}
	}
	return false
}
