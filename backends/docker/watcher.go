package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	defaultResync = 30 * time.Second

	// callTimeout bounds a list and an inspection. An engine under load takes
	// seconds; one that takes longer is as good as gone.
	callTimeout = 10 * time.Second

	// openWait is how long the first list waits for the event stream. Some
	// proxies before an engine keep the head of the answer back until the first
	// event.
	openWait = time.Second

	// spacing is the least time from one list to the next: it merges the events
	// of a deployment into a few lists, and nobody notices it.
	spacing = 50 * time.Millisecond

	// maxSpacing bounds the rest that an engine gets after a list, which is as
	// long as the list took.
	maxSpacing = time.Second

	// failedFirst is when those are inspected again that could not be: soon, but
	// one that hangs holds up the others. It takes longer each time, up to Resync.
	failedFirst = 5 * time.Second

	// overlap is how much of the past is asked for while no event has told the
	// engine's time yet. An engine answers shortly before it subscribes us.
	overlap = 2 * time.Second

	// retryFirst and retryMax bound the wait before the engine is tried again.
	// A session that lasted longer than retryMax was a success.
	retryFirst = 100 * time.Millisecond
	retryMax   = 5 * time.Second
)

// Watcher keeps an Inventory informed of the containers of one engine.
type Watcher struct {
	// Host is the name of the Docker host, for the Inventory and the log.
	Host string

	Daemon    Daemon
	Inventory Inventory

	// Resync is how often a list is taken though nothing happened; zero stands
	// for 30 seconds. An event stream that is silent for half of it is replaced.
	Resync time.Duration

	// Log receives changes of state; nil discards them.
	Log *slog.Logger

	mu     sync.Mutex // guards the fields below, and keeps calls of Inventory apart
	memory memory
	status Status
	deaf   bool // the last event stream ended soon after it was opened
}

// Run watches until ctx ends, and returns nil when all that it started has
// ended. It does not return because the engine is lost: the Inventory then
// keeps what it was told last.
func (w *Watcher) Run(ctx context.Context) error {
	retry := backoff{first: retryFirst, max: retryMax}
	for ctx.Err() == nil {
		began := time.Now()
		w.session(ctx)
		// One list that succeeds is not success enough: an engine that lets us
		// list but not read events would be listed without a pause.
		if time.Since(began) >= retryMax {
			retry.reset()
		}
		retry.wait(ctx)
	}
	return nil
}

// session opens the event stream, then lists, and lists again whenever
// something happens, until the stream ends or a list fails. Only this order
// loses nothing: what happened before the list is in the list, and what happens
// after it is in the stream.
func (w *Watcher) session(ctx context.Context) {
	wake := make(chan struct{}, 1)
	s := w.open(ctx, time.Now(), wake)
	defer func() { s.close() }()
	s.settle(ctx)
	// Events may have been lost since the last session.
	w.mu.Lock()
	w.memory.doubtAll()
	w.mu.Unlock()

	beat := time.NewTicker(w.resyncTime() / 2)
	defer beat.Stop()
	beats := 0
	failures := failures{wait: backoff{first: failedFirst, max: w.resyncTime()}}
	for began, err := time.Now(), w.list(ctx); err == nil; {
		failures.note(w.failure())
		// An engine that needs long for a list gets time for others.
		pause(ctx, min(max(spacing, time.Since(began)), maxSpacing))
		select {
		case <-ctx.Done():
			return
		case <-s.ended:
			if ctx.Err() == nil { // else it is we who ended it
				w.streamEnded(s)
			}
			return
		case <-wake:
			began = time.Now()
			err = w.list(ctx)
		case <-failures.again:
			failures.again = nil
			began = time.Now()
			err = w.resync(ctx)
		case <-beat.C:
			if beats++; s.silent() {
				s = w.renew(ctx, s)
			}
			began = time.Now()
			if beats%2 == 0 {
				err = w.resync(ctx)
			}
		}
	}
}

func (w *Watcher) resyncTime() time.Duration { return cmp.Or(w.Resync, defaultResync) }

// happened takes note of an event, and reports whether there is a reason to list.
// That a container stops goes to the Inventory from here, before any list: it is
// the one thing of which each millisecond counts.
func (w *Watcher) happened(e Event) (news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.memory.latest == e && !e.At.IsZero() {
		return false // an engine that is asked for those since the last sends it again
	}
	if e.Action == actionOOM {
		w.log().Warn("docker container ran out of memory", "host", w.Host, "backend", e.Container)
	}
	reason, news := w.memory.happened(e)
	if reason != "" {
		w.Inventory.Stopping(w.Host, e.Container, reason)
	}
	return news
}

// resync lists because time has passed. If that brings news though no event
// announced any, the stream is dead and does not know it: it is opened anew.
func (w *Watcher) resync(ctx context.Context) error {
	w.mu.Lock()
	announced := len(w.memory.doubtful) > 0
	w.memory.doubtFailed()
	before := w.memory.known
	w.mu.Unlock()
	if err := w.list(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !announced && !sameSummaries(before, w.memory.known) {
		err := errors.New("the event stream was silent about a change")
		w.errored(err)
		return err
	}
	return nil
}

// list tells the Inventory what runs now.
func (w *Watcher) list(ctx context.Context) error {
	began := time.Now()
	w.mu.Lock()
	doubtful := w.memory.takeDoubtful()
	w.mu.Unlock()

	summaries, err := w.summaries(ctx)
	if err != nil {
		if ctx.Err() == nil { // else it is we who gave up
			w.mu.Lock()
			w.listed(err)
			w.mu.Unlock()
		}
		return err
	}
	all := w.inspectAll(ctx, summaries, doubtful)
	if err := ctx.Err(); err != nil { // then not all could be inspected
		return err
	}
	w.publish(began, all)
	return nil
}

func (w *Watcher) summaries(ctx context.Context) ([]Summary, error) {
	ctx, stop := context.WithTimeout(ctx, callTimeout)
	defer stop()
	all, err := w.Daemon.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	return all, nil
}
