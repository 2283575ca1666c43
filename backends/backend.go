package backends

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Conns are the open connections to one backend. They are kept with the
// backend, by whoever opens them, so that they live and end with it.
type Conns interface {
	// CloseIdleConnections closes those that carry no request, now. Those that
	// do may stay until it ends. It must not block.
	CloseIdleConnections()
}

// An Opener makes the Conns of a backend.
type Opener interface{ Open(*Backend) Conns }

// Backend is one running container of a version, or one static address. It is
// made by a Registry and keeps its identity, counters and connections through
// reloads and events that do not concern it.
type Backend struct {
	ID      string
	Name    string
	Host    string
	Addr    string
	Version Version
	Created time.Time

	pool     *Pool
	registry *Registry

	inflight atomic.Int64
	draining atomic.Bool

	connsOnce sync.Once
	conns     atomic.Pointer[Conns]

	life // guarded by registry.mu
}

// life is the part of a backend that decides its state.
type life struct {
	endpoint Endpoint
	stopping string // why it drains, "" if it does not
	accepted bool   // its port has accepted a connection since it was last refused
	refused  bool   // a request found its port closed after that
	lastErr  string // why the last connection attempt failed
	probe    context.CancelFunc

	state  State
	reason string
	since  time.Time
}

// Acquire counts one more request in flight and reports whether the backend
// may take it. Each Acquire that returned true needs one Release. It does not
// block.
func (b *Backend) Acquire() bool {
	b.inflight.Add(1)
	// The order matters: drain stores, then loads; this adds, then loads. So
	// either drain sees this request or this request sees the drain.
	if b.draining.Load() {
		b.Release()
		return false
	}
	return true
}

// Release gives back what Acquire took.
func (b *Backend) Release() {
	if b.inflight.Add(-1) == 0 && b.draining.Load() {
		// Not in this goroutine: a request that ends should not wait for the
		// registry's lock.
		go b.registry.drained(b)
	}
}

// InFlight returns the number of requests in flight.
func (b *Backend) InFlight() int { return int(b.inflight.Load()) }

// Draining reports whether the backend takes no new requests any more.
func (b *Backend) Draining() bool { return b.draining.Load() }

// Conns returns the connections to this backend, made by o when they are first
// asked for.
func (b *Backend) Conns(o Opener) Conns {
	if c := b.conns.Load(); c != nil {
		return *c
	}
	b.connsOnce.Do(func() {
		c := o.Open(b)
		b.conns.Store(&c)
	})
	return *b.conns.Load()
}

// Refused tells the registry that nobody listens at the backend's address. It
// leaves the rotation until its port accepts a connection again.
func (b *Backend) Refused(err error) { b.registry.refused(b, err) }

func (b *Backend) closeIdleConns() {
	if c := b.conns.Load(); c != nil {
		(*c).CloseIdleConnections()
	}
}
