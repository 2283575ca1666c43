package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"divvy/cmd/internal/admin"
)

// What can be waited for.
const (
	untilDecided = "decided" // all are no worse, or one is worse
	untilWorse   = "worse"   // one is worse, or the time is over
)

const (
	// compareEvery is how often comparisons are asked for. Verdicts are computed
	// about as often.
	compareEvery = 2 * time.Second

	// absence is how long a comparison may be away before it counts as gone: a
	// divvy that was started anew takes that long to find its containers.
	absence = 30 * time.Second
)

// watch asks for comparisons again and again.
type watch struct {
	ask   func(context.Context) ([]admin.Comparison, error)
	until string // "": until it is interrupted
	limit time.Duration

	// show is called with each answer; a note says what stands in the way. An
	// error ends the watch.
	show func(all []admin.Comparison, note string) error

	first   []admin.Comparison // what is waited for: the first answer
	last    []admin.Comparison // the latest answer
	missing time.Time          // since when the last answer is not what is waited for; zero if it is
	note    string             // why
}

// watched is what a watch came to.
type watched struct {
	all []admin.Comparison // as they were last; none if nobody ever answered
	err error              // with the exit code that stands for the end
}

// run watches until what is waited for has happened, the time is over or ctx ends.
func (w *watch) run(ctx context.Context) watched {
	if w.limit > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, w.limit)
		defer stop()
	}
	tick := time.NewTicker(compareEvery)
	defer tick.Stop()
	for {
		all, err := w.ask(ctx)
		if ctx.Err() == nil {
			if over, err := w.took(all, err, time.Now()); over {
				return watched{w.last, err}
			}
		}
		select {
		case <-ctx.Done():
			return watched{w.last, w.ended(ctx.Err())}
		case <-tick.C:
		}
	}
}

// took takes an answer, and reports whether it is the end, and which.
func (w *watch) took(all []admin.Comparison, err error, now time.Time) (over bool, result error) {
	if err != nil && w.hopeless(err) {
		return true, err
	}
	note, gone := "", false
	switch {
	case err != nil:
		note, gone = err.Error(), isAbsent(err)
	default:
		if w.first == nil {
			w.first = all
		}
		w.last = all
		if w.until != "" {
			note = displaced(w.first, all)
			gone = note != ""
		}
	}
	w.note = note
	switch {
	case note == "":
		w.missing = time.Time{}
	case w.missing.IsZero() || !gone: // who cannot be asked does not say that something is gone
		w.missing = now
	}
	if failed := w.show(w.last, note); failed != nil {
		return true, failed
	}
	v := admin.Worst(w.last)
	switch {
	case w.until == "":
		return false, nil
	case note == "" && (v == admin.Worse || v == admin.NoWorse && w.until == untilDecided):
		return true, outcome(v, w.last, "")
	case gone && now.Sub(w.missing) >= absence:
		return true, outcome(admin.CannotTell, nil, note)
	}
	return false, nil
}

// hopeless reports whether an error is the end. At first everything is that could
// be a mistake of whoever asks; later, what is only away may come back.
func (w *watch) hopeless(err error) bool {
	refused := new(admin.Refused)
	switch {
	case w.first == nil && w.note == "" && (w.until == "" || isAbsent(err)):
		return true
	case errors.As(err, &refused):
		return refused.Status < 500 && !isAbsent(err)
	}
	return false
}

// isAbsent reports whether an error says that there is no such comparison.
func isAbsent(err error) bool {
	refused := new(admin.Refused)
	return errors.As(err, new(*admin.NoCandidate)) || errors.As(err, &refused) && refused.Status == http.StatusNotFound
}

// ended returns what it came to when the time was over, or somebody interrupted.
func (w *watch) ended(cause error) error {
	waited := fmt.Sprintf("waited %v", w.limit)
	interrupted := !errors.Is(cause, context.DeadlineExceeded)
	if interrupted {
		waited = "interrupted"
	}
	v := admin.Worst(w.last)
	switch {
	case w.first == nil && w.note == "":
		return &exitError{exitNoAnswer, fmt.Errorf("%s: nobody answered", waited)}
	case w.first == nil:
		return &exitError{exitNoAnswer, fmt.Errorf("%s in vain: %s", waited, w.note)}
	case w.note != "":
		return outcome(admin.CannotTell, nil, waited+", and in the end: "+w.note)
	case w.until != "" && interrupted && v == admin.NoWorse:
		return outcome(admin.CannotTell, nil, waited) // before the time of probation was over
	default:
		return outcome(v, w.last, "")
	}
}

// displaced says which of the comparisons at first is not among those now, and
// what is in its place; "" if all are. Results of other images say nothing about
// those that were asked for.
func displaced(first, now []admin.Comparison) string {
	for _, was := range first {
		if slices.ContainsFunc(now, func(c admin.Comparison) bool {
			return same(c.Candidate, was.Candidate) && same(c.Stable, was.Stable)
		}) {
			continue
		}
		for _, is := range now {
			switch {
			case same(is.Candidate, was.Candidate):
				return fmt.Sprintf("%s is compared with %s now, no longer with %s", was.Candidate.Version, imageOf(is.Stable), imageOf(was.Stable))
			case len(first) == 1 && len(now) == 1:
				return fmt.Sprintf("%s is compared no longer, in its place is %s", imageOf(was.Candidate), imageOf(is.Candidate))
			}
		}
		return imageOf(was.Candidate) + " is compared no longer"
	}
	return ""
}

// same reports whether two are one version, whatever it is called by now.
func same(a, b admin.Compared) bool {
	return a.ImageID == b.ImageID && a.Fingerprint == b.Fingerprint && (a.ImageID != "" || a.Version == b.Version)
}
