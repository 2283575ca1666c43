package docker

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Looker looks at the layers of containers.
type Looker interface {
	// Changes returns what a container has written into its own layer, but for
	// what is ignored. It is bounded in time and size.
	Changes(ctx context.Context, id string, ignore Ignore) (Changes, error)
}

// Subject is a container whose layer is to be looked at.
type Subject struct {
	ID      string
	Name    string
	Started time.Time
	Ignore  Ignore

	// OnDemand means that it is looked at by Look alone.
	OnDemand bool
}

// Layer is what is known of a container's own layer.
type Layer struct {
	Changes
	Looked time.Time // when it was looked at last; zero if never
	Err    string    // why the last look failed; what was known before still stands
}

const (
	// settling is how old a container is when it is looked at first: those that
	// start may have better things to do, and so may their engine.
	settling = 10 * time.Second

	// restFactor is how much longer the engine is left alone after a look than
	// the look took. Looks come later than they should before they cost it more
	// than a tenth of its time.
	restFactor = 9
)

// Layers looks at the layers of the containers of one engine, one at a time.
type Layers struct {
	Host   string
	Looker Looker

	// Changed is called after something else was found than before; that a first
	// look finds nothing is no news. It must not block. It may be nil.
	Changed func()

	// Log receives looks that fail, each once until one succeeds; nil discards
	// them.
	Log *slog.Logger

	mu      sync.Mutex    // guards the fields below
	turn    chan struct{} // has room for whoever looks
	every   time.Duration
	wanted  map[string]*wanted
	changed chan struct{} // receives a value after wanted or every have changed
}

// wanted is a subject and what is known of it.
type wanted struct {
	Subject
	layer Layer
	first time.Time // when it is to be looked at first
	tried time.Time // when it was looked at last
}

// Want says which containers are to be looked at, and how often; never if every
// is zero. What is known of others is forgotten.
func (l *Layers) Want(subjects []Subject, every time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	next := make(map[string]*wanted, len(subjects))
	for _, s := range subjects {
		w := l.wanted[s.ID]
		if w == nil || !w.Started.Equal(s.Started) {
			w = &wanted{first: now.Add(untilSettled(s.Started, now))}
		} else if !slices.Equal(w.Ignore, s.Ignore) {
			w.tried = time.Time{} // what was left out may count now
		}
		w.Subject = s
		next[s.ID] = w
	}
	l.wanted, l.every = next, every
	select {
	case l.signal() <- struct{}{}:
	default:
	}
}

// untilSettled returns how long a container is too young yet. Clocks of engines
// may differ from ours, but none is ever too young for longer than settling.
func untilSettled(started, now time.Time) time.Duration {
	return min(max(settling-now.Sub(started), 0), settling)
}

// signal returns the channel changed. l.mu is held.
func (l *Layers) signal() chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{}, 1)
	}
	return l.changed
}

// Inherit takes over what old has found, until Want says what is wanted.
func (l *Layers) Inherit(old *Layers) {
	old.mu.Lock()
	all := make(map[string]*wanted, len(old.wanted))
	for id, w := range old.wanted {
		c := *w
		c.layer.Found = slices.Clone(w.layer.Found)
		all[id] = &c
	}
	old.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.Copy(all, l.wanted)
	l.wanted = all
}

// Known returns what is known of the containers that are wanted, by ID.
func (l *Layers) Known() map[string]Layer {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]Layer, len(l.wanted))
	for id, w := range l.wanted {
		all[id] = w.layer
	}
	return all
}

// Run looks at what is wanted until ctx ends.
func (l *Layers) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		id, wait, changed := l.next(time.Now())
		if wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
			case <-changed:
			case <-timer.C:
			}
			timer.Stop()
			continue
		}
		began := time.Now()
		l.Look(ctx, id)
		pause(ctx, restFactor*time.Since(began))
	}
	return nil
}

// idle is how long Run waits if nothing is wanted: until something is.
const idle = time.Hour

// next returns the container that is due first, and how long to wait for that or
// for a change of mind.
func (l *Layers) next(now time.Time) (id string, wait time.Duration, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := now.Add(idle)
	for _, w := range l.wanted {
		due := w.first
		if !w.tried.IsZero() {
			due = w.tried.Add(l.every)
		}
		if l.every > 0 && !w.OnDemand && due.Before(first) {
			id, first = w.ID, due
		}
	}
	return id, first.Sub(now), l.signal()
}

// Look looks at one of the containers that are wanted now or, if it is too
// young, when it is old enough. It returns when that is done, or ctx ends; Known
// then has what was found.
func (l *Layers) Look(ctx context.Context, id string) {
	turn := l.turns()
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return
	}
	l.mu.Lock()
	w := l.wanted[id]
	if w == nil {
		l.mu.Unlock()
		return
	}
	s, young := w.Subject, time.Until(w.first)
	l.mu.Unlock()

	pause(ctx, young)
	found, err := l.Looker.Changes(ctx, s.ID, s.Ignore)
	if ctx.Err() != nil {
		return
	}
	if l.note(s, found, err) && l.Changed != nil {
		l.Changed()
	}
}

// turns returns the channel turn.
func (l *Layers) turns() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn == nil {
		l.turn = make(chan struct{}, 1)
	}
	return l.turn
}

// note takes note of what a look has found, and reports whether it is news.
func (l *Layers) note(s Subject, found Changes, err error) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.wanted[s.ID]
	if w == nil || !w.Started.Equal(s.Started) {
		return false // it is not wanted any more, or lives another life
	}
	w.tried = time.Now()
	before := w.layer
	switch {
	case errors.Is(err, ErrGone):
		return false // a list will say so
	case err != nil:
		w.layer.Err = err.Error()
		if before.Err == "" && l.Log != nil {
			l.Log.Warn("what a container has changed cannot be read", "host", l.Host, "backend", s.Name, "err", err)
		}
		return before.Err != w.layer.Err
	}
	seen := map[string]time.Time{}
	for _, c := range before.Found {
		seen[c.Path] = c.Seen
	}
	for i := range found.Found {
		c := &found.Found[i]
		if c.Seen = seen[c.Path]; c.Seen.IsZero() {
			c.Seen = w.tried
		}
	}
	w.layer = Layer{Changes: found, Looked: w.tried}
	return before.Err != "" || before.Partial != found.Partial ||
		!samePaths(before.Found, found.Found) || !samePaths(before.Unsure, found.Unsure)
}

func samePaths(a, b []Change) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Path != b[i].Path || a[i].Kind != b[i].Kind {
			return false
		}
	}
	return true
}
