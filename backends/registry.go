package backends

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Change is a change of a backend's state.
type Change struct {
	Service string `json:"-"`
	Version string `json:"version"`
	Backend string `json:"backend"`
	ID      string `json:"id"`
	From    State  `json:"from,omitempty"` // "" for a backend that is new
	To      State  `json:"to"`
	Reason  string `json:"reason,omitempty"`
}

// Registry keeps every backend by its identity, checks those whose state only
// a connection can tell, and keeps the pools up to date. The zero value works
// but for Run, which must be running for backends without a health check of
// their own to become ready.
type Registry struct {
	// Dial attempts a connection to addr and closes it; nil stands for TCP. It
	// must return when ctx ends.
	Dial func(ctx context.Context, addr string) error

	// Transport makes the requests of checks; nil stands for one that opens a
	// connection for each.
	Transport http.RoundTripper

	// Log receives changes of state; nil discards them.
	Log *slog.Logger

	// Observe is told of changes of state, too, if it is set. It must not
	// block, nor call the registry.
	Observe func(Change)

	mu       sync.Mutex // guards all below, and the guarded parts of Pool and Backend
	backends map[key]*Backend
	pools    map[string]map[string]*Pool // by service and the version's Key
	stale    map[*Pool]bool              // to be rebuilt before mu is released
	leaving  []*Backend                  // to be shut after that
	changed  chan struct{}
	running  context.Context // set while Run runs
	probes   sync.WaitGroup
	client   *http.Client // makes the requests of checks

	probeTurns, checkTurns *turns // set by Run
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
		old.adopt(e, old.state == StateReady)
		old.rename(e.Name)
		r.tend(old)
		r.settle(old)
		return
	}
	p := r.pool(e)
	b := &Backend{
		ID: e.ID, Addr: e.Addr, Version: p.Version, Created: e.Created,
		pool: p, registry: r, life: life{endpoint: *e},
	}
	b.rename(e.Name)
	r.backends[e.key()] = b
	p.backends = append(p.backends, b)
	r.tend(b)
	r.notify() // its tag may be new to the version
	r.settle(b)
	if old != nil {
		if old.endpoint.lost(e) {
			go old.closeConns() // what waits there waits for nothing
		}
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

// refused is Backend.Refused.
func (r *Registry) refused(b *Backend, err error) {
	r.mu.Lock()
	defer r.unlock()
	b.accepted, b.refused, b.lastErr = false, true, err.Error()
	r.settle(b)
}

// touch has p rebuilt before mu is released, and returns it.
func (r *Registry) touch(p *Pool) *Pool {
	if r.stale == nil {
		r.stale = map[*Pool]bool{}
	}
	r.stale[p] = true
	return p
}

// unlock rebuilds the pools that something has changed in, each once however
// much it was, shuts those that drain, and releases mu. The order matters: a
// request that is turned away looks again, and must not be sent back.
func (r *Registry) unlock() {
	now := time.Now()
	for p := range r.stale {
		was := p.Present()
		p.rebuild(now)
		if p.Present() != was {
			r.notify()
		}
	}
	for _, b := range r.leaving {
		r.shut(b)
	}
	r.leaving = nil
	for p := range r.stale {
		if p.goes {
			r.sweep(p)
		}
	}
	clear(r.stale)
	r.mu.Unlock()
}

// settle brings b's state, its probe and its check in line with what is known.
// Its pool follows with unlock.
func (r *Registry) settle(b *Backend) {
	state, reason := b.condition()
	if state != b.state {
		r.logChange(b, state, reason)
		if r.Observe != nil {
			r.Observe(Change{b.pool.Service, b.Version.String(), b.Name(), b.ID, b.state, state, reason})
		}
		b.since = time.Now()
		if state == StateReady {
			r.join(b, b.since)
		}
	}
	b.state, b.reason = state, reason
	r.touch(b.pool)
	r.keepProbe(b)
	r.keepCheck(b)
}

func (r *Registry) logChange(b *Backend, state State, reason string) {
	if r.Log == nil {
		return
	}
	level := slog.LevelInfo
	if state == StateEjected || state == StateUnhealthy || state == StateInvalid {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("service", b.pool.Service), slog.String("version", b.Version.String()),
		slog.String("backend", b.Name()), slog.String("addr", b.Addr),
	}
	if b.state != "" {
		attrs = append(attrs, slog.String("was", string(b.state)))
	}
	if reason != "" {
		attrs = append(attrs, slog.String("reason", reason))
	}
	r.Log.LogAttrs(context.Background(), level, "backend "+string(state), attrs...)
}
