package backends

import (
	"slices"
	"time"
)

// Stopping drains every backend that runs in the container, at once: its stop
// signal has been sent. It stays out of rotation until the container has been
// restarted.
func (r *Registry) Stopping(container, reason string) {
	r.mu.Lock()
	defer r.unlock()
	for k, b := range r.backends {
		if k.id == container && b.stopping == "" {
			b.stopping = reason
			r.drain(b)
		}
	}
}

// stop drains b and lets go of its identity, so that another may take it.
func (r *Registry) stop(b *Backend, reason string) {
	if k := b.endpoint.key(); r.backends[k] == b {
		delete(r.backends, k)
	}
	if b.stopping == "" {
		b.stopping = reason
	}
	r.drain(b)
}

// drain takes b out of rotation, and then lets no new request in. Those in flight
// finish, within the time of the service.
func (r *Registry) drain(b *Backend) {
	r.settle(b)
	r.leaving = append(r.leaving, b)
}

// shut lets no new request into b, which is in no rotation any more.
func (r *Registry) shut(b *Backend) {
	b.draining.Store(true)
	b.closeIdleConns()
	if limit := b.endpoint.care().DrainTimeout; b.closing == nil && limit > 0 {
		b.closing = time.AfterFunc(limit, b.closeConns)
	}
	if b.inflight.Load() == 0 {
		r.forget(b)
	}
}

// drained is called after the last request in flight of a draining backend.
func (r *Registry) drained(b *Backend) {
	b.closeIdleConns()
	r.mu.Lock()
	defer r.unlock()
	r.forget(b)
}

// forget has b removed from its pool, unless its container is still listed: then
// the list that lacks it calls stop, which comes here again.
func (r *Registry) forget(b *Backend) {
	if r.backends[b.endpoint.key()] == b || b.gone {
		return
	}
	for _, t := range []*time.Timer{b.timer, b.closing} {
		if t != nil {
			t.Stop()
		}
	}
	b.gone = true
	r.touch(b.pool).goes = true
}

// sweep removes the backends of p that are gone, all at once, and p if it was
// left without any.
func (r *Registry) sweep(p *Pool) {
	p.goes = false
	p.backends = slices.DeleteFunc(p.backends, func(b *Backend) bool { return b.gone })
	r.notify()
	if len(p.backends) > 0 {
		return
	}
	versions := r.pools[p.Service]
	delete(versions, p.Version.Key())
	if len(versions) == 0 {
		delete(r.pools, p.Service)
	}
}
