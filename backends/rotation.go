package backends

import (
	"math/rand/v2"
	"slices"
	"time"
)

// rotation is who gets requests. It is immutable.
type rotation struct {
	full  []*Backend // those with their whole share
	eased []easing   // those with less
}

// easing is how a backend comes to its share: along a line, if it is new, and by
// one request at a time, if it is on trial.
type easing struct {
	backend *Backend
	trial   bool
	from    time.Time
	over    time.Duration
}

// firstChance is the part of its share that a newcomer begins with.
const firstChance = 0.1

// chance returns the part of its share that the backend gets.
func (e *easing) chance(now time.Time) float64 {
	return min(1, firstChance+(1-firstChance)*float64(now.Sub(e.from))/float64(e.over))
}

// at returns the i-th of all.
func (r *rotation) at(i int) *Backend {
	if i < len(r.full) {
		return r.full[i]
	}
	return r.eased[i-len(r.full)].backend
}

// newcomer acquires one of those with less than their share, if it is their turn:
// each would be asked as often as any other, and takes its part of that.
func (r *rotation) newcomer() *Backend {
	i := rand.IntN(len(r.full) + len(r.eased))
	if i >= len(r.eased) {
		return nil
	}
	e := &r.eased[i]
	now := time.Now()
	if e.trial && !e.backend.sight.mayTry(now) || !e.trial && rand.Float64() >= e.chance(now) || !e.backend.Acquire() {
		return nil
	}
	return e.backend
}

// waiting returns those with less than their share.
func (r *rotation) waiting() []*Backend {
	var all []*Backend
	for i := range r.eased {
		all = append(all, r.eased[i].backend)
	}
	return all
}

// rebuild publishes anew who gets requests. Registry.mu is held.
func (p *Pool) rebuild(now time.Time) {
	next := new(rotation)
	present := false
	p.panicking = p.tooFew()
	for _, b := range p.backends {
		switch {
		case b.state == StateReady && b.ramps(now):
			next.eased = append(next.eased, easing{backend: b, from: b.joined, over: b.ramp})
		case b.state == StateReady, b.state == StateEjected && p.panicking:
			next.full = append(next.full, b)
		case b.state == StateEjected && b.ejection.trial:
			next.eased = append(next.eased, easing{backend: b, trial: true})
		}
		// What bars it may go as it came, so it counts.
		present = present || b.stopping == "" && b.endpoint.Problem == ""
	}
	p.rotation.Store(next)
	p.present.Store(present)
}

// census is how many backends of a pool are in the states that matter to ejection.
type census struct{ ready, ejected, unhealthy int }

// total returns how many there would be if all were well.
func (c *census) total() int { return c.ready + c.ejected + c.unhealthy }

func (p *Pool) count() (c census) {
	for _, b := range p.backends {
		switch b.state {
		case StateReady:
			c.ready++
		case StateEjected:
			c.ejected++
		case StateUnhealthy:
			c.unhealthy++
		}
	}
	return c
}

// tooFew reports whether so few are ready that the ejected ones are needed.
func (p *Pool) tooFew() bool {
	c := p.count()
	return c.ejected > 0 && slices.ContainsFunc(p.backends, func(b *Backend) bool {
		return b.state == StateEjected && b.endpoint.care().Eject.panics(c.ready, c.total())
	})
}

// ramps reports whether b is on its way to its whole share.
func (b *Backend) ramps(now time.Time) bool { return b.ramp > 0 && now.Sub(b.joined) < b.ramp }

// join notes that b is in rotation from now on, and how it comes to its share: at
// once, unless another of its version has been there for as long as slow start
// takes. Those that start together have nobody who could take their part.
func (r *Registry) join(b *Backend, now time.Time) {
	slow := b.endpoint.care().SlowStart
	b.joined, b.ramp = now, 0
	if slow == 0 || !slices.ContainsFunc(b.pool.backends, func(o *Backend) bool {
		return o != b && o.state == StateReady && !o.ramps(now) && now.Sub(o.joined) >= slow
	}) {
		return
	}
	b.ramp = slow
	r.wake(b, slow)
}

// wake looks at b again when d has passed, and not before.
func (r *Registry) wake(b *Backend, d time.Duration) {
	if b.timer != nil {
		b.timer.Stop()
	}
	b.timer = time.AfterFunc(d, func() { r.woke(b) })
}

// woke is called when something of b is over: its slow start or its ejection.
func (r *Registry) woke(b *Backend) {
	r.mu.Lock()
	defer r.unlock()
	if b.ejection.over(time.Now()) {
		b.sight.trying.Store(0)
		b.sight.trial.Store(trialAnswers)
	}
	r.settle(b)
}
