package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"divvy/backends"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/catalog"
	"divvy/cmd/internal/compare"
	"divvy/cmd/internal/config"
	"divvy/cmd/internal/timeline"
	"divvy/metrics"
	"divvy/proxy"
	"divvy/proxy/certs"
	"divvy/proxy/sockets"
	"divvy/router"
	"divvy/router/state"

	"golang.org/x/sync/errgroup"
)

// program is a running divvy: all parts, and the configuration that they run
// by.
type program struct {
	log      *slog.Logger
	level    *slog.LevelVar
	started  time.Time
	registry *backends.Registry
	metrics  *metrics.Prometheus
	access   accessSink
	proxy    *proxy.Proxy
	server   *proxy.Server
	certs    *certs.Manager
	admin    *admin.Server
	sockets  *sockets.Set
	retired  atomic.Bool // another process has taken over
	engines  engines
	keeper   *state.Keeper
	keys     *state.Keys
	holders  holders
	relabels relabels

	comparisons *compare.Manager
	timeline    *timeline.Recorder

	mu       sync.Mutex // guards the fields below, and keeps rebuilds in order
	config   *config.Config
	path     string
	loaded   time.Time
	refused  error
	keyring  *router.Keyring
	told     uint64 // the revision of the state up to which edits were told of
	table    *router.Table
	services []router.Config           // of the table, in its order; their weights are the file's
	labels   map[string]map[string]int // the weights of labels, by service
	misfits  []string                  // what the catalog could not use
	examined map[string][]catalog.Finding
	drifts   map[string]map[string]backends.Mutation // by service and image
	problems []string                                // that and what else people should know
}

// newProgram assembles the parts. Nothing runs and nothing is open yet.
func newProgram(log *slog.Logger, level *slog.LevelVar, c *config.Config) *program {
	p := &program{log: log, level: level, started: time.Now()}
	p.registry = &backends.Registry{Log: log}
	p.metrics = metrics.New(c.Metrics)
	p.metrics.Log = log
	p.metrics.Version = version()
	p.metrics.Watch(p.snapshot)
	p.access.log = log
	p.proxy = &proxy.Proxy{Metrics: p.metrics, Sink: metrics.Sinks{p.metrics, &p.access}, Log: log}
	p.server = &proxy.Server{Proxy: p.proxy, Log: log}
	p.admin = &admin.Server{Metrics: p.metrics.Handler(), Control: control{p}, Log: log}
	p.registry.Observe = func(c backends.Change) { p.admin.Events.Publish("backend", c.Service, c) }
	folder := c.State.Folder()
	storage := &state.Directory{Path: folder}
	p.keeper = &state.Keeper{Storage: storage, Where: folder, Changed: p.edited, Log: log}
	p.keys = &state.Keys{Storage: storage, Where: folder, Changed: p.rekeyed, Log: log}
	p.comparisons = p.newComparisons(storage, folder)
	p.timeline = &timeline.Recorder{Storage: storage, Where: folder, Counts: p.metrics.Counts, Shares: p.shares, Log: log}
	p.certs = certs.New(storage, log)
	p.server.TLS, p.proxy.Challenge, p.proxy.Certified = p.certs.TLSConfig(), p.certs.Challenge, p.certs.Serves
	p.holders.recorder, p.relabels.recorder = newRecorder(p), newRecorder(p)
	p.engines = engines{log: log, changed: p.rebuild, stopping: p.registry.Stopping, wake: make(chan struct{}, 1), key: newKey()}
	return p
}

// give gives the program the sockets that it was started with.
func (p *program) give(s *sockets.Set) { p.sockets, p.server.Sockets, p.admin.Sockets = s, s, s }

// open reads what was remembered. Damaged state is left as it is, and divvy does
// not start.
func (p *program) open(ctx context.Context) error {
	if err := p.keeper.Open(ctx); err != nil {
		return err
	}
	p.told = p.keeper.Document().Revision
	if err := p.keys.Open(ctx); err != nil {
		return err
	}
	p.engines.key = p.fingerprintKey(ctx)
	p.comparisons.Open(ctx)
	p.timeline.Open(ctx)
	return nil
}

// run runs the program by the configuration that was applied first, until ctx
// ends: then the front stops, finishing what is in flight, and after it the
// background that it needs for that.
func (p *program) run(ctx context.Context, front ...func(context.Context) error) error {
	bgctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	bg, bgctx := errgroup.WithContext(bgctx)
	for _, f := range []func(context.Context) error{
		p.registry.Run, p.metrics.Run, p.access.Run, p.engines.Run, p.admin.Run, p.follow, p.certs.Run,
		p.keeper.Run, p.keys.Run, p.holders.Run, p.relabels.Run, p.comparisons.Run, p.timeline.Run,
	} {
		bg.Go(func() error { return f(bgctx) })
	}

	ctx, abort := context.WithCancel(ctx)
	defer abort()
	context.AfterFunc(bgctx, abort) // a failed background part stops the front
	fg, ctx := errgroup.WithContext(ctx)
	for _, f := range append(front, p.server.Run) {
		fg.Go(func() error { return f(ctx) })
	}
	err := fg.Wait()
	stop()
	if bgErr := bg.Wait(); err == nil {
		err = bgErr
	}
	return err
}

// follow keeps the table up to date with the registry: versions come, go and
// get tags.
func (p *program) follow(ctx context.Context) error {
	changed := p.registry.Changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			p.mu.Lock()
			p.publish()
			p.mu.Unlock()
		}
	}
}

// rebuild makes the catalog anew of the file and what the engines run.
func (p *program) rebuild() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.combine()
}

// combine is rebuild with p.mu held.
func (p *program) combine() {
	c := catalog.Combine(p.config.Services, p.engines.hosts())
	p.services, p.labels, p.misfits = c.Services, c.Weights, c.Problems
	p.examined, p.drifts = c.Examined, c.Drifts
	p.engines.want(c.Subjects, p.config.Immutable.Every)
	p.registry.Replace(c.Endpoints)
	p.certs.Want(hostsOf(p.services))
	p.publish()
	if !p.table.Partial {
		p.relabels.look()
	}
}

// publish builds the table and makes it what requests use. p.mu is held.
func (p *program) publish() {
	d := p.keeper.Document()
	inputs := make([]router.Input, 0, len(p.services))
	for _, c := range p.services {
		inputs = append(inputs, p.input(c, &d))
	}
	p.table = router.Build(inputs)
	p.table.Partial = !p.engines.known()
	p.reportProblems()
	p.comparisons.Look(p.subjects(), p.table.Partial)
	p.proxy.Publish(p.table, p.config.Server)
	if !p.table.Partial {
		p.holders.look(p.table, inputs, &d)
	}
}

// input returns what the table needs to know of a service. p.mu is held.
func (p *program) input(c router.Config, d *state.Document) router.Input {
	in := router.Input{Config: c, Members: p.registry.Members(c.Name), Keys: p.keyring}
	s := d.Services[c.Name]
	in.RolledBack = s.Images()
	if s.Split == nil && len(c.Weights) > 0 {
		return in
	}
	now := s.Current(p.labels[c.Name])
	in.Weights, in.Holders = now.Weights, now.Holders
	return in
}

// reportProblems finds what people should know, and logs what they were not
// told before.
func (p *program) reportProblems() {
	now := slices.Clone(p.misfits)
	for _, s := range p.table.Services {
		if p.table.Partial {
			break // what is missing may only be unknown yet
		}
		for _, note := range s.Notes() {
			now = append(now, "service "+s.Name+": "+note)
		}
	}
	for _, text := range now {
		if !slices.Contains(p.problems, text) {
			p.log.Warn("look at this", "problem", text)
			p.admin.Events.Publish("problem", "", text)
		}
	}
	p.problems = now
}
