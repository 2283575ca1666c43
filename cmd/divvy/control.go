package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/router"
	"divvy/router/state"
)

// control is the program as the admin API sees it.
type control struct{ *program }

// Status implements admin.Control.
func (c control) Status() admin.Status { return c.status() }

// configOf returns the configuration of a service. p.mu is held.
func (p *program) configOf(service string) (router.Config, error) {
	i := slices.IndexFunc(p.services, func(c router.Config) bool { return c.Name == service })
	if i < 0 {
		return router.Config{}, admin.ErrNoService
	}
	return p.services[i], nil
}

// world returns what an edit of a service is judged by. p.mu is held.
func (p *program) world(c router.Config) state.World {
	return state.World{
		Labels: p.labels[c.Name],
		Input:  router.Input{Config: c, Members: p.registry.Members(c.Name)},
	}
}

// lookUp returns a service as the table has it, and what it is made of.
func (p *program) lookUp(service string) (*router.Service, router.Input, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.configOf(service)
	if err != nil {
		return nil, router.Input{}, err
	}
	d := p.keeper.Document()
	in := p.input(c, &d)
	return router.NewService(in), in, nil
}

// Split implements admin.Control.
func (c control) Split(service string) (admin.Split, error) {
	s, in, err := c.lookUp(service)
	if err != nil {
		return admin.Split{}, err
	}
	known := c.keeper.Document().Services[service]
	weights := in.Weights
	if weights == nil {
		weights = map[string]int{}
	}
	return admin.Split{
		Service: service, Revision: known.Revision, Weights: weights, Holders: in.Holders,
		RolledBack: known.RolledBack, Shares: sharesOf(s, in.Weights),
	}, nil
}

// sharesOf returns what each version gets of a service, and each name that no
// version runs under.
func sharesOf(s *router.Service, weights map[string]int) []admin.Share {
	all := []admin.Share{}
	for i, share := range s.Shares() {
		all = append(all, admin.Share{Version: s.Versions[i].Name, Weight: share.Weight, Share: share.Share, Runs: true})
	}
	for _, name := range s.Idle() {
		all = append(all, admin.Share{Version: name, Weight: float64(weights[name])})
	}
	return all
}

// History implements admin.Control.
func (c control) History(service string) ([]state.Entry, error) {
	if known, ok := c.keeper.Document().Services[service]; ok {
		return known.History, nil // also of a service that does not run now
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.configOf(service)
	return nil, err
}

// Edit implements admin.Control. It is the door for all edits but those of the
// file, which come with others.
func (c control) Edit(service string, e state.Edit, dry bool) (admin.Edited, error) {
	out := admin.Edited{DryRun: dry}
	change := func(d state.Document) (state.Document, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		conf, err := c.configOf(service)
		if err != nil {
			return d, err
		}
		next, err := d.Edit(service, e, c.world(conf), time.Now())
		if err != nil {
			return d, err
		}
		before, after := c.input(conf, &d), c.input(conf, &next)
		out.Before = sharesOf(router.NewService(before), before.Weights)
		out.After = sharesOf(router.NewService(after), after.Weights)
		out.Revision = next.Services[service].Revision
		out.Changed = next.Revision != d.Revision
		out.RolledBack = newlyRolledBack(d.Services[service], next.Services[service])
		return next, nil
	}
	if dry {
		_, err := change(c.keeper.Document())
		return out, err
	}
	_, err := c.keeper.Update(change)
	return out, err
}

// newlyRolledBack returns the names of the images that an edit took out of
// service for good.
func newlyRolledBack(was, is state.Service) []string {
	var names []string
	for _, r := range is.RolledBack {
		if !slices.Contains(was.Images(), r.Image) {
			names = append(names, r.Name)
		}
	}
	return names
}

// RotateKey implements admin.Control.
func (c control) RotateKey(ctx context.Context, forget bool) error { return c.keys.Rotate(ctx, forget) }

// edited is called after the state has changed, by whomever.
func (p *program) edited(is state.Document) {
	p.mu.Lock()
	defer p.mu.Unlock()
	told := p.told
	p.told = is.Revision
	if p.config == nil {
		return // it is about to be applied for the first time
	}
	p.publish()
	for _, name := range slices.Sorted(maps.Keys(is.Services)) {
		for _, e := range is.Services[name].History {
			if e.Revision > told {
				p.log.Info("split edited", "service", name, "kind", e.Kind, "who", e.Who, "via", e.Via, "why", e.Why,
					"from", e.From.Weights, "to", e.To.Weights, "revision", e.Revision)
				p.admin.Events.Publish("edit", name, e)
			}
		}
	}
}

// rekeyed is called after the keys of cookies have changed.
func (p *program) rekeyed(k *router.Keyring) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keyring = k
	if p.config != nil {
		p.publish()
	}
}
