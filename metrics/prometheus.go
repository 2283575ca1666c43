package metrics

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Prometheus counts requests and exports what it counted. It is a [Sink].
//
// The fields are set, if at all, before the first use.
type Prometheus struct {
	Log *slog.Logger // errors of scrapes; nil: slog.Default()

	// Version and Revision of divvy for divvy_build_info; empty: what the Go
	// tool wrote into the program.
	Version, Revision string

	config   Config
	registry *prometheus.Registry
	unrouted codes
	rules    *prometheus.CounterVec

	mu       sync.Mutex // guards the fields below, and the presence of each Meter
	meters   map[Key]*Meter
	ruled    map[string][]string // the rules that each service has counters for
	snapshot func() Snapshot
}

// New returns a Prometheus for a valid configuration. It has its own registry,
// with the collectors of the Go runtime and of the process in it.
func New(c Config) *Prometheus {
	c.Retention = cmp.Or(c.Retention, DefaultConfig().Retention)
	p := &Prometheus{
		config:   c,
		registry: prometheus.NewRegistry(),
		meters:   make(map[Key]*Meter),
	}
	p.unrouted.vec = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "divvy_unrouted_requests_total",
		Help: "Requests that ended and belonged to no service, by status code as sent.",
	}, []string{"code"})
	p.rules = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "divvy_rule_matches_total",
		Help: "Requests that an audience rule sent to its version, by rule.",
	}, []string{"service", "rule"})
	p.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		p.unrouted.vec,
		p.rules,
		meters{p},
		newStatus(p),
	)
	return p
}

// Meter returns the counters of a version. The same pair gives the same Meter
// for as long as its series are retained, so counts survive every rebuild of
// the table. Version "" is for requests of a service that could be given no
// version.
//
// Whoever builds a table calls it for everything that the table can count,
// then calls [Prometheus.Present]: a Meter that was resolved between two calls
// of Present is present after the second.
func (p *Prometheus) Meter(service, version string) *Meter {
	k := Key{service, version}
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.meters[k]
	if m == nil {
		m = newMeter(k, p.config)
		p.meters[k] = m
	}
	m.resolved = true
	m.gone.Store(0)
	return m
}

// Rules returns the counters of a service's audience rules, in the order of their
// names. Those of rules that it had and has no more are dropped.
func (p *Prometheus) Rules(service string, names []string) []prometheus.Counter {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range p.ruled[service] {
		if !slices.Contains(names, name) {
			p.rules.DeleteLabelValues(label(service), label(name))
		}
	}
	if p.ruled == nil {
		p.ruled = map[string][]string{}
	}
	p.ruled[service] = names
	var all []prometheus.Counter
	for _, name := range names {
		all = append(all, p.rules.WithLabelValues(label(service), label(name)))
	}
	return all
}

// Present tells which versions exist, all of them: it is called after every
// build of the table. What is neither in keys nor was resolved since the last
// call is gone, and [Prometheus.Run] drops its series unless it comes back
// within the retention. Requests that it still has keep them longer. A service
// that has a key also keeps its series for version "".
func (p *Prometheus) Present(keys []Key) {
	present := make(map[Key]bool, len(keys))
	for _, k := range keys {
		present[k] = true
		present[Key{k.Service, ""}] = true
	}
	now := time.Now().UnixNano()
	p.mu.Lock()
	defer p.mu.Unlock()
	for service, names := range p.ruled {
		if !present[Key{service, ""}] {
			for _, name := range names {
				p.rules.DeleteLabelValues(label(service), label(name))
			}
			delete(p.ruled, service)
		}
	}
	for k, m := range p.meters {
		if present[k] || m.resolved {
			m.gone.Store(0)
		} else {
			m.gone.CompareAndSwap(0, now)
		}
		m.resolved = false
	}
}

// Observe implements [Sink]: it counts o in its Meter, or as unrouted if it
// has none.
func (p *Prometheus) Observe(o *Observation) {
	if o.Meter == nil {
		p.unrouted.inc(o.Status)
		return
	}
	o.Meter.Observe(o)
}

// Run drops the series of versions that have been gone for the retention. It
// returns nil when ctx ends.
func (p *Prometheus) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(p.sweep(time.Now())):
		}
	}
}

// sweep drops what is due and returns how long nothing else can be.
func (p *Prometheus) sweep(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.config.Retention // what goes away from now on is due no earlier
	for k, m := range p.meters {
		due, ok := m.idleUntil(p.config.Retention)
		switch {
		case !ok:
		case due.After(now):
			next = min(next, due.Sub(now))
		default:
			delete(p.meters, k)
		}
	}
	return next
}

// Watch sets the source of what is read at scrape time: f must be quick, and
// safe to be called from any goroutine. It is set once, before the handler is
// served.
func (p *Prometheus) Watch(f func() Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.snapshot = f
}
