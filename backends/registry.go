package backends

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Registry keeps every backend by its identity, checks those whose state only
// a connection can tell, and keeps the pools up to date. The zero value works
// but for Run, which must be running for backends without a health check of
// their own to become ready.
type Registry struct {
	// Dial attempts a connection to addr and closes it; nil stands for TCP. It
	// must return when ctx ends.
	Dial func(ctx context.Context, addr string) error

	// Log receives changes of state; nil discards them.
	Log *slog.Logger

	mu       sync.Mutex // guards all below, and the guarded parts of Pool and Backend
	backends map[key]*Backend
	pools    map[string]map[string]*Pool // by service and the version's Key
	stale    map[*Pool]bool              // to be rebuilt before mu is released
	changed  chan struct{}
	running  context.Context // set while Run runs
	probes   sync.WaitGroup
}

// Changed returns a channel that receives a value after the versions of a
// service, their tags or their presence may have changed. Values are merged,
// but a change is never left unsignalled.
func (r *Registry) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signal()
}

func (r *Registry) signal() chan struct{} {
	if r.changed == nil {
		r.changed = make(chan struct{}, 1)
	}
	return r.changed
}

func (r *Registry) notify() {
	select {
	case r.signal() <- struct{}{}:
	default:
	}
}

// Replace makes found the whole of what exists. Backends that are in it keep
// all that is known of them; those that are not drain.
func (r *Registry) Replace(found []Endpoint) {
	r.mu.Lock()
	defer r.unlock()
	if r.backends == nil {
		r.backends = map[key]*Backend{}
		r.pools = map[string]map[string]*Pool{}
	}
	// The oldest first, so that a pool takes its name from its oldest container.
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b Endpoint) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	seen := make(map[key]bool, len(found))
	for i := range found {
		e := &found[i]
		if seen[e.key()] {
			continue
		}
		seen[e.key()] = true
		r.update(e)
	}
	for k, b := range r.backends {
		if !seen[k] {
			r.stop(b, "it is gone: it runs no more, or is of another service now")
		}
	}
}

// update keeps, replaces or makes the backend that e describes.
func (r *Registry) update(e *Endpoint) {
	old := r.backends[e.key()]
	if old != nil && old.endpoint.sameLife(e) {
		old.endpoint = *e
		r.settle(old)
		return
	}
	p := r.pool(e)
	b := &Backend{
		ID: e.ID, Name: e.Name, Host: e.Host, Addr: e.Addr, Version: p.Version, Created: e.Created,
		pool: p, registry: r, life: life{endpoint: *e},
	}
	r.backends[e.key()] = b
	p.backends = append(p.backends, b)
	r.notify() // its tag may be new to the version
	r.settle(b)
	if old != nil {
		r.stop(old, "it was replaced: restarted, or reached otherwise now")
	}
}

// pool returns the pool that e belongs to.
func (r *Registry) pool(e *Endpoint) *Pool {
	versions := r.pools[e.Service]
	if versions == nil {
		versions = map[string]*Pool{}
		r.pools[e.Service] = versions
	}
	p := versions[e.Version.Key()]
	if p == nil {
		p = newPool(e.Service, e.Version)
		p.first = e.Created
		versions[e.Version.Key()] = p
		r.notify()
	}
	if e.Created.Before(p.first) {
		p.first = e.Created
		r.notify()
	}
	return p
}

// tags returns the tags that its containers were started with, those of the
// oldest first.
func (p *Pool) tags() []string {
	var all []string
	for _, b := range p.backends {
		if tag := b.endpoint.Version.Tag; !slices.Contains(all, tag) {
			all = append(all, tag)
		}
	}
	return all
}

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

// drain lets no new request into b. Those in flight finish.
func (r *Registry) drain(b *Backend) {
	r.settle(b)
	b.draining.Store(true)
	b.closeIdleConns()
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

// forget removes b from its pool, unless its container is still listed: then
// the list that lacks it calls stop, which comes here again.
func (r *Registry) forget(b *Backend) {
	if r.backends[b.endpoint.key()] == b || !slices.Contains(b.pool.backends, b) {
		return
	}
	p := b.pool
	p.backends = slices.DeleteFunc(p.backends, func(o *Backend) bool { return o == b })
	defer r.notify()
	if len(p.backends) > 0 {
		return
	}
	versions := r.pools[p.Service]
	delete(versions, p.Version.Key())
	if len(versions) == 0 {
		delete(r.pools, p.Service)
	}
}

// refused is Backend.Refused.
func (r *Registry) refused(b *Backend, err error) {
	r.mu.Lock()
	defer r.unlock()
	b.accepted, b.refused, b.lastErr = false, true, err.Error()
	r.settle(b)
}

// unlock rebuilds the pools that something has changed in, each once however
// much it was, and releases mu.
func (r *Registry) unlock() {
	for p := range r.stale {
		was := p.Present()
		p.rebuild()
		if p.Present() != was {
			r.notify()
		}
	}
	clear(r.stale)
	r.mu.Unlock()
}

// settle brings b's state and its probe in line with what is known. Its pool
// follows with unlock.
func (r *Registry) settle(b *Backend) {
	state, reason := b.condition()
	if state != b.state {
		r.logChange(b, state, reason)
		b.since = time.Now()
	}
	b.state, b.reason = state, reason
	if r.stale == nil {
		r.stale = map[*Pool]bool{}
	}
	r.stale[b.pool] = true
	r.keepProbe(b)
}

func (r *Registry) logChange(b *Backend, state State, reason string) {
	if r.Log == nil {
		return
	}
	level := slog.LevelInfo
	if state == StateUnhealthy || state == StateInvalid {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("service", b.pool.Service), slog.String("version", b.Version.String()),
		slog.String("backend", b.Name), slog.String("addr", b.Addr),
	}
	if b.state != "" {
		attrs = append(attrs, slog.String("was", string(b.state)))
	}
	if reason != "" {
		attrs = append(attrs, slog.String("reason", reason))
	}
	r.Log.LogAttrs(context.Background(), level, "backend "+string(state), attrs...)
}

// Member is a version of a service as the registry knows it at one moment.
type Member struct {
	*Pool

	// Tags is every tag that a container of the version was started with.
	Tags []string

	// First is when the first container was created that the version had since
	// it was last without any.
	First time.Time
}

// Members returns the versions of a service, those whose containers came first
// first.
func (r *Registry) Members(service string) []Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ms []Member
	for _, p := range r.pools[service] {
		ms = append(ms, Member{p, p.tags(), p.first})
	}
	slices.SortFunc(ms, func(a, b Member) int {
		return cmp.Or(a.First.Compare(b.First), strings.Compare(a.Version.Key(), b.Version.Key()))
	})
	return ms
}
