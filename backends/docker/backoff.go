package docker

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is how long to wait between attempts: twice as long each time, up to
// a bound, and a random part of it, so that many proxies that lost one engine
// do not all come back at once.
type backoff struct {
	first, max time.Duration
	next       time.Duration // zero stands for first
}

// reset makes the next wait a short one again.
func (b *backoff) reset() { b.next = 0 }

// step returns how long to wait now: between half of the current wait and all
// of it.
func (b *backoff) step() time.Duration {
	d := max(b.next, b.first)
	b.next = min(2*d, b.max)
	return d/2 + rand.N(d/2+1)
}

// wait waits, or returns early when ctx ends.
func (b *backoff) wait(ctx context.Context) { pause(ctx, b.step()) }

// pause waits for d, or returns early when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
