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
}

// settle is how long a file must have been left alone before it is read: an
// editor writes it in several steps.
const settle = 100 * time.Millisecond

// Run reloads until ctx ends.
func (r *reloader) Run(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	events, errs, stop := r.watch()
	defer stop()
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			r.reload("SIGHUP")
		case err := <-errs:
			r.program.log.Warn("watching the file", "file", r.source.path(), "err", err)
		case <-events:
			// The file may be a link to one in another folder that is moved,
			// so any event may mean it: its content decides.
			settled = time.After(settle)
		case <-settled:
			settled = nil
			r.reload("the file changed")
		}
	}
}

// watch watches the folder of the file, since editors and engines replace the
// file itself. The channels are silent where it cannot.
func (r *reloader) watch() (events <-chan fsnotify.Event, errs <-chan error, stop func()) {
	path := r.source.path()
	if path == "" {
		return nil, nil, func() {}
	}
	w, err := fsnotify.NewWatcher()
	if err == nil {
		if err = w.Add(filepath.Dir(path)); err == nil {
			return w.Events, w.Errors, func() { w.Close() }
		}
		w.Close()
	}
	r.program.log.Warn("watching the file, use SIGHUP instead", "file", path, "err", err)
	return nil, nil, func() {}
}

// reload applies the file as it is now, or says why not.
func (r *reloader) reload(why string) {
	p := r.program
	c, err := r.source.load()
	if err == nil {
		p.mu.Lock()
		same := why != "SIGHUP" && p.refused == nil && reflect.DeepEqual(c, p.config)
		p.mu.Unlock()
		if same {
			return
		}
		err = p.apply(c, r.source.path())
	}
	if err != nil {
		p.mu.Lock()
		p.refused = fmt.Errorf("the edit was refused: %w", err)
		p.mu.Unlock()
		p.log.Error("configuration refused, keeping the one that runs", "why", why, "err", err)
		return
	}
	p.log.Info("configuration applied", "why", why, "file", r.source.path())
}
