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

	rotation atomic.Pointer[rotation]
	present  atomic.Bool

	_    [64]byte     // so that who reads the rotation does not wait for who counts
	good atomic.Int64 // requests answered, by whoever was a backend then
	bad  atomic.Int64 // requests failed
	_    [48]byte

	// Guarded by Registry.mu.
	backends  []*Backend
	goes      bool             // some of them are gone, and to be removed before mu is released
	first     time.Time        // when the first container that it ever had was created
	panicking bool             // so few are left that ejected ones get requests
	ejections map[Cause]uint64 // so far
}

func newPool(service string, v Version) *Pool {
	p := &Pool{Service: service, Version: v, ejections: map[Cause]uint64{}}
	p.rotation.Store(new(rotation))
	return p
}

// Usable reports whether a backend can take a request now.
func (p *Pool) Usable() bool {
	r := p.rotation.Load()
	return len(r.full)+len(r.eased) > 0
}

// Present reports whether the version still runs: whether it has a backend that
// nobody has told to stop, and that could be used if it were healthy and not
// barred.
func (p *Pool) Present() bool { return p.present.Load() }

// Acquire picks the less busy of two backends picked at random, leaving out those
// already tried, and acquires it; or one that is new or on trial, if it is its
// turn. It returns nil if there is none. The caller must Release what it got. It
// does not block.
//
// Who drains is out of rotation before it turns anybody away, so that whoever was
// turned away by all finds those who have come meanwhile in the rotation of now.
//
// Two random choices keep the load nearly as even as a look at all backends
// would (Mitzenmacher, "The Power of Two Choices", 2001) at constant cost.
func (p *Pool) Acquire(tried []*Backend) *Backend {
	for r := p.rotation.Load(); ; {
		if b := r.acquire(tried); b != nil {
			return b
		}
		now := p.rotation.Load()
		if now == r {
			return nil
		}
		r = now
	}
}

func (r *rotation) acquire(tried []*Backend) *Backend {
	if len(tried) == 0 {
		if len(r.eased) > 0 {
			if b := r.newcomer(); b != nil {
				return b
			}
		}
		if b := pick(r.full); b != nil {
			return b
		}
	}
	if b := acquireAny(r.full, tried); b != nil || len(r.eased) == 0 {
		return b
	}
	return acquireAny(r.waiting(), tried) // rather than nobody
}

// pick acquires the less busy of two picked at random. It returns nil if that one
// drains.
func pick(full []*Backend) *Backend {
	if len(full) == 0 {
		return nil
	}
	b := full[0]
	if n := len(full); n > 1 {
		i, j := rand.IntN(n), rand.IntN(n-1)
		if j >= i {
			j++
		}
		b = full[i]
		if c := full[j]; c.inflight.Load() < b.inflight.Load() {
			b = c
		}
	}
	if !b.Acquire() {
		return nil
	}
	return b
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
