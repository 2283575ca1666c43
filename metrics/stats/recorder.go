package stats

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Sample is what is recorded of a request: its unit when it is assigned, the
// rest when it ends. It is best kept with the connection.
//
// It belongs to the version that it was assigned to, even if another one
// answered. What was not assigned by chance must not be recorded at all:
// overrides, audience rules, mirror copies, health checks.
type Sample struct {
	// Unit is a hash of the unit that was assigned; 0: the request itself.
	Unit uint64

	First bool // it is the first request of its unit: set by Arrive

	// Latency is the time to the first byte of the answer or, if there was
	// none, until the request was given up. 0: unknown.
	Latency time.Duration

	Bytes     uint64
	Failed    bool  // it was answered 5xx, reset, timed out, or failed over
	Canceled  bool  // the client went away; that is no error
	Elsewhere bool  // another version answered
	Goals     uint8 // which goals were reached, one bit each
}

// maxStrata bounds the memory of a comparison.
const maxStrata = 32

// Recorder counts the requests of two versions that are to be compared. All
// methods may be called from any goroutine.
type Recorder struct {
	key    Key
	byUnit bool
	mask   uint32
	lost   atomic.Uint64 // requests that found all strata taken
	scopes atomic.Pointer[[]*scope]

	mu       sync.Mutex // guards the fields below; requests do not take it
	past     Histogram  // of stable, from before
	splits   map[weights]*Split
	strata   []*lane
	revision uint64
	slots    uint64
}

// NewRecorder returns a recorder without counts. With byUnit, what a unit does
// counts once; otherwise every request is a unit, and units are ignored. Past
// holds latencies of stable from before the comparison, or is nil.
func NewRecorder(key Key, byUnit bool, past *Histogram) *Recorder {
	r := &Recorder{key: key, byUnit: byUnit, mask: stripeMask(), splits: make(map[weights]*Split)}
	if past != nil {
		r.past = *past
	}
	r.scopes.Store(&[]*scope{newScope(0, byUnit)})
	return r
}

// Key returns what is compared.
func (r *Recorder) Key() Key { return r.key }

// Split is where requests are recorded while certain weights are in force.
type Split struct {
	recorder *Recorder
	lane     atomic.Pointer[lane] // nil: all strata were taken
}

// lane holds the counts of one stratum that are not by scope.
type lane struct {
	Stratum
	index    int
	byUnit   bool
	requests Pair[striped[requestCounters]]
	firsts   Pair[striped[bucketCounters]] // latencies of the first request of each unit, if byUnit

	slot   Pair[Tally] // as the latest slot ended; guarded by the recorder's mu, as bursts are
	bursts Bursts
}

// requestCounters count the requests of one version.
type requestCounters struct {
	silent, failed, elsewhere, bytes, nanoseconds atomic.Uint64

	latency bucketCounters
	_       [64]byte // the next one begins in another line of the cache
}

// bucketCounters are a Histogram that requests add to.
type bucketCounters [buckets]atomic.Uint64

func (b *bucketCounters) addTo(h *Histogram) {
	for i := range b {
		h.counts[i] += b[i].Load()
	}
}

// Split returns where requests are recorded that these weights decide about.
// It is called when a table is built; equal weights give the same Split. It is
// nil, and ignores samples, if one version has no weight: there is nothing to
// compare then.
func (r *Recorder) Split(stable, candidate uint32) *Split {
	w := reduce(stable, candidate)
	if w.stable == 0 || w.candidate == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.splits[w]
	if s == nil {
		s = &Split{recorder: r}
		r.splits[w] = s
		s.lane.Store(r.open(newStratum(w, r.baseline())))
	}
	return s
}

// Crowded reports whether there is hardly room for other weights. What counts for
// long is to be followed by another recorder then.
func (r *Recorder) Crowded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.strata) > maxStrata-maxStrata/4
}

// open begins a stratum; it returns nil if all are taken. r.mu is held.
func (r *Recorder) open(s Stratum) *lane {
	if len(r.strata) == maxStrata {
		return nil
	}
	l := &lane{Stratum: s, index: len(r.strata), byUnit: r.byUnit}
	r.strata = append(r.strata, l)
	return l
}

// baseline returns latencies of stable to tell by what is slow: those of the
// latest stratum that has enough. r.mu is held.
func (r *Recorder) baseline() *Histogram {
	for _, l := range slices.Backward(r.strata) {
		h := new(Histogram)
		for c := range l.requests[Stable].all {
			c.latency.addTo(h)
		}
		if h.Total() >= minBaseline {
			return h
		}
	}
	return &r.past
}

// fixEdges begins another stratum for weights that were in force before it was
// known what is slow, as soon as it is. What was recorded until then says
// nothing about slow requests: an edge must be fixed before what it judges.
// r.mu is held.
func (r *Recorder) fixEdges() {
	baseline := r.baseline()
	for w, split := range r.splits {
		l := split.lane.Load()
		if l == nil || l.Slow95 != NoEdge {
			continue
		}
		s := newStratum(w, baseline)
		if s.Slow95 == NoEdge {
			return
		}
		if next := r.open(s); next != nil {
			split.lane.Store(next)
		}
	}
}

// Restart begins a scope: what happens from now on is also judged by itself.
// Proxies that restart at the same moments number them alike; numbers must
// grow, and one that does not is ignored.
func (r *Recorder) Restart(ordinal uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := *r.scopes.Load()
	if ordinal <= old[len(old)-1].ordinal {
		return
	}
	next := []*scope{old[0]}
	if restarts := old[1:]; len(restarts) < keptRestarts {
		next = append(next, restarts...)
	} else {
		next = append(next, restarts[1:]...)
	}
	next = append(next, newScope(ordinal, r.byUnit))
	r.scopes.Store(&next)
}
