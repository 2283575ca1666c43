package metrics

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	queueBytes = 8 << 20 // waiting to be written
	queueLines = 1 << 15
	keepBytes  = 64 << 10 // a larger buffer is given back when it is hardly used
	keepLine   = 64 << 10 // a larger buffer for one line is given back at once

	// pause follows every write. A single line is written at once; under load
	// the lines of a pause share a write.
	pause = 10 * time.Millisecond
)

// AccessLog writes a line for every request. It is a [Sink].
//
// Observe encodes and appends to a queue; Run swaps the queue for an empty one
// and writes it:
//
//	Observe ─ encode ─▶ queue ─ Run ─▶ file
//	                      │               ▲
//	                   full: dropped    Reopen
type AccessLog struct {
	Log *slog.Logger // when writing begins to fail and when it works again; nil: slog.Default()

	encode func(b []byte, o *Observation) []byte // nil: the log is off
	path   string                                // "" if file is not ours to open and close
	file   atomic.Pointer[os.File]
	lines  sync.Pool     // of *[]byte, for one line each
	wake   chan struct{} // has a value after the queue became non-empty
	hurry  chan struct{} // has a value after the queue became half full
	lost   atomic.Uint64
	giveUp time.Duration // bounds the last write to a pipe that nobody reads

	mu     sync.Mutex // guards the fields below
	queue  []byte     // whole lines
	queued int        // how many
	closed bool       // nothing is taken any more

	// These belong to Run.

	spare   []byte   // the next queue
	torn    *os.File // it ends in the middle of a line
	failing bool
}

// NewAccessLog opens the output of a valid configuration. A file is appended
// to, and created if need be. Whoever does not call Run calls Close.
func NewAccessLog(c LogConfig) (*AccessLog, error) {
	l := &AccessLog{
		lines:  sync.Pool{New: func() any { return new([]byte) }},
		wake:   make(chan struct{}, 1),
		hurry:  make(chan struct{}, 1),
		giveUp: 5 * time.Second,
	}
	switch c.Format {
	case "off":
		return l, nil
	case "common":
		l.encode = appendCommon
	default:
		l.encode = appendJSON
	}
	switch c.Output {
	case "stdout":
		l.file.Store(os.Stdout)
	case "stderr":
		l.file.Store(os.Stderr)
	default:
		l.path = c.Output
		f, err := l.open()
		if err != nil {
			return nil, err
		}
		l.file.Store(f)
	}
	return l, nil
}

// Observe implements [Sink]. If there is no room, the line is dropped and
// counted.
func (l *AccessLog) Observe(o *Observation) {
	if l.encode == nil {
		return
	}
	line := l.lines.Get().(*[]byte)
	*line = l.encode((*line)[:0], o)
	if !l.offer(*line) {
		l.lost.Add(1)
	}
	if cap(*line) <= keepLine {
		l.lines.Put(line)
	}
}

// Dropped returns how many lines were not written: those that found no room
// and those that the output refused.
func (l *AccessLog) Dropped() uint64 { return l.lost.Load() }

// Reopen opens the file anew under its path, for log rotation. If that fails,
// the old file stays in use. It may be called at any time from any goroutine
// and does not wait for a write; a batch that is being written may still end
// up in the old file. For stdout and stderr it does nothing.
func (l *AccessLog) Reopen() error {
	if l.path == "" {
		return nil
	}
	f, err := l.open()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return f.Close()
	}
	// A write that is under way ends before the file is really closed, and a
	// write that comes too late tries again; see write.
	if err := l.file.Swap(f).Close(); err != nil {
		return fmt.Errorf("access_log.output: %w", err)
	}
	return nil
}

// Run writes until ctx ends, writes what is queued, closes the file and
// returns nil. It is called once. Requests must have ended by then: what comes
// later is counted as dropped. The last write to a pipe that nobody reads is
// given up after 5 seconds, if the pipe lets it.
func (l *AccessLog) Run(ctx context.Context) error {
	if l.encode == nil {
		<-ctx.Done()
		return nil
	}
	var deadline sync.WaitGroup
	deadline.Add(1)
	stop := context.AfterFunc(ctx, func() {
		defer deadline.Done()
		if l.path != "" {
			// Only pipes have a deadline, and only they need one.
			_ = l.file.Load().SetWriteDeadline(time.Now().Add(l.giveUp))
		}
	})
	defer func() {
		if !stop() {
			deadline.Wait()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			l.shut()
			l.flush()
			return l.closeFile()
		case <-l.wake:
			l.flush()
		}
		select {
		case <-ctx.Done():
		case <-l.hurry:
		case <-time.After(pause):
		}
	}
}

// Close closes the file of a log whose Run is not going to be called.
func (l *AccessLog) Close() error {
	l.shut()
	return l.closeFile()
}

// open opens the file. Without O_NONBLOCK it would wait for the other end of a
// named pipe; with it the missing reader is an error. Files do not care.
func (l *AccessLog) open() (*os.File, error) {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return nil, fmt.Errorf("access_log.output: %w", err)
	}
	return f, nil
}

// offer appends line to the queue and reports whether there was room.
func (l *AccessLog) offer(line []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.queued == queueLines || len(l.queue)+len(line) > queueBytes {
		return false
	}
	l.queue = append(l.queue, line...)
	l.queued++
	if l.queued == 1 {
		signal(l.wake)
	}
	if l.queued == queueLines/2 || len(l.queue) > queueBytes/2 {
		signal(l.hurry)
	}
	return true
}

// shut ends the taking of lines.
func (l *AccessLog) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

func (l *AccessLog) closeFile() error {
	if l.path == "" {
		return nil
	}
	if err := l.file.Load().Close(); err != nil {
		return fmt.Errorf("access_log.output: %w", err)
	}
	return nil
}

// flush writes what is queued.
func (l *AccessLog) flush() {
	l.mu.Lock()
	batch := l.queue
	l.queue, l.queued = l.spare[:0], 0
	l.mu.Unlock()
	l.write(batch)
	if cap(batch) > keepBytes && len(batch) < cap(batch)/16 {
		batch = nil // the rush is over
	}
	l.spare = batch
}

// write writes whole lines. What the output refuses is counted and given up:
// while a disk is full, new lines are worth as much as old ones.
func (l *AccessLog) write(batch []byte) {
	for len(batch) > 0 {
		f := l.file.Load()
		n, err := l.append(f, batch)
		batch = batch[n:]
		if n == 0 && errors.Is(err, os.ErrClosed) && l.file.Load() != f {
			continue // reopened meanwhile
		}
		if err != nil {
			l.lost.Add(uint64(bytes.Count(batch, []byte{'\n'})))
			batch = nil
		}
		l.report(err)
	}
}

// append writes batch to f, after ending a line of which only a part could be
// written, so that what follows can be parsed again.
func (l *AccessLog) append(f *os.File, batch []byte) (n int, err error) {
	if l.torn == f {
		if _, err := f.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
	}
	l.torn = nil
	n, err = f.Write(batch)
	if n > 0 && batch[n-1] != '\n' {
		l.torn = f
	}
	return n, err
}

// report logs when writing begins to fail and when it works again.
func (l *AccessLog) report(err error) {
	if failing := err != nil; failing != l.failing {
		l.failing = failing
		log := cmp.Or(l.Log, slog.Default())
		if failing {
			log.Error("access log cannot be written, lines are dropped", "err", err)
		} else {
			log.Info("access log is written again", "dropped", l.Dropped())
		}
	}
}

// signal makes sure that ch, which has room for one value, holds one.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
