package proxy

import (
	"sync/atomic"
	"time"
)

// bound is the deadline of one direction of a connection. It belongs to one
// goroutine at a time, but for kick.
type bound struct {
	set    func(time.Time) error // for what is under way, too; zero is no deadline
	by     time.Time             // what the deadline was set to
	kicked atomic.Bool
}

// longAgo is a deadline that ends what is under way.
var longAgo = time.Unix(1, 0)

// within bounds the waits from now on; zero is no bound. To set a deadline
// costs a timer operation, so one is set a quarter later than asked for, and
// left alone until that quarter has passed.
func (b *bound) within(limit time.Duration) {
	if limit == 0 {
		if !b.by.IsZero() {
			b.until(time.Time{})
		}
		return
	}
	now := time.Now()
	if left := b.by.Sub(now); left < limit || left > limit+limit/4 {
		b.until(now.Add(limit + limit/4))
	}
}

// until bounds the waits exactly.
func (b *bound) until(t time.Time) {
	b.by = t
	b.apply(t)
}

// apply sets the deadline, unless kick has set another. The caller need not own
// b, but then owes it that by is set anew.
func (b *bound) apply(t time.Time) {
	_ = b.set(t)
	if b.kicked.Load() { // between the two lines, or before
		_ = b.set(longAgo)
	}
}

// kick ends the wait that is under way, and those to come, with a timeout. It
// may be called from any goroutine.
func (b *bound) kick() {
	b.kicked.Store(true)
	_ = b.set(longAgo)
}

// unkick lets waits work again.
func (b *bound) unkick() {
	b.kicked.Store(false)
	b.by = longAgo // so that the next bound is set
}
