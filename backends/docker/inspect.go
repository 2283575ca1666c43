package docker

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// maxInspections is how many containers are inspected at the same time.
	maxInspections = 8

	// inspectBudget bounds the inspections of one list together. Those that are
	// left over count as failed: the others must not wait for an engine that has
	// stopped answering in between.
	inspectBudget = 3 * callTimeout
)

// inspectAll returns what is known of the containers of a list, by ID, having
// inspected those that are new, changed or doubtful. Those that are gone are
// left out.
func (w *Watcher) inspectAll(ctx context.Context, list []Summary, doubtful map[string]bool) []known {
	ctx, stop := context.WithTimeout(ctx, inspectBudget)
	defer stop()
	w.mu.Lock()
	before := w.memory.known
	w.mu.Unlock()

	all := make([]known, len(list))
	var inspections errgroup.Group
	inspections.SetLimit(maxInspections)
	for i, s := range list {
		old, ok := before[s.ID]
		if ok && old.summary == s && !doubtful[s.ID] {
			all[i] = old
			continue
		}
		inspections.Go(func() error {
			all[i] = w.inspect(ctx, s, old)
			return nil
		})
	}
	_ = inspections.Wait() // what fails is kept as known.err
	return all
}

// inspect returns what is known of one container after trying to inspect it.
// If that fails, what was known before still stands: one container that the
// engine cannot describe must not hide the others.
func (w *Watcher) inspect(ctx context.Context, s Summary, old known) known {
	ctx, stop := context.WithTimeout(ctx, callTimeout)
	defer stop()
	c, err := w.Daemon.Inspect(ctx, s.ID)
	switch {
	case err == nil:
		if old.inspected && old.container.Version.ImageID == c.Version.ImageID {
			// Whoever was started by ID is called by a name of the image, which
			// may lose it: the name that was learnt first stays.
			c.Version = old.container.Version
		}
		return known{summary: s, container: c, inspected: true}
	case errors.Is(err, ErrGone):
		return known{}
	case errors.Is(ctx.Err(), context.Canceled): // nothing will come of this list
		return old
	}
	w.uninspected(s, err, old.err != nil)
	old.summary, old.err = s, err
	return old
}

// publish tells the Inventory what came of the list that began then.
func (w *Watcher) publish(began time.Time, all []known) {
	next := make(map[string]known, len(all))
	found := make([]Container, 0, len(all))
	for _, k := range all {
		if k.summary.ID == "" {
			continue
		}
		next[k.summary.ID] = k
		if k.inspected {
			found = append(found, k.container)
		}
	}
	shareNetworks(found)
	w.mu.Lock()
	defer w.mu.Unlock()
	late := w.memory.learn(next, began)
	w.listed(nil)
	w.Inventory.Replace(w.Host, found)
	for id, reason := range late {
		w.Inventory.Stopping(w.Host, id, reason)
	}
}

// failures says when to list again because of containers that could not be
// inspected.
type failures struct {
	wait  backoff
	again <-chan time.Time // nil if there are none; whoever receives from it sets it to nil
}

// note takes the outcome of a list.
func (f *failures) note(failure error) {
	switch {
	case failure == nil:
		f.wait.reset()
		f.again = nil
	case f.again == nil:
		f.again = time.After(f.wait.step())
	}
}

func (w *Watcher) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.memory.failure()
}
