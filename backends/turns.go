package backends

import (
	"context"
	"sync"
)

// rank is who goes first among those that wait for a turn.
type rank int

// The ranks.
const (
	rankUrgent rank = iota // much depends on it, and it is not known to be slow
	rankUsual
	rankHung // the last one had no answer in time, so that this may have none either
	ranks
)

// lane is those that are likely to hang together: the backends of a service on
// one Docker host.
type lane struct{ service, host string }

// turns bounds how many attempts to reach backends are made at a time: in all, in
// each lane and, by half of both, those that may hang. So a machine that has
// vanished takes its own lane and nobody else's, and of that one half.
//
//	lane a:  urgent …  usual … …  hung … … … … ─┐ a free place goes to the first in rank,
//	lane b:  urgent    usual …    hung          ─┴> of the lane that has the fewest
type turns struct {
	all, each int // how many there may be

	mu    sync.Mutex // guards the fields below
	taken load
	begun int             // turns so far
	lanes map[lane]*queue // those that have or want a place
}

// load is how many places are taken.
type load struct{ all, hung int }

// room reports whether one more of a rank may have one of n.
func (l *load) room(n int, as rank) bool { return l.all < n && (as != rankHung || l.hung < (n+1)/2) }

func (l *load) add(n int, as rank) {
	l.all += n
	if as == rankHung {
		l.hung += n
	}
}

// queue is a lane's places and who waits for one.
type queue struct {
	taken   load
	waiting [ranks][]*turn
	length  int
}

// turn is a place that somebody has or waits for.
type turn struct {
	of    *turns
	lane  lane
	rank  rank
	ready chan struct{} // closed when it begins

	left bool // nobody waits any more; guarded by turns.mu
}

// wait waits for a place and returns it. It needs one end. It returns nil if ctx
// ended before there was one.
func (t *turns) wait(ctx context.Context, in lane, as rank) *turn {
	mine := &turn{of: t, lane: in, rank: as, ready: make(chan struct{})}
	t.mu.Lock()
	q := t.lanes[in]
	if q == nil {
		if t.lanes == nil {
			t.lanes = map[lane]*queue{}
		}
		q = new(queue)
		t.lanes[in] = q
	}
	q.waiting[as] = append(q.waiting[as], mine)
	q.length++
	t.grant()
	t.mu.Unlock()

	select {
	case <-mine.ready:
		return mine
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-mine.ready:
		t.free(mine) // it came too late
	default:
		mine.left = true
	}
	return nil
}

// end gives the place back.
func (m *turn) end() {
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	m.of.free(m)
}

// free gives the place of m to others. t.mu is held.
func (t *turns) free(m *turn) {
	t.taken.add(-1, m.rank)
	t.lanes[m.lane].taken.add(-1, m.rank)
	t.grant()
	t.drop(m.lane)
}

// drop forgets a lane that nobody uses. t.mu is held.
func (t *turns) drop(l lane) {
	if q := t.lanes[l]; q != nil && q.taken.all == 0 && q.length == 0 {
		delete(t.lanes, l)
	}
}

// grant begins all turns that there is room for. t.mu is held.
func (t *turns) grant() {
	for q, as := t.next(); q != nil; q, as = t.next() {
		m := q.waiting[as][0]
		q.waiting[as][0] = nil
		q.waiting[as] = q.waiting[as][1:]
		q.length--
		if m.left {
			t.drop(m.lane)
			continue
		}
		t.taken.add(1, as)
		q.taken.add(1, as)
		t.begun++
		close(m.ready)
	}
}

// lastFirst is how often the last in rank goes first, so that nobody waits for
// ever: once in so many turns.
const lastFirst = 8

// next returns the lane and the rank whose turn comes first, nil if there is none
// that may begin. t.mu is held.
func (t *turns) next() (best *queue, as rank) {
	for i := range ranks {
		if as = i; t.begun%lastFirst == lastFirst-1 {
			as = ranks - 1 - i
		}
		if !t.taken.room(t.all, as) {
			continue
		}
		for _, q := range t.lanes {
			if len(q.waiting[as]) > 0 && q.taken.room(t.each, as) && (best == nil || q.taken.all < best.taken.all) {
				best = q
			}
		}
		if best != nil {
			return best, as
		}
	}
	return nil, 0
}
