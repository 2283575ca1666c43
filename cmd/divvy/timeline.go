package main

import (
	"time"

	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/timeline"
	"divvy/metrics"
)

// shares returns what each version is given now.
func (p *program) shares() map[metrics.Key]timeline.Share {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[metrics.Key]timeline.Share{}
	if p.table == nil {
		return all
	}
	for _, s := range p.table.Services {
		for i, share := range s.Shares() {
			all[metrics.Key{Service: s.Name, Version: s.Versions[i].Name}] = timeline.Share(share)
		}
	}
	return all
}

// Timeline implements admin.Control.
func (p *program) Timeline(service string, since time.Time) (admin.Timeline, error) {
	p.mu.Lock()
	_, err := p.configOf(service)
	p.mu.Unlock()
	if err != nil {
		return admin.Timeline{}, err
	}
	return p.timeline.Timeline(service, since), nil
}
