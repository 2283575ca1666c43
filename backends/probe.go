package backends

import (
	"context"
	"fmt"
	"net"
	"time"
)

// How often a port is tried until it accepts: quickly at first, since a
// container is usually about to listen, then less and less often.
const (
	probeFirst   = 50 * time.Millisecond
	probeMax     = 2 * time.Second
	probeTimeout = 2 * time.Second
)

// How many probes are made at a time, and how many checks: in all, and of the
// backends of one service on one Docker host.
const (
	attemptsAtOnce = 256
	attemptsOfLane = 64
)

func (r *Registry) lane(b *Backend) lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	return lane{b.pool.Service, b.endpoint.Host}
}

// Run probes and checks backends until ctx ends, and returns when all that has
// ended.
func (r *Registry) Run(ctx context.Context) error {
	r.mu.Lock()
	r.running = ctx
	r.probeTurns = &turns{all: attemptsAtOnce, each: attemptsOfLane}
	r.checkTurns = &turns{all: attemptsAtOnce, each: attemptsOfLane}
	r.client = checkClient(r.Transport)
	for _, b := range r.backends {
		r.keepProbe(b)
		r.keepCheck(b)
	}
	r.mu.Unlock()

	<-ctx.Done()

	r.mu.Lock()
	r.running = nil
	r.mu.Unlock()
	r.probes.Wait()
	return nil
}

// keepProbe starts or ends the probe of b as its state demands.
func (r *Registry) keepProbe(b *Backend) {
	switch wants := b.wantsProbe(); {
	case !wants && b.probe != nil:
		b.probe()
		b.probe = nil
	case wants && b.probe == nil && r.running != nil:
		ctx, stop := context.WithCancel(r.running)
		b.probe = stop
		as := rankUsual
		if b.refused {
			as = rankUrgent // somebody was there to refuse
		}
		r.probes.Go(func() { r.probeUntilAccepted(ctx, b, as) })
	}
}

// probeUntilAccepted probes b, at a rank as long as it hears something.
func (r *Registry) probeUntilAccepted(ctx context.Context, b *Backend, prompt rank) {
	as := prompt
	for wait := probeFirst; ; wait = min(2*wait, probeMax) {
		turn := r.probeTurns.wait(ctx, r.lane(b), as)
		if turn == nil {
			return
		}
		attempt, stop := context.WithTimeout(ctx, probeTimeout)
		err := r.dial(attempt, b.Addr)
		if as = prompt; attempt.Err() != nil {
			as = rankHung
		}
		stop()
		turn.end()
		if ctx.Err() != nil {
			return
		}
		r.probed(b, err)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// probed notes how an attempt went.
func (r *Registry) probed(b *Backend, err error) {
	r.mu.Lock()
	defer r.unlock()
	if err != nil {
		b.lastErr = err.Error()
	} else {
		b.accepted, b.refused, b.lastErr = true, false, ""
	}
	r.settle(b)
}

func (r *Registry) dial(ctx context.Context, addr string) error {
	if r.Dial != nil {
		return r.Dial(ctx, addr)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	return c.Close()
}
