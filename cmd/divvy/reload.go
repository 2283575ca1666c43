package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"syscall"
	"time"

	"divvy/cmd/internal/config"

	"github.com/fsnotify/fsnotify"
)

// apply makes c the running configuration, whole or not at all: first
// everything that can fail, then everything that cannot.
func (p *program) apply(c *config.Config, path string) error {
	var commits, discards []func()
	prepared := func(commit, discard func(), err error) error {
		if err != nil {
			for _, d := range discards {
				d()
			}
			return err
		}
		commits, discards = append(commits, commit), append(discards, discard)
		return nil
	}
	if err := prepared(p.engines.prepare(c.Docker)); err != nil {
		return err
	}
	if err := prepared(p.access.prepare(c.AccessLog)); err != nil {
		return err
	}
	if err := prepared(p.admin.Prepare(c.Admin.Listen)); err != nil {
		return err
	}
	change, err := p.server.Prepare(c.Server)
	if err := prepared(change.Commit, change.Discard, err); err != nil {
		return err
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.config != nil {
		p.warnOfRestart(c)
	}
	p.level.Set(c.LogLevel())
	p.config, p.path, p.loaded, p.refused = c, path, time.Now(), nil
	// The engines say what there is, and the listeners need a table that says
	// so before the first request.
	engines, others := commits[0], commits[1:]
	engines()
	p.combine()
	for _, commit := range others {
		commit()
	}
	return nil
}

// warnOfRestart says which edits need a restart.
func (p *program) warnOfRestart(c *config.Config) {
	if !reflect.DeepEqual(c.Metrics, p.config.Metrics) {
		p.log.Warn("a change of [metrics] takes effect when divvy is started again")
	}
	if c.Log.Format != p.config.Log.Format {
		p.log.Warn("a change of log.format takes effect when divvy is started again")
	}
}

// reloader applies the configuration anew when its file changes.
type reloader struct {
	source  *source
	program *program
	seen    os.FileInfo // of the file when it was last read
}

// settle is how long a file is left alone after something happened to it: an
// editor writes it in several steps.
const settle = 100 * time.Millisecond

// lookEvery is how often the file is looked at though nothing was heard: no
// event tells of a file that is mounted into a container by itself, or of one
// that is linked from another folder.
const lookEvery = 2 * time.Second

// Run reloads until ctx ends.
func (r *reloader) Run(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	events, errs, stop := r.watch()
	defer stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			r.reload("SIGHUP")
		case err := <-errs:
			r.program.log.Warn("watching the file", "file", r.source.file, "err", err)
		case <-events:
			// Others write into the same folder, perhaps all the time, so the
			// first event decides when to look.
			if settled == nil {
				settled = time.After(settle)
			}
		case <-settled:
			settled = nil
			r.reloadIfChanged()
		case <-look.C:
			r.reloadIfChanged()
		}
	}
}

// watch watches the folder of the file, since editors and engines replace the
// file itself. The channels are silent where it cannot.
func (r *reloader) watch() (events <-chan fsnotify.Event, errs <-chan error, stop func()) {
	if r.source.file == "" {
		return nil, nil, func() {}
	}
	r.seen, _ = os.Stat(r.source.file) // nil is a file that changed
	w, err := fsnotify.NewWatcher()
	if err == nil {
		if err = w.Add(filepath.Dir(r.source.file)); err == nil {
			return w.Events, w.Errors, func() { w.Close() }
		}
		w.Close()
	}
	r.program.log.Warn("watching the file, looking at it from time to time instead", "file", r.source.file, "err", err)
	return nil, nil, func() {}
}

// reloadIfChanged applies the file if it is another than it was.
func (r *reloader) reloadIfChanged() {
	if r.source.file == "" {
		return
	}
	now, err := os.Stat(r.source.file)
	was := r.seen
	r.seen = now
	switch {
	case err != nil && was == nil:
		return // it is still missing
	case err == nil && was != nil && os.SameFile(was, now) && was.ModTime().Equal(now.ModTime()) && was.Size() == now.Size():
		return
	}
	r.reload("the file changed")
}

// reload applies the file as it is now, or says why not.
func (r *reloader) reload(why string) {
	p := r.program
	c, err := r.source.load()
	if err == nil {
		err = p.apply(c, r.source.file)
	}
	if err != nil {
		p.mu.Lock()
		p.refused = fmt.Errorf("the edit was refused: %w", err)
		p.mu.Unlock()
		p.log.Error("configuration refused, keeping the one that runs", "why", why, "err", err)
		return
	}
	p.log.Info("configuration applied", "why", why, "file", r.source.file)
}
