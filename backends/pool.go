package backends

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Pool is the backends of one version of one service. Requests use it without
// locks; the registry that made it keeps it up to date.
type Pool struct {
	Service string
	Version Version

	ready   atomic.Pointer[[]*Backend] // immutable once stored
	present atomic.Bool

	// Guarded by Registry.mu.
	backends []*Backend
	first    time.Time // when the first container that it ever had was created
}

func newPool(service string, v Version) *Pool {
	p := &Pool{Service: service, Version: v}
	p.ready.Store(new([]*Backend))
	return p
}

// Usable reports whether a backend is ready now.
func (p *Pool) Usable() bool { return len(*p.ready.Load()) > 0 }

// Present reports whether the version still runs: whether it has a backend that
// nobody has told to stop, and that could be used if it were healthy.
func (p *Pool) Present() bool { return p.present.Load() }

// Acquire picks the less busy of two ready backends picked at random, leaving
// out those already tried, and acquires it. It returns nil if there is none.
// The caller must Release what it got. It does not block.
//
// Two random choices keep the load nearly as even as a look at all backends
// would (Mitzenmacher, "The Power of Two Choices", 2001) at constant cost.
func (p *Pool) Acquire(tried []*Backend) *Backend {
	ready := *p.ready.Load()
	if n := len(ready); n > 1 && len(tried) == 0 {
		i, j := rand.IntN(n), rand.IntN(n-1)
		if j >= i {
			j++
		}
		b := ready[i]
		if c := ready[j]; c.inflight.Load() < b.inflight.Load() {
			b = c
		}
		if b.Acquire() {
			return b
		}
	}
	return acquireAny(ready, tried)
}

// acquireAny acquires the least busy of the backends that were not tried. It
// looks at all of them, and is for retries and for the moment in which a
// backend that was picked begins to drain.
func acquireAny(ready, tried []*Backend) *Backend {
	var refused []*Backend
	for {
		var best *Backend
		for _, b := range ready {
			if slices.Contains(tried, b) || slices.Contains(refused, b) {
				continue
			}
			if best == nil || b.inflight.Load() < best.inflight.Load() {
				best = b
			}
		}
		if best == nil || best.Acquire() {
			return best
		}
		refused = append(refused, best)
	}
}

// rebuild publishes the ready backends anew. Registry.mu is held.
func (p *Pool) rebuild() {
	ready := make([]*Backend, 0, len(p.backends))
	present := false
	for _, b := range p.backends {
		if b.state == StateReady {
			ready = append(ready, b)
		}
		present = present || b.state != StateDraining && b.state != StateInvalid
	}
	p.ready.Store(&ready)
	p.present.Store(present)
}
