package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/router/state"
)

// recorder makes edits that nobody waits for: divvy's own, of what is in force
// already. One that the storage does not take is made later.
type recorder struct {
	program *program
	wake    chan struct{}

	mu  sync.Mutex            // guards the field below
	due map[string]state.Edit // by service
}

func newRecorder(p *program) recorder { return recorder{program: p, wake: make(chan struct{}, 1)} }

// storageRetry is how long a storage that failed is left alone.
const storageRetry = 5 * time.Second

// want makes an edit due, in place of one of the service that is due already if
// replace is set. It does not block.
func (r *recorder) want(service string, e state.Edit, replace bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, due := r.due[service]; due && !replace {
		return
	}
	if r.due == nil {
		r.due = map[string]state.Edit{}
	}
	r.due[service] = e
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take returns all that is due.
func (r *recorder) take() map[string]state.Edit {
	r.mu.Lock()
	defer r.mu.Unlock()
	due := r.due
	r.due = nil
	return due
}

// Run makes what is due until ctx ends.
func (r *recorder) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		}
		failed := false
		for service, e := range r.take() {
			_, err := control{r.program}.Edit(service, e, false)
			stale := new(state.StaleError)
			// What was edited meanwhile has been looked at anew.
			if err != nil && !errors.As(err, &stale) && !errors.Is(err, admin.ErrNoService) {
				r.program.log.Error("recording what is in force", "service", service, "kind", e.Kind, "err", err)
				r.want(service, e, false)
				failed = true
			}
		}
		if failed {
			select {
			case <-ctx.Done():
			case <-time.After(storageRetry):
			}
		}
	}
}
