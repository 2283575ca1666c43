package proxy

import "time"

// patrol looks after clients that wait, as long as there are connections.
func (p *port) patrol() {
	tick := time.NewTicker(lookSoon)
	defer tick.Stop()
	for {
		var now time.Time
		select {
		case now = <-tick.C:
		case <-p.drained:
			return
		}
		half := p.proxy.world.Load().config.Timeouts.HalfClose
		p.mu.Lock()
		for g := range p.guests {
			g.lookAfter(now, half)
		}
		p.patrolling = len(p.guests) > 0
		more := p.patrolling
		p.mu.Unlock()
		if !more {
			return
		}
	}
}

// What a connection waits for, besides a backend.
const (
	forNothing = 0
	forTheBody = -1 // of an answer whose head has come
)

// How often it is looked after clients that wait: as soon as their requests take
// long, and less often the longer they take.
const (
	lookSoon = 100 * time.Millisecond
	lookLate = 2 * time.Second
)

// lookAfter pulls the leash if the client has left while the exchange waits for
// a backend. It is called now and then, by the patrol. A client that has closed
// its side may wait for its answer nevertheless (RFC 9112 section 9.6), but not
// for longer than half; 0 is no bound. What it gets of an answer that has begun
// shows whether it is there.
func (c *clientConn) lookAfter(now time.Time, half time.Duration) {
	since := c.since.Load()
	if since == forNothing {
		if c.unsure.CompareAndSwap(true, false) {
			switch c.look() {
			case halfClosed, absent:
				c.dismiss()
			}
		}
		return
	}
	waited, pause := time.Duration(0), lookLate
	if since != forTheBody {
		waited = now.Sub(time.Unix(0, since))
		pause = min(max(waited/8, lookSoon), lookLate)
	}
	if now.Sub(c.looked) < pause {
		return
	}
	c.looked = now
	switch c.look() {
	case present, talking:
		return
	case halfClosed:
		if since == forTheBody || half == 0 || waited < half {
			return
		}
	}
	c.isGone.Store(true)
	c.leash.pull(errClientGone)
}
