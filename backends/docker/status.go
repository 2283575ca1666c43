package docker

import (
	"log/slog"
	"time"
)

// Status is how a watcher gets on with its engine.
type Status struct {
	// Up means that the last list succeeded, so that what is known is current.
	Up bool

	// Since is when Up changed last; zero before the first list has ended.
	Since time.Time

	// Errors counts what went wrong: lists, inspections, event streams.
	Errors uint64

	// Err is what went wrong since the last list that had nothing to complain
	// about; "" if nothing did.
	Err string
}

// Status returns how the watcher gets on. It may be called at any time.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (w *Watcher) log() *slog.Logger {
	if w.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return w.Log
}

// errored notes that something went wrong. w.mu is held.
func (w *Watcher) errored(err error) {
	w.status.Errors++
	w.status.Err = err.Error()
}

// listed notes how a list ended, and logs it if it is news. w.mu is held.
func (w *Watcher) listed(err error) {
	if err != nil {
		w.errored(err)
	} else if failure := w.memory.failure(); failure != nil {
		w.status.Err = failure.Error()
	} else {
		w.status.Err = ""
	}
	if up := err == nil; up == w.status.Up && !w.status.Since.IsZero() {
		return
	}
	w.status.Up, w.status.Since = err == nil, time.Now()
	if err != nil {
		w.log().Warn("docker engine lost, keeping the containers last known", "host", w.Host, "err", err)
		return
	}
	w.log().Info("docker engine found", "host", w.Host, "containers", len(w.memory.known))
}

// streamEnded notes that the event stream has ended. After a while that is
// normal: proxies end idle streams and engines restart. If it does not even
// last, people should know, once, that divvy reacts late.
func (w *Watcher) streamEnded(s *stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errored(s.err)
	lasted := time.Since(s.began) >= retryMax
	if !lasted && !w.deaf {
		w.log().Warn("docker events cannot be read, listing every few seconds instead", "host", w.Host, "err", s.err)
	}
	w.deaf = !lasted
}

// uninspected notes that a container could not be inspected, and logs it unless
// that has failed before.
func (w *Watcher) uninspected(s Summary, err error, before bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errored(err)
	if !before {
		w.log().Warn("docker container cannot be inspected, keeping what was known of it", "host", w.Host, "backend", s.ID, "err", err)
	}
}
