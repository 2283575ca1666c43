package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/config"
	"divvy/proxy/certs"
	"divvy/router/state"

	"github.com/coreos/go-systemd/v22/daemon"
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
		if commit != nil {
			commits, discards = append(commits, commit), append(discards, discard)
		}
		return nil
	}
	if err := prepared(p.engines.prepare(c.Docker)); err != nil {
		return err
	}
	if err := prepared(p.access.prepare(c.AccessLog)); err != nil {
		return err
	}
	if err := prepared(p.admin.Prepare(adminSettings(c.Admin))); err != nil {
		return err
	}
	if err := prepared(p.certs.Prepare(certs.Settings{Config: c.TLS, HTTP: c.Server.Listening(false), HTTPS: c.Server.Listening(true)})); err != nil {
		return err
	}
	change, err := p.server.Prepare(c.Server)
	if err := prepared(change.Commit, change.Discard, err); err != nil {
		return err
	}
	if err := prepared(nil, nil, p.declare(c, path)); err != nil {
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

// declare makes the weights of the file those in force, where they are others
// than the file had when its weights were taken over last.
func (p *program) declare(c *config.Config, path string) error {
	_, err := p.keeper.Update(func(d state.Document) (state.Document, error) {
		for _, s := range c.Services {
			known := d.Services[s.Name]
			if maps.Equal(known.File, s.Weights) {
				continue
			}
			p.mu.Lock()
			w := p.world(s.Config)
			p.mu.Unlock()
			e := state.Edit{Kind: state.File, Weights: s.Weights, Who: cmp.Or(path, "the program"), Via: "file"}
			next, err := d.Edit(s.Name, e, w, time.Now())
			if err != nil {
				return d, fmt.Errorf("service %s: %w", s.Name, err)
			}
			d = next
		}
		return d, nil
	})
	if invalid := new(state.InvalidError); err != nil && !errors.As(err, &invalid) {
		return &unrecorded{err}
	}
	return err
}

// unrecorded is a failure of the storage: the file may be sound, and is tried again.
type unrecorded struct{ error }

func (e *unrecorded) Unwrap() error { return e.error }

// adminSettings returns what a configuration says of the admin listener.
func adminSettings(a config.Admin) admin.Settings {
	s := admin.Settings{
		Addr: a.Listen, Cert: a.Cert, Key: a.Key, ClientCA: a.ClientCA,
		Access: admin.Access{Token: a.Secrets.Token, ReadToken: a.Secrets.ReadToken},
	}
	for _, h := range a.Hosts {
		s.Access.Hosts = append(s.Access.Hosts, strings.ToLower(h))
	}
	if host, _, err := net.SplitHostPort(a.Listen); err == nil && host != "" {
		s.Access.Hosts = append(s.Access.Hosts, strings.ToLower(host))
	}
	return s
}

// warnOfRestart says which edits need a restart.
func (p *program) warnOfRestart(c *config.Config) {
	if !reflect.DeepEqual(c.Metrics, p.config.Metrics) {
		p.log.Warn("a change of [metrics] takes effect when divvy is started again")
	}
	if c.State != p.config.State {
		p.log.Warn("a change of [state] takes effect when divvy is started again")
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
	hup     chan os.Signal
}

// newReloader returns one that hears SIGHUP from now on: one that
// is not heard would end the process.
func newReloader(s *source, p *program) *reloader {
	r := &reloader{source: s, program: p, hup: make(chan os.Signal, 1)}
	signal.Notify(r.hup, syscall.SIGHUP)
	return r
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
	defer signal.Stop(r.hup)
	events, errs, stop := r.watch()
	defer stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.hup:
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
	p.notify(daemon.SdNotifyReloading)
	defer p.notify(daemon.SdNotifyReady)
	c, err := r.source.load()
	if err == nil {
		err = p.apply(c, r.source.file)
	}
	if again := new(unrecorded); errors.As(err, &again) {
		r.seen = nil
	}
	if err != nil {
		p.mu.Lock()
		told := p.refused
		p.refused = fmt.Errorf("the edit was refused: %w", err)
		p.mu.Unlock()
		if told != nil && told.Error() == p.refused.Error() && r.seen == nil {
			return
		}
		p.log.Error("configuration refused, keeping the one that runs", "why", why, "err", err)
		p.admin.Events.Publish("config", "", map[string]string{"refused": err.Error()})
		return
	}
	p.log.Info("configuration applied", "why", why, "file", r.source.file)
	p.admin.Events.Publish("config", "", map[string]string{"applied": r.source.file})
}
