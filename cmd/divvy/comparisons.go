package main

import (
	"cmp"
	"os"
	"regexp"

	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/compare"
	"divvy/metrics/stats"
	"divvy/router"
	"divvy/router/state"
)

// newComparisons returns what compares the candidates of all services.
func (p *program) newComparisons(s state.Storage, where string) *compare.Manager {
	return &compare.Manager{
		Storage: s, Where: where, Proxy: proxyName(), Identify: p.identify, Changed: p.judged, Log: p.log,
		Rebuild: func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.publish()
		},
	}
}

// proxyName names this divvy among those that share a storage: by its machine or
// container. Which of several counted what does not depend on it.
func proxyName() string {
	name, _ := os.Hostname() // "" is unlikely, and no harm
	name = regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(name, "-")
	return cmp.Or(name[:min(len(name), 63)], "divvy")
}

// identify returns what a version is: its image and, of the oldest of its backends,
// what else shapes what it does.
func (p *program) identify(v *router.Version) stats.Version {
	return stats.Version{Image: v.Key(), Fingerprint: p.registry.Fingerprint(v.Pool)}
}

// judged tells of a verdict that has become another.
func (p *program) judged(c compare.Change) {
	p.log.Info("verdict changed", "service", c.Service, "candidate", c.Candidate, "stable", c.Stable,
		"was", c.Was, "is", c.Is, "reason", c.Reason, "finding", c.Finding)
	p.admin.Events.Publish("verdict", c.Service, c)
}

// subjects returns the services of the table with their configurations. p.mu is held.
func (p *program) subjects() []compare.Subject {
	all := make([]compare.Subject, 0, len(p.services))
	for i, s := range p.table.Services {
		all = append(all, compare.Subject{Service: s, Config: p.services[i]})
	}
	return all
}

// Comparisons implements admin.Control.
func (p *program) Comparisons(service string) ([]admin.Comparison, error) {
	p.mu.Lock()
	_, err := p.configOf(service)
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return p.comparisons.Comparisons(service), nil
}
