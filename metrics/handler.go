package metrics

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes bounds scrapes at a time; one more is answered with 503.
const maxScrapes = 4

// Handler returns the handler of /metrics. It speaks the text format,
// OpenMetrics and protocol buffers (the only one that carries native
// histograms), as the scraper asks. An error in one series is logged and does
// not keep the others from being exported.
func (p *Prometheus) Handler() http.Handler {
	return promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{
		ErrorLog:            &scrapeLog{log: cmp.Or(p.Log, slog.Default())},
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            p.registry,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	})
}

// scrapeLog logs what promhttp complains about, but not the same thing twice
// in a row: a scraper that hangs up is reported once per metric, and a wrong
// series once per scrape.
type scrapeLog struct {
	log *slog.Logger

	mu   sync.Mutex // guards last
	last string
}

// Println implements [promhttp.Logger].
func (l *scrapeLog) Println(v ...any) {
	text := strings.TrimSpace(fmt.Sprintln(v...))
	l.mu.Lock()
	repeated := text == l.last
	l.last = text
	l.mu.Unlock()
	if !repeated {
		l.log.Warn("serving metrics", "err", text)
	}
}

// meters exports the series of every Meter. Its Describe is empty, which the
// registry takes to mean that the series change over time.
type meters struct{ p *Prometheus }

func (meters) Describe(chan<- *prometheus.Desc) {}

func (c meters) Collect(ch chan<- prometheus.Metric) {
	c.p.mu.Lock()
	all := make([]*Meter, 0, len(c.p.meters))
	for _, m := range c.p.meters {
		all = append(all, m)
	}
	c.p.mu.Unlock()
	for _, m := range all {
		m.collect(ch)
	}
}
