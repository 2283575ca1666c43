package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"divvy/backends"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/catalog"
	"divvy/cmd/internal/config"
	"divvy/metrics"
	"divvy/proxy"
	"divvy/router"

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
	admin    *admin.Server
	engines  engines

	mu       sync.Mutex // guards the fields below, and keeps rebuilds in order
	config   *config.Config
	path     string
	loaded   time.Time
	refused  error
	table    *router.Table
	services []router.Config // of the table, in its order
	misfits  []string        // what the catalog could not use
	problems []string        // that and what else people should know
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
	p.admin = &admin.Server{Metrics: p.metrics.Handler(), Status: p.status, Log: log}
	p.engines = engines{log: log, changed: p.rebuild, stopping: p.registry.Stopping, wake: make(chan struct{}, 1)}
	return p
}

// run runs the program by the configuration that was applied first, until ctx
// ends: then the front stops, finishing what is in flight, and after it the
// background that it needs for that.
func (p *program) run(ctx context.Context, front ...func(context.Context) error) error {
	bgctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	bg, bgctx := errgroup.WithContext(bgctx)
	for _, f := range []func(context.Context) error{
		p.registry.Run, p.metrics.Run, p.access.Run, p.engines.Run, p.admin.Run, p.follow,
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
	p.services, p.misfits = c.Services, c.Problems
	p.registry.Replace(c.Endpoints)
	p.publish()
}

// publish builds the table and makes it what requests use. p.mu is held.
func (p *program) publish() {
	inputs := make([]router.Input, 0, len(p.services))
	for _, s := range p.services {
		inputs = append(inputs, router.Input{Config: s, Members: p.registry.Members(s.Name)})
	}
	p.table = router.Build(inputs)
	p.table.Partial = !p.engines.known()
	p.reportProblems()
	p.proxy.Publish(p.table, p.config.Server)
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
		}
	}
	p.problems = now
}
