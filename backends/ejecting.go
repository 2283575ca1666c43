package backends

import (
	"cmp"
	"slices"
	"time"
)

// eject takes b out of rotation, unless too many of its version are out already.
func (r *Registry) eject(b *Backend, cause Cause, why string) {
	r.mu.Lock()
	defer r.unlock()
	b.sight.forget()
	e := b.eject.Load()
	p := b.pool
	if c := p.count(); e == nil || b.state != StateReady || !e.allows(c.ejected, c.total()) {
		return
	}
	p.ejections[cause]++
	b.cause = cause
	r.sendOut(b, e, why)
}

// tend takes over by what requests eject b, and how it is spoken to. r.mu is held.
func (r *Registry) tend(b *Backend) {
	if d := b.endpoint.Dialect; !d.same(b.dialect.Load()) {
		b.dialect.Store(d)
	}
	e := &b.endpoint.care().Eject
	if !e.Enabled() {
		e = nil
	}
	b.eject.Store(e)
	if e == nil && b.ejection.out {
		b.sight.trial.Store(0)
		b.ejection = ejection{}
	}
}

// sendOut keeps b out until its time is over. r.mu is held.
func (r *Registry) sendOut(b *Backend, e *Eject, why string) {
	b.sight.trial.Store(0)
	d := b.ejection.begin(e, why, time.Now())
	r.wake(b, d)
	r.settle(b)
}

// failTrial sends b out again: a request on trial has failed. If b is no longer on
// trial but stopping or unhealthy, that explains the failure.
func (r *Registry) failTrial(b *Backend) {
	r.mu.Lock()
	defer r.unlock()
	e := b.eject.Load()
	if e == nil || !b.ejection.trial || b.state != StateEjected {
		return
	}
	b.pool.ejections[b.cause]++
	r.sendOut(b, e, "a request on trial failed")
}

// readmit ends the ejection of b: it has stood its trial.
func (r *Registry) readmit(b *Backend) {
	r.mu.Lock()
	defer r.unlock()
	if b.ejection.trial {
		r.pardon(b)
	}
}

// pardon lets b in. r.mu is held.
func (r *Registry) pardon(b *Backend) {
	b.sight.trial.Store(0)
	b.sight.forget()
	b.ejection.end(time.Now())
	r.settle(b)
}

// compare ejects b if its answers begin late beside those of its siblings.
func (r *Registry) compare(b *Backend) {
	e := b.eject.Load()
	mean := b.sight.mean()
	if median := r.medianPace(b); e != nil && median > 0 && laggard(mean, median, e.Slow) {
		r.eject(b, CauseSlow, slowText(mean, median))
	}
}

// medianPace returns the median of the times that the siblings of b take to begin
// their answers, 0 if none is known.
func (r *Registry) medianPace(b *Backend) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []time.Duration
	for _, o := range b.pool.backends {
		if mean := o.sight.mean(); o != b && o.state == StateReady && mean > 0 {
			all = append(all, mean)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.SortFunc(all, func(a, b time.Duration) int { return cmp.Compare(a, b) })
	return all[(len(all)-1)/2]
}

// Ejections returns how often backends of the pool were ejected, by cause.
func (r *Registry) Ejections(p *Pool) map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]uint64{}
	for _, c := range Causes() {
		out[string(c)] = p.ejections[c]
	}
	return out
}
