package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/catalog"
	"divvy/cmd/internal/config"
	"divvy/router/state"
)

// auditTime bounds the looks of one audit together, so that its answer comes
// while somebody waits for it.
const auditTime = 25 * time.Second

// newKey returns a key for the hashes by which configurations are compared, so that
// nobody who sees a hash can find out by trying what a variable was set to.
func newKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return key
}

// fingerprintKey returns the key that is kept, so that a container has the same hash
// after divvy was started anew, and its comparisons go on. Without it divvy runs all
// the same.
func (p *program) fingerprintKey(ctx context.Context) []byte {
	key, err := state.Secret(ctx, p.keeper.Storage, p.keeper.Where)
	if err != nil {
		p.log.Error("what containers are configured by is compared with nothing from before this start: comparisons of containers begin anew", "err", err)
		return newKey()
	}
	return key
}

// want says which containers are to be looked at, by host.
func (e *engines) want(subjects map[string][]docker.Subject, every time.Duration) {
	for _, w := range e.list() {
		w.layers.Want(subjects[w.host.Name], every)
	}
}

// lookAt looks at containers, those of each host one after the other, until all
// have been looked at or ctx ends.
func (e *engines) lookAt(ctx context.Context, findings []catalog.Finding) {
	var hosts sync.WaitGroup
	for _, w := range e.list() {
		hosts.Go(func() {
			for _, f := range findings {
				if f.Host == w.host.Name && !f.ReadOnly && ctx.Err() == nil {
					w.layers.Look(ctx, f.ID)
				}
			}
		})
	}
	hosts.Wait()
}

// Audit implements admin.Control.
func (c control) Audit(ctx context.Context, service string) (admin.Audit, error) {
	c.mu.Lock()
	_, err := c.configOf(service)
	findings := c.examined[service]
	c.mu.Unlock()
	if err != nil {
		return admin.Audit{}, err
	}
	began := time.Now()
	looking, stop := context.WithTimeout(ctx, auditTime)
	defer stop()
	c.engines.lookAt(looking, findings)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.combine() // what was found counts at once
	conf, err := c.configOf(service)
	if err != nil {
		return admin.Audit{}, err
	}
	out := admin.Audit{Service: service, At: began, EventsSince: c.started, Clean: true, Versions: []admin.AuditVersion{}}
	for _, s := range c.table.Services {
		if s.Name != service {
			continue
		}
		for _, v := range c.serviceStatus(s, conf).Versions {
			if len(v.Backends) > 0 {
				out.Versions = append(out.Versions, c.auditVersion(service, &v, began))
			}
		}
	}
	for _, v := range out.Versions {
		out.Clean = out.Clean && v.Clean
	}
	out.Immutable = config.Warn
	for _, f := range c.examined[service] {
		out.Immutable = f.Mode
	}
	return out, nil
}

// auditVersion says whether a version is what was built, for an audit that began
// then. p.mu is held.
func (p *program) auditVersion(service string, v *admin.Version, began time.Time) admin.AuditVersion {
	out := admin.AuditVersion{
		Version: v.Name, ImageID: v.ImageID, Share: v.Share, Mutations: v.Mutations,
		Clean: len(v.Mutations) == 0, Backends: []admin.AuditBackend{},
	}
	for _, b := range v.Backends {
		a := admin.AuditBackend{ID: b.ID, Name: b.Name, Host: b.Host, State: b.State}
		i := slices.IndexFunc(p.examined[service], func(f catalog.Finding) bool { return f.ID == b.ID })
		switch {
		case b.State == backends.StateDraining:
			continue // it is gone, or about to be
		case b.Host == "":
			a.Static = true
		case i < 0:
			a.Unknown = cmp.Or(b.Reason, "nothing is known of it")
		default:
			f := &p.examined[service][i]
			a.Started, a.Fingerprint, a.ReadOnly, a.Mutations, a.Unknown = f.Started, f.Fingerprint, f.ReadOnly, f.Mutations, f.Unknown
			if a.Unknown == "" && !f.ReadOnly && f.Looked.Before(began) {
				a.Unknown = "there was no time to look at it"
			}
		}
		out.Clean = out.Clean && len(a.Mutations) == 0 && a.Unknown == ""
		out.Backends = append(out.Backends, a)
	}
	return out
}
