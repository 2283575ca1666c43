package docker

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"divvy/backends"
)

// Touch is something that somebody did to a running container by hand. Only the
// engine's events tell of it, so what was done before divvy listened is unknown.
type Touch struct {
	Kind backends.MutationKind
	At   time.Time
}

// The events that tell of a touch. A file that is copied out of a container
// ("archive-path") or an image that is made of it changes nothing in it. A
// process that was prepared ("exec_create") does nothing before it starts.
const (
	actionExec   = "exec_start"
	actionCopy   = "extract-to-dir"
	actionUpdate = "update"
)

// touchKinds are the kinds of touch by the action of their event.
var touchKinds = map[string]backends.MutationKind{
	actionExec:   backends.MutationExec,
	actionCopy:   backends.MutationCopy,
	actionUpdate: backends.MutationUpdate,
}

// maxPending bounds the events that are kept for a container that nobody has
// described yet.
const maxPending = 16

// touches remembers what was done to containers by hand, in the life that they
// have: the first of each kind, since one is enough.
type touches struct {
	of map[string]map[backends.MutationKind]span // by container

	// pending are events of containers of which nobody knows yet what their
	// health check looks like, as the engine tells of each run of it, too.
	pending map[string][]pendingTouch
}

// span is when the first and the last of several events were. The last is the
// first of the life that has just begun where nobody knows that it has.
type span struct{ first, last time.Time }

type pendingTouch struct {
	event Event
	heard time.Time
}

// happened takes note of an event, and reports whether it is news. k is what is
// known of its container.
func (t *touches) happened(e Event, k known) (news bool) {
	if k.inspected {
		return t.note(e, &k.container)
	}
	if t.pending == nil {
		t.pending = map[string][]pendingTouch{}
	}
	if p := t.pending[e.Container]; len(p) < maxPending {
		t.pending[e.Container] = append(p, pendingTouch{e, time.Now()})
	}
	return false
}

// note remembers an event of a container, unless it is of an earlier life or a
// run of its health check.
func (t *touches) note(e Event, c *Container) (news bool) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	check := e.Action == actionExec && c.check != "" && strings.TrimSpace(e.Command) == c.check
	if check || e.At.Before(c.Started) {
		return false
	}
	if t.of == nil {
		t.of = map[string]map[backends.MutationKind]span{}
	}
	if t.of[c.ID] == nil {
		t.of[c.ID] = map[backends.MutationKind]span{}
	}
	kind := touchKinds[e.Action]
	s, before := t.of[c.ID][kind]
	if !before || e.At.Before(s.first) {
		s.first = e.At
	}
	if e.At.After(s.last) {
		s.last = e.At
	}
	t.of[c.ID][kind] = s
	return !before
}

// learn takes over what a list that began then said: who is known now, and who
// lives no more.
func (t *touches) learn(next map[string]known, began time.Time) {
	for id, waiting := range t.pending {
		k := next[id]
		if k.inspected {
			for _, p := range waiting {
				t.note(p.event, &k.container)
			}
		}
		if k.inspected || waiting[len(waiting)-1].heard.Before(began) {
			delete(t.pending, id)
		}
	}
	for id, kinds := range t.of {
		k, listed := next[id]
		if !listed {
			delete(t.of, id)
		}
		if !k.inspected {
			continue
		}
		for kind, s := range kinds {
			switch born := k.container.Started; {
			case s.last.Before(born):
				delete(kinds, kind)
			case s.first.Before(born):
				kinds[kind] = span{s.last, s.last}
			}
		}
	}
}

// Inherit takes over what old has heard was done to containers by hand, and asks
// for the events since. It is for a watcher that has not run yet and takes the
// place of old, or of several, which have been told to end.
func (w *Watcher) Inherit(old *Watcher) {
	old.mu.Lock()
	of, latest, last := map[string]map[backends.MutationKind]span{}, old.memory.latest, old.memory.last
	for id, kinds := range old.memory.touches.of {
		of[id] = maps.Clone(kinds)
	}
	pending := map[string][]pendingTouch{}
	maps.Copy(pending, old.memory.touches.pending)
	old.mu.Unlock()

	w.mu.Lock()
	defer w.mu.Unlock()
	m := &w.memory
	maps.Copy(of, m.touches.of)
	maps.Copy(pending, m.touches.pending)
	m.touches = touches{of: of, pending: pending}
	if m.last.IsZero() || !last.IsZero() && last.Before(m.last) {
		m.latest, m.last = latest, last
	}
}

// Touches returns what was done to containers by hand in the life that they have,
// as far as it was heard: the first of each kind, in the order of time. When
// something is added a list follows, so that the Inventory hears of it, too.
func (w *Watcher) Touches() map[string][]Touch {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string][]Touch{}
	for id, kinds := range w.memory.touches.of {
		var all []Touch
		for kind, s := range kinds {
			all = append(all, Touch{kind, s.first})
		}
		slices.SortFunc(all, func(a, b Touch) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Kind, b.Kind)) })
		out[id] = all
	}
	return out
}
