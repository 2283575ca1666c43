package proxy

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"divvy/metrics"
	"divvy/router"

	"github.com/prometheus/client_golang/prometheus"
)

// Proxy forwards requests by the routing table that was published last.
type Proxy struct {
	// Metrics resolves the counters of a table's versions.
	Metrics *metrics.Prometheus

	// Sink receives one observation of every request, when it ends.
	Sink metrics.Sink

	// Challenge returns what is to be answered at a path for a host, if an authority
	// asks for that to see whether the host is ours; nil for nothing ever. It is
	// called for paths of such questions only, and may block for a while.
	Challenge func(host, path string) (answer []byte, ok bool)

	// Certified reports whether a host has a certificate, or may have one in time;
	// where it has none, its requests in clear are not sent to https. Nil for always.
	Certified func(host string) bool

	// Log receives what needs a person's attention; requests go to Sink.
	Log *slog.Logger

	world     atomic.Pointer[world]
	memory    memory
	pipes     pipes
	exchanges sync.Pool // of *exchange
	doors     sync.Pool // of *handlerDoor
	date      date
}

// world is all that a request depends on. It is immutable, and a request loads
// it once.
type world struct {
	config    Config
	trusted   peers
	httpsPort int // by which clients reach https, 0 for none
	table     *router.Table

	// The counters of each service's versions, by their indexes, and of its
	// requests that no version could answer.
	meters [][]*metrics.Meter
	none   []*metrics.Meter

	// The counters of each service's rules, by their indexes.
	rules [][]prometheus.Counter
}

// Publish makes table and c what every request uses that has not started yet.
// c must be valid.
func (p *Proxy) Publish(table *router.Table, c Config) {
	w := &world{config: c, trusted: parsePeers(c.TrustedProxies), httpsPort: c.httpsPort(), table: table}
	var present []metrics.Key
	for _, s := range table.Services {
		meters := make([]*metrics.Meter, len(s.Versions))
		for i, v := range s.Versions {
			meters[i] = p.Metrics.Meter(s.Name, v.Name)
			present = append(present, metrics.Key{Service: s.Name, Version: v.Name})
		}
		w.meters = append(w.meters, meters)
		w.none = append(w.none, p.Metrics.Meter(s.Name, ""))
		w.rules = append(w.rules, p.Metrics.Rules(s.Name, s.Rules))
		present = append(present, metrics.Key{Service: s.Name})
	}
	p.Metrics.Present(present)
	p.world.Store(w)
}

// meter returns the counters of a decision.
func (w *world) meter(s *router.Service, d router.Decision) *metrics.Meter {
	if d.Version == nil {
		return w.none[s.Index]
	}
	return w.meters[s.Index][d.Version.Index]
}
