package main

import (
	"divvy/backends"
	"divvy/cmd/internal/admin"
	"divvy/metrics"
	"divvy/router"
)

// status returns the program as it is now.
func (p *program) status() admin.Status {
	engines := p.engines.status()
	problems := []string{}
	for _, text := range []string{p.keeper.Problem(), p.keys.Problem()} { // without p.mu, which they may wait for
		if text != "" {
			problems = append(problems, text)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := admin.Status{
		Version: version(), Started: p.started, Docker: engines, Problems: append(problems, p.problems...),
		Config:   admin.Config{Path: p.path, Loaded: p.loaded},
		Services: []admin.Service{}, Certificates: p.certs.Status(),
	}
	if p.refused != nil {
		s.Config.Error = p.refused.Error()
	}
	for i, service := range p.table.Services {
		s.Services = append(s.Services, p.serviceStatus(service, p.services[i]))
	}
	return s
}

func (p *program) serviceStatus(s *router.Service, c router.Config) admin.Service {
	out := admin.Service{
		Name: s.Name, Hosts: c.Hosts, Paths: c.Paths, Sticky: c.Sticky.By, Rules: s.Rules, Versions: []admin.Version{},
		Revision: p.keeper.Document().Services[s.Name].Revision,
	}
	for i, share := range s.Shares() {
		v := s.Versions[i]
		identity := v.Pool.Version
		var drift []backends.Mutation
		if d, ok := p.drifts[s.Name][identity.Key()]; ok {
			drift = append(drift, d)
		}
		out.Versions = append(out.Versions, admin.Version{
			Name: v.Name, Tags: v.Tags, ImageID: identity.ImageID, Revision: identity.Revision, Created: identity.Created,
			Weight: share.Weight, Share: share.Share, Backends: p.registry.Backends(v.Pool), RolledBack: v.RolledBack,
			Mutations: drift,
		})
	}
	return out
}

// snapshot returns what Prometheus reads at a scrape.
func (p *program) snapshot() metrics.Snapshot {
	engines, comparisons := p.engines.snapshot(), p.comparisons.Status()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := metrics.Snapshot{
		Comparisons:  comparisons,
		Certificates: certificates(p.certs.Status()),
		Hosts:        engines, ConfigOK: p.refused == nil, ConfigTime: p.loaded, LogDropped: p.access.Dropped(),
	}
	for _, service := range p.table.Services {
		for i, share := range service.Shares() {
			v := service.Versions[i]
			identity := v.Pool.Version
			all := p.registry.Backends(v.Pool)
			s.Versions = append(s.Versions, metrics.VersionStatus{
				Service: service.Name, Version: v.Name, Tag: identity.Tag, ImageID: identity.ImageID,
				Revision: identity.Revision, Created: identity.Created,
				Weight: share.Weight, Share: share.Share, Backends: countStates(all), Mutable: countMutable(all),
				Ejections: p.registry.Ejections(v.Pool),
			})
		}
	}
	return s
}

func countStates(list []backends.Status) map[string]int {
	n := map[string]int{}
	for _, b := range list {
		n[string(b.State)]++
	}
	return n
}

// countMutable returns how many backends may be something else than their image
// says.
func countMutable(list []backends.Status) int {
	n := 0
	for _, b := range list {
		if len(b.Mutations) > 0 {
			n++
		}
	}
	return n
}
