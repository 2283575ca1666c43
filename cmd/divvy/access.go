package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"divvy/metrics"
)

// accessSink is the access log that is configured now.
type accessSink struct {
	log     *slog.Logger
	current atomic.Pointer[metrics.AccessLog]

	mu      sync.Mutex // guards the fields below
	config  metrics.LogConfig
	old     []*metrics.AccessLog // that were configured before; their counts go on counting
	stop    context.CancelFunc
	running context.Context
	writers sync.WaitGroup
}

// lastLines is how long the last lines may take to be written when the program
// ends. A pipe that nobody reads would hold it for ever.
const lastLines = 8 * time.Second

// Observe implements metrics.Sink.
func (a *accessSink) Observe(o *metrics.Observation) {
	if l := a.current.Load(); l != nil {
		l.Observe(o)
	}
}

// Dropped returns how many lines were not written, ever.
func (a *accessSink) Dropped() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	var n uint64
	for _, l := range append(slices.Clip(a.old), a.current.Load()) {
		if l != nil {
			n += l.Dropped()
		}
	}
	return n
}

// prepare opens the log of c. Without a change it opens the same file anew,
// which is what log rotation waits for.
func (a *accessSink) prepare(c metrics.LogConfig) (commit, discard func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.current.Load(); l != nil && c == a.config {
		return func() {
			if err := l.Reopen(); err != nil {
				a.log.Error("reopening the access log, keeping the old file", "err", err)
			}
		}, func() {}, nil
	}
	if c.Format == "off" {
		return func() { a.replace(c, nil) }, func() {}, nil
	}
	l, err := metrics.NewAccessLog(c)
	if err != nil {
		return nil, nil, err
	}
	l.Log = a.log
	return func() { a.replace(c, l) }, func() { l.Close() }, nil
}

func (a *accessSink) replace(c metrics.LogConfig, l *metrics.AccessLog) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.config = c
	old := a.current.Swap(l)
	if a.stop != nil {
		a.stop()
		a.stop = nil
	}
	if old != nil {
		a.old = append(a.old, old)
	}
	a.start()
}

// start writes the present log, if it is not being written yet. a.mu is held.
func (a *accessSink) start() {
	l := a.current.Load()
	if l == nil || a.running == nil || a.stop != nil {
		return
	}
	var ctx context.Context
	ctx, a.stop = context.WithCancel(a.running)
	a.writers.Go(func() {
		// It ends with its context, and only then.
		_ = l.Run(ctx)
	})
}

// Run writes until ctx ends.
func (a *accessSink) Run(ctx context.Context) error {
	a.mu.Lock()
	a.running = ctx
	a.start()
	a.mu.Unlock()
	<-ctx.Done()
	a.mu.Lock()
	a.running = nil
	a.mu.Unlock()
	written := make(chan struct{})
	go func() {
		defer close(written)
		a.writers.Wait()
	}()
	select {
	case <-written:
	case <-time.After(lastLines):
		a.log.Warn("the access log was given up: nobody reads it", "output", a.config.Output)
	}
	return nil
}
