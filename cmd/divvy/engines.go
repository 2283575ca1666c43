package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"divvy/backends/docker"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/catalog"
	"divvy/cmd/internal/config"
	"divvy/metrics"
)

// engines are the Docker engines that are watched, and what they run.
type engines struct {
	log      *slog.Logger
	changed  func() // called when hosts returns something new
	stopping func(container, reason string)
	wake     chan struct{} // receives a value when an engine has been listed

	mu       sync.Mutex // guards the fields below
	watched  []*engine
	running  context.Context // set while Run runs
	watchers sync.WaitGroup
}

// engine is one of them.
type engine struct {
	endpoint string
	client   *docker.Client
	watcher  *docker.Watcher

	// Guarded by engines.mu.
	stop  context.CancelFunc // set while it is watched
	found []docker.Container // listed, and not yet in host
	news  bool               // there is something in found
	late  []stopped          // heard of while what was listed is not yet known
	busy  bool               // it is being made known
	host  catalog.Host
	known bool // host has been filled once
}

// stopped is a container that was told to stop.
type stopped struct{ container, reason string }

// vantageTime bounds the question where divvy stands.
const vantageTime = 5 * time.Second

// prepare connects to the engines of c that are not watched yet. The function
// that it returns watches exactly those of c, and cannot fail.
func (e *engines) prepare(c config.Docker) (commit, discard func(), err error) {
	want := c.Hosts
	if c.Enabled && len(want) == 0 {
		want = []string{""} // what the environment says
	}
	if !c.Enabled {
		want = nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var next, opened []*engine
	discard = func() {
		for _, n := range opened {
			n.client.Close()
		}
	}
	for _, endpoint := range want {
		if i := slices.IndexFunc(e.watched, func(w *engine) bool { return w.endpoint == endpoint }); i >= 0 {
			next = append(next, e.watched[i])
			continue
		}
		client, err := docker.Connect(endpoint)
		if err != nil {
			discard()
			return nil, nil, err
		}
		n := &engine{endpoint: endpoint, client: client}
		n.host.Name = client.Endpoint()
		n.watcher = &docker.Watcher{Host: n.host.Name, Daemon: client, Inventory: inventory{e, n}, Log: e.log}
		opened = append(opened, n)
		next = append(next, n)
	}
	return func() { e.commit(next) }, discard, nil
}

func (e *engines) commit(next []*engine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.watched {
		if !slices.Contains(next, w) && w.stop != nil {
			w.stop()
		}
	}
	e.watched = next
	e.start()
}

// start watches what is not watched yet. e.mu is held.
func (e *engines) start() {
	if e.running == nil {
		return
	}
	for _, w := range e.watched {
		if w.stop != nil {
			continue
		}
		var ctx context.Context
		ctx, w.stop = context.WithCancel(e.running)
		e.watchers.Go(func() {
			// It ends with its context, and only then.
			_ = w.watcher.Run(ctx)
			w.client.Close()
		})
	}
}

// Run watches until ctx ends.
func (e *engines) Run(ctx context.Context) error {
	e.mu.Lock()
	e.running = ctx
	e.start()
	e.mu.Unlock()
	var again <-chan time.Time
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-e.wake:
		case <-again:
		}
		again = nil
		if !e.refresh(ctx) {
			again = time.After(time.Second)
		}
	}
	e.mu.Lock()
	e.running = nil
	e.mu.Unlock()
	e.watchers.Wait()
	return nil
}

// refresh takes over what was listed since the last time, and reports whether
// it could all be used. Stop signals that were sent meanwhile are told again
// once the containers are known that they were sent to.
func (e *engines) refresh(ctx context.Context) (ok bool) {
	ok = true
	all := e.list()
	for _, w := range all {
		ok = e.takeOver(ctx, w) && ok
	}
	if ctx.Err() != nil {
		return true
	}
	e.changed()
	for _, w := range all {
		e.mu.Lock()
		var late []stopped
		if !w.news {
			late, w.late = w.late, nil
		}
		w.busy = false
		e.mu.Unlock()
		for _, s := range late {
			e.stopping(s.container, s.reason)
		}
	}
	return ok
}

// takeOver makes what was listed on an engine known. It asks where divvy stands
// each time, since networks are connected while containers run. Without any
// answer to that, no container could be reached, so it has to be tried again.
func (e *engines) takeOver(ctx context.Context, w *engine) (ok bool) {
	e.mu.Lock()
	news := w.news
	w.busy = true
	e.mu.Unlock()
	if !news {
		return true
	}
	asking, stop := context.WithTimeout(ctx, vantageTime)
	vantage, err := w.client.Vantage(asking)
	stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		e.log.Warn("finding out where divvy stands, keeping what was known", "host", w.host.Name, "err", err)
	}
	switch {
	case err == nil:
		w.host.Vantage = vantage
	case !w.known:
		return false
	}
	w.host.Containers, w.known = w.found, true
	w.found, w.news = nil, false
	return true
}

// list returns the engines that are watched.
func (e *engines) list() []*engine {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.watched)
}

// hosts returns what the engines ran when they were last asked.
func (e *engines) hosts() []catalog.Host {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []catalog.Host
	for _, w := range e.watched {
		if w.known {
			all = append(all, w.host)
		}
	}
	return all
}

// known reports whether every engine has been listed once.
func (e *engines) known() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !slices.ContainsFunc(e.watched, func(w *engine) bool { return !w.known })
}

// inventory takes what one watcher finds. Its methods return at once: the
// watcher tells of a stop signal only when they have.
type inventory struct {
	engines *engines
	engine  *engine
}

// Replace implements docker.Inventory.
func (i inventory) Replace(_ string, found []docker.Container) {
	i.engines.mu.Lock()
	i.engine.found, i.engine.news = found, true
	i.engines.mu.Unlock()
	select {
	case i.engines.wake <- struct{}{}:
	default:
	}
}

// Stopping implements docker.Inventory.
func (i inventory) Stopping(_, container, reason string) {
	i.engines.mu.Lock()
	if i.engine.news || i.engine.busy {
		i.engine.late = append(i.engine.late, stopped{container, reason})
	}
	i.engines.mu.Unlock()
	i.engines.stopping(container, reason)
}

// status returns the engines' states for people.
func (e *engines) status() []admin.Host {
	all := []admin.Host{}
	for _, w := range e.list() { // without e.mu: a watcher that holds its own may want ours
		s := w.watcher.Status()
		all = append(all, admin.Host{Name: w.host.Name, Up: s.Up, Since: s.Since, Errors: s.Errors, Error: s.Err})
	}
	return all
}

// snapshot returns the engines' states for Prometheus.
func (e *engines) snapshot() []metrics.HostStatus {
	var all []metrics.HostStatus
	for _, h := range e.status() {
		all = append(all, metrics.HostStatus{Name: h.Name, Up: h.Up, Errors: h.Errors})
	}
	return all
}
