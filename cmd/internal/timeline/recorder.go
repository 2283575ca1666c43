package timeline

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics"
	"divvy/router/state"
)

// Bounds of what is remembered.
const (
	maxVersions = 32       // of a service
	maxBytes    = 16 << 20 // of all services together, about
	storeEvery  = 5        // minutes
	keepTime    = 14 * 24 * time.Hour
)

// Share is what a version is given.
type Share struct{ Weight, Share float64 }

// Recorder notes what versions do. Its exported fields are set before it is used.
type Recorder struct {
	Storage state.Storage
	Where   string // names the storage for people

	// Counts returns what was counted so far of each version, Shares what each is
	// given now. They must not block.
	Counts func() map[metrics.Key]metrics.Counts
	Shares func() map[metrics.Key]Share

	Log *slog.Logger

	mu       sync.Mutex // guards the fields below
	before   map[metrics.Key]metrics.Counts
	services map[string][]*series // those that came first are first
	known    map[string]bool      // the values that were stored or read
	noted    time.Time            // for the last time; zero: not yet
	short    bool                 // there was no room for two weeks
	room     int                  // maxBytes if 0: for tests
}

// Run notes what there is every minute, stores it now and then, until ctx ends, and
// then once more.
func (r *Recorder) Run(ctx context.Context) error {
	for minute := 1; ; minute++ {
		now := time.Now()
		next := time.NewTimer(now.Truncate(time.Minute).Add(time.Minute).Sub(now))
		select {
		case <-ctx.Done():
			next.Stop()
			r.note(time.Now())
			r.store(context.WithoutCancel(ctx))
			return nil
		case <-next.C:
			r.note(time.Now().Add(-time.Second)) // of the minute that has ended
			if minute%storeEvery == 0 {
				r.store(ctx)
			}
		}
	}
}

// note notes what was added to the counters since it was noted last.
func (r *Recorder) note(at time.Time) {
	counts, shares := r.Counts(), r.Shares()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.services == nil {
		r.services, r.known = map[string][]*series{}, map[string]bool{}
	}
	for key, now := range counts {
		was := r.before[key]
		if now.Requests < was.Requests {
			was = metrics.Counts{} // the series was dropped meanwhile, and begins anew
		}
		x := sample{Counts: since(now, was), Weight: shares[key].Weight, Share: shares[key].Share}
		if x.Requests == 0 && x.Weight == 0 && was.Requests == now.Requests {
			continue // it is dark
		}
		r.series(key).add(at, &x)
	}
	r.before, r.noted = counts, at
	r.prune(at)
}

// since returns what was added.
func since(now, was metrics.Counts) metrics.Counts {
	now.Requests -= was.Requests
	now.Failures -= min(was.Failures, now.Failures)
	now.Canceled -= min(was.Canceled, now.Canceled)
	for i := range now.FirstByte {
		now.FirstByte[i] -= min(was.FirstByte[i], now.FirstByte[i])
	}
	return now
}

// series returns that of a version, which is made if need be. r.mu is held.
func (r *Recorder) series(key metrics.Key) *series {
	for _, s := range r.services[key.Service] {
		if s.Version == key.Version {
			return s
		}
	}
	s := &series{Version: key.Version}
	r.services[key.Service] = append(r.services[key.Service], s)
	return s
}

// Store notes what there is and stores it, for a divvy that is about to take over.
func (r *Recorder) Store(ctx context.Context) {
	r.note(time.Now())
	r.store(ctx)
}

// Timeline returns what was noted of a service since a moment.
func (r *Recorder) Timeline(service string, since time.Time) admin.Timeline {
	r.mu.Lock()
	defer r.mu.Unlock()
	noted := r.noted
	if noted.IsZero() {
		noted = time.Now()
	}
	t := admin.Timeline{Service: service, Versions: []admin.VersionTimeline{}}
	for _, s := range r.services[service] {
		if v := s.shown(since, noted); len(v.Points) > 0 {
			t.Versions = append(t.Versions, v)
		}
	}
	return t
}
