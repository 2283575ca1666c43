package docker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// stream is one subscription to the events of the engine.
type stream struct {
	began  time.Time       // when events were first read, by this one or those that it replaces
	opened chan struct{}   // closed once it is open
	ended  chan struct{}   // closed when it has ended
	err    error           // why, set before ended is closed
	wake   chan<- struct{} // receives a value after events; values are merged
	stop   context.CancelFunc
	heard  atomic.Bool // news came since silent was last called
}

// open subscribes to the events since the last one, without any since began.
func (w *Watcher) open(ctx context.Context, began time.Time, wake chan<- struct{}) *stream {
	ctx, stop := context.WithCancel(ctx)
	s := &stream{
		began:  began,
		opened: make(chan struct{}),
		ended:  make(chan struct{}),
		wake:   wake,
		stop:   stop,
	}
	w.mu.Lock()
	since := w.memory.last
	w.mu.Unlock()
	if since.IsZero() {
		since = began.Add(-overlap)
	}
	go func() {
		defer close(s.ended)
		s.err = w.Daemon.Watch(ctx, Subscription{
			Since:  since,
			Opened: sync.OnceFunc(func() { close(s.opened) }),
			Handle: func(e Event) {
				if w.happened(e) {
					s.heard.Store(true)
					s.wakeUp()
				}
			},
		})
	}()
	return s
}

// settle waits until the stream is open, has ended, or is one of those that do
// not tell that they are open. It reports whether it is open for sure.
func (s *stream) settle(ctx context.Context) bool {
	select {
	case <-s.opened:
		return true
	case <-s.ended:
	case <-ctx.Done():
	case <-time.After(openWait):
	}
	return false
}

// wakeUp makes a list due.
func (s *stream) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // it is already
	}
}

// silent reports whether no news came since it was last called.
func (s *stream) silent() bool { return !s.heard.Swap(false) }

// close ends the stream, and returns when it has ended.
func (s *stream) close() {
	s.stop()
	<-s.ended
}

// renew replaces a stream that has been silent. Nobody can tell whether nothing
// has happened or whether it leads nowhere any more: a machine or a proxy on the
// way may have forgotten it without a word. Opening another asks the engine for
// a sign of life, and brings what the old one has missed; nothing is lost, since
// the old one is closed last.
func (w *Watcher) renew(ctx context.Context, old *stream) *stream {
	next := w.open(ctx, old.began, old.wake)
	if !next.settle(ctx) {
		next.wakeUp() // a list tells whether the engine is still there
	}
	old.close()
	return next
}
