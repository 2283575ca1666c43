package proxy

import (
	"sync"
	"sync/atomic"
	"time"
)

// busy counts requests under way, also those of which http.Server knows
// nothing: tunnels, and what was cut off and has yet to record its end.
type busy struct {
	n    atomic.Int64
	once sync.Once
	idle chan struct{} // may have a value when n became zero
}

func (b *busy) signal() chan struct{} {
	b.once.Do(func() { b.idle = make(chan struct{}, 1) })
	return b.idle
}

func (b *busy) enter() { b.n.Add(1) }

func (b *busy) leave() {
	if b.n.Add(-1) == 0 {
		select {
		case b.signal() <- struct{}{}:
		default:
		}
	}
}

// wait returns when nothing is under way, or when the limit is over.
func (b *busy) wait(limit time.Duration) {
	over := time.After(limit)
	for b.n.Load() > 0 {
		select {
		case <-b.signal():
		case <-over:
			return
		}
	}
}
