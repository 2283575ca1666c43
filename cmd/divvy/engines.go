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
	wake     chan struct{} // receives a value when there is something to do
	key      []byte        // of the hashes by which configurations are compared

	mu       sync.Mutex // guards the fields below
	watched  []*engine
	news     bool            // what hosts or known returns may be new
	running  context.Context // set while Run runs
	watchers sync.WaitGroup
}

// engine is one of them.
type engine struct {
	said    docker.Host // by the configuration
	client  *docker.Swarm
	watcher *docker.Watcher
	layers  *docker.Layers
	vantage func(context.Context) (docker.Vantage, error) // that of the client

	// Guarded by engines.mu.
	life     context.Context    // set once it is watched, and ends with that
	stop     context.CancelFunc // ends it
	began    time.Time          // when it was watched first
	found    []docker.Container // listed, and not yet in host
	news     bool               // there is something in found
	late     []stopped          // heard of while what was listed is not yet known
	busy     bool               // it is being made known
	taken    bool               // it is in host, and nobody has been told
	question question           // where divvy stands
	host     catalog.Host       // whose name never changes
	known    bool               // host has been filled once
	replaced []*engine          // stand for it until it is known
}

// stopped is a container that was told to stop.
type stopped struct{ container, reason string }

// unknownTime is how long an engine is waited for that nobody has listed yet.
// After that, what the others run is taken for all that there is.
const unknownTime = time.Minute

// prepare connects to the engines of c that are not watched yet. The function
// that it returns watches exactly those of c, and cannot fail.
func (e *engines) prepare(c config.Docker) (commit, discard func(), err error) {
	want := c.Hosts
	if c.Enabled && len(want) == 0 {
		want = []docker.Host{{}} // what the environment says
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
	for _, h := range want {
		if i := slices.IndexFunc(e.watched, func(w *engine) bool { return w.said == h }); i >= 0 {
			next = append(next, e.watched[i])
			continue
		}
		client, err := docker.Connect(h)
		if err != nil {
			discard()
			return nil, nil, err
		}
		client.Key = e.key
		n := &engine{said: h, client: docker.NewSwarm(client)}
		n.vantage = n.client.Vantage
		n.host.Name = client.Host().String()
		n.watcher = &docker.Watcher{Host: n.host.Name, Daemon: n.client, Inventory: inventory{e, n}, Log: e.log}
		n.layers = &docker.Layers{Host: n.host.Name, Looker: client, Changed: e.look, Log: e.log}
		opened = append(opened, n)
		next = append(next, n)
	}
	return func() { e.commit(next) }, discard, nil
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
		w.life, w.stop = context.WithCancel(e.running)
		ctx := w.life
		if w.began.IsZero() {
			w.began = time.Now()
		}
		time.AfterFunc(unknownTime, e.look)
		e.watchers.Go(func() {
			// They end with their context, and only then.
			var parts sync.WaitGroup
			parts.Go(func() { _ = w.watcher.Run(ctx) })
			parts.Go(func() { _ = w.layers.Run(ctx) })
			parts.Wait()
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
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-e.wake:
			e.ask()
			e.tell()
		}
	}
	e.mu.Lock()
	e.running = nil
	e.mu.Unlock()
	e.watchers.Wait()
	return nil
}

// list returns the engines that are watched.
func (e *engines) list() []*engine {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.watched)
}

// hosts returns what the engines ran when they were last asked.
func (e *engines) hosts() []catalog.Host {
	var all []catalog.Host
	watched := e.list()
	for _, w := range watched {
		if h, known := e.host(w); known {
			all = append(all, h)
		}
	}
	all = append(all, e.leaving(watched, all)...)
	lendNetworks(all)
	return all
}

// host returns what an engine ran when it was last asked, if it ever was.
func (e *engines) host(w *engine) (host catalog.Host, known bool) {
	// Without e.mu: a watcher that holds its own may want ours.
	touches, up, cluster, nodes := w.watcher.Touches(), w.watcher.Status().Up, w.client.Cluster(), w.client.Nodes()
	e.mu.Lock()
	host, known = w.host, w.known
	e.mu.Unlock()
	host.Layers, host.Touches = w.layers.Known(), touches
	host.Down, host.Cluster, host.Nodes = !up, cluster, nodes
	return host, known
}

// lendNetworks lets every host know the networks of the container that divvy
// runs in, which only one engine can tell: some may span machines.
func lendNetworks(all []catalog.Host) {
	i := slices.IndexFunc(all, func(h catalog.Host) bool { return h.Vantage.Container != "" })
	if i < 0 {
		return
	}
	for j := range all {
		if all[j].Vantage.Remote {
			all[j].Vantage.Networks = all[i].Vantage.Networks
		}
	}
}

// known reports whether every engine has been listed once, or has been waited for
// in vain.
func (e *engines) known() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !slices.ContainsFunc(e.watched, (*engine).awaited)
}

// unlisted returns the engines that have not been listed yet, however long they
// were waited for.
func (e *engines) unlisted() (names []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.watched {
		if !w.known {
			names = append(names, w.host.Name)
		}
	}
	return names
}

// awaited reports whether an engine may yet tell of containers that nobody knows.
// engines.mu is held.
func (n *engine) awaited() bool {
	return !n.known && (n.began.IsZero() || time.Since(n.began) < unknownTime)
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
	i.engines.signal()
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
