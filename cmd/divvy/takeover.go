package main

import (
	"context"
	"time"
)

const (
	// vantageTime bounds the question where divvy stands.
	vantageTime = 5 * time.Second

	// askFirst and askMax bound how long an engine that does not answer it is
	// left alone before it is asked again.
	askFirst = time.Second
	askMax   = 30 * time.Second
)

// question is the question where divvy stands, as put to one engine.
type question struct {
	wait time.Duration // after the last failure; zero if it was answered
	next time.Time     // not to be asked before
}

// failed notes that there was no answer, and returns whether there was one
// before.
func (q *question) failed(now time.Time) (first bool) {
	first = q.wait == 0
	q.wait = min(max(2*q.wait, askFirst), askMax)
	q.next = now.Add(q.wait)
	return first
}

// answered notes an answer, and returns whether it had failed before.
func (q *question) answered() (failed bool) {
	failed = q.wait != 0
	*q = question{}
	return failed
}

// ask begins to take over what was listed since the last time. An engine that
// hangs holds up nobody but itself.
func (e *engines) ask() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.watched {
		switch {
		case !w.news || w.busy || w.life == nil:
		case !time.Now().Before(w.question.next):
			w.busy = true
			e.watchers.Go(func() { e.takeOver(w) })
		case w.known:
			e.take(w)
		}
	}
}

// takeOver takes what was listed on an engine over. It asks where divvy stands
// each time, since networks are connected while containers run. Without any
// answer to that, no container could be reached, so it has to be tried again.
func (e *engines) takeOver(w *engine) {
	asking, stop := context.WithTimeout(w.life, vantageTime)
	vantage, err := w.vantage(asking)
	stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.life.Err() != nil {
		return
	}
	if err != nil {
		if w.question.failed(time.Now()) {
			e.log.Warn("finding out where divvy stands, keeping what was known", "host", w.host.Name, "err", err)
		}
		time.AfterFunc(w.question.wait, e.signal)
	} else {
		if w.question.answered() {
			e.log.Info("found out where divvy stands", "host", w.host.Name)
		}
		w.host.Vantage = vantage
	}
	if err == nil || w.known {
		e.take(w)
		return
	}
	w.busy = false
}

// take takes what was listed on an engine over, to be made known. e.mu is held.
func (e *engines) take(w *engine) {
	for _, r := range w.replaced {
		w.layers.Inherit(r.layers)
	}
	w.host.Containers, w.known, w.replaced = w.found, true, nil
	w.found, w.news = nil, false
	w.busy, w.taken, e.news = true, true, true
	e.signal()
}

// tell makes known what is new. Stop signals that were sent meanwhile are told
// again once the containers are known that they were sent to.
func (e *engines) tell() {
	e.mu.Lock()
	news := e.news
	e.news = false
	var taken []*engine
	for _, w := range e.watched {
		if w.taken {
			w.taken = false
			taken = append(taken, w)
		}
	}
	e.mu.Unlock()
	if !news {
		return
	}
	e.changed()
	for _, w := range taken {
		e.mu.Lock()
		var late []stopped
		if w.busy = false; w.news {
			e.signal()
		} else {
			late, w.late = w.late, nil
		}
		e.mu.Unlock()
		for _, s := range late {
			e.stopping(s.container, s.reason)
		}
	}
}

// signal makes Run look at what there is to do.
func (e *engines) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// look makes Run make everything known anew.
func (e *engines) look() {
	e.mu.Lock()
	e.news = true
	e.mu.Unlock()
	e.signal()
}
