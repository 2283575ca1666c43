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

	// CloseConnections closes all of them, now: the time is over that requests,
	// streams and upgraded connections had to end by themselves. No other is
	// opened after that. It must not block.
	CloseConnections()
}

// An Opener makes the Conns of a backend.
type Opener interface{ Open(*Backend) Conns }

// Backend is one running container of a version, or one static address. It is
// made by a Registry and keeps its identity, counters and connections through
// reloads and events that do not concern it.
type Backend struct {
	ID      string
	Addr    string
	Version Version
	Created time.Time

	name     atomic.Pointer[string]
	pool     *Pool
	registry *Registry

	inflight atomic.Int64
	draining atomic.Bool

	connsOnce sync.Once
	conns     atomic.Pointer[Conns]

	sight sight
	eject atomic.Pointer[Eject] // nil: nothing that requests see ejects it

	dialect atomic.Pointer[Dialect]

	// Guarded by Registry.mu.
	life
	probe   context.CancelFunc // set while its port is probed
	asker   context.CancelFunc // set while it is checked
	asked   *Check             // by this
	askedAt string             // at this address
	askedIn *Dialect           // in this dialect
	timer   *time.Timer        // when to look at it again
	closing *time.Timer        // when a drain has taken too long
	cause   Cause              // of its last ejection
	joined  time.Time          // when it came into rotation
	ramp    time.Duration      // how long it takes from then to its whole share; 0: it has it
	state   State
	reason  string
	since   time.Time
	gone    bool // nothing is left of it
}

// Name returns the name of the container at present, for people: it may change.
func (b *Backend) Name() string { return *b.name.Load() }

func (b *Backend) rename(to string) {
	if had := b.name.Load(); had == nil || *had != to {
		kept := to // so that only what is new is allocated
		b.name.Store(&kept)
	}
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

// Dialect returns how the backend is spoken to by those who connect from now on.
// As long as it means the same it is the same.
func (b *Backend) Dialect() *Dialect { return b.dialect.Load() }

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

func (b *Backend) closeConns() {
	if c := b.conns.Load(); c != nil {
		(*c).CloseConnections()
	}
}
