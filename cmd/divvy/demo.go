package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"divvy/backends/docker"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/config"
	"divvy/cmd/internal/demo"
	"divvy/metrics"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func demoCommand() *cobra.Command {
	var length time.Duration
	var inProcess bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show three versions of an application behind divvy",
		Long: `Build three tiny images, start containers of them, divide traffic between them, and
show what each version gets and how it does. Everything that was made is removed
at the end. Without a Docker Engine the same is shown with backends in this
process.`,
		Example: `  divvy demo
  divvy demo --for 20s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A terminal that is closed and a pipe that nobody reads end it too, and
			// must leave no more behind than anything else.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP, syscall.SIGPIPE)
			defer stop()
			d := &demonstration{out: cmd.OutOrStdout(), log: cmd.ErrOrStderr(), length: length}
			return d.run(ctx, inProcess)
		},
	}
	cmd.Flags().DurationVar(&length, "for", 0, "how long to show it; 0 until interrupted")
	cmd.Flags().BoolVar(&inProcess, "in-process", false, "do not use Docker")
	return cmd
}

func demoAppCommand() *cobra.Command {
	var a demo.App
	var listen string
	cmd := &cobra.Command{
		Use:     "demo-app",
		Short:   "Run one version of the demonstration's application",
		Hidden:  true,
		Example: "  divvy demo-app --version v2 --delay 12ms --failing 0.02",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("demo application %s: %w", a.Version, err)
			}
			return a.Serve(cmd.Context(), l)
		},
	}
	cmd.Flags().StringVar(&a.Version, "version", "v1", "the version that it says it is")
	cmd.Flags().StringVar(&listen, "listen", ":8080", "address to listen on")
	cmd.Flags().DurationVar(&a.Delay, "delay", 0, "mean time to answer")
	cmd.Flags().Float64Var(&a.Failing, "failing", 0, "share of requests to fail, 0 to 1")
	return cmd
}

// demonstration is `divvy demo`.
type demonstration struct {
	out, log io.Writer
	length   time.Duration // 0 until interrupted
	front    []func(context.Context) error
}

// demoTraffic bounds the traffic of the demonstration.
const (
	demoUsers = 300
	demoEvery = 10 * time.Millisecond
	demoTotal = 100_000
)

func (d *demonstration) run(ctx context.Context, inProcess bool) (err error) {
	service := config.DefaultService()
	service.Name = "demo"
	service.Weights = map[string]int{"v1": 80, "v2": 15, "v3": 5}
	service.Sticky.By = []string{"cookie"}
	service.Override.Networks = []string{"127.0.0.0/8", "::1"}

	var lab *docker.Lab
	if !inProcess {
		if lab, err = docker.NewLab(ctx, "", "divvy-demo"); ctx.Err() != nil {
			return nil
		} else if err != nil {
			fmt.Fprintf(d.out, "No Docker Engine: %v\nShowing the same with backends in this process.\n\n", err)
		}
	}
	if lab != nil {
		defer func() { err = errors.Join(err, d.remove(lab)) }()
		if err := d.startContainers(ctx, lab, &service); err != nil {
			return interrupted(ctx, err)
		}
	} else if err := d.startInProcess(&service); err != nil {
		return err
	}
	return interrupted(ctx, d.show(ctx, service, lab != nil))
}

// interrupted returns err unless it only comes of the interruption.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// startContainers builds an image of each version and starts containers.
func (d *demonstration) startContainers(ctx context.Context, lab *docker.Lab, service *config.Service) error {
	fmt.Fprintf(d.out, "Building three images %s and starting four containers ...\n", lab.Repository())
	program, cleanup, err := demo.Program(ctx)
	if err != nil {
		return err
	}
	defer cleanup()
	files := map[string]docker.File{}
	for path, source := range program {
		files[path] = docker.File{Source: source, Mode: 0o755}
	}
	service.Image, service.Port = lab.Repository(), 8080
	for _, app := range demo.Versions() {
		_, err := lab.Image(ctx, app.Version, docker.ImageSpec{
			Files: files, Entrypoint: []string{"/divvy"}, Cmd: app.Args(), Expose: []int{8080}, User: "65532:65532",
			Labels: map[string]string{"org.opencontainers.image.revision": "demo-" + app.Version, "org.opencontainers.image.created": time.Now().UTC().Format(time.RFC3339)},
		})
		if err != nil {
			return err
		}
		for i := range replicas(app) {
			_, err := lab.Container(ctx, docker.ContainerSpec{
				Image: lab.Repository() + ":" + app.Version, Name: fmt.Sprintf("%s-%d", app.Version, i+1),
				Publish: []int{8080}, // for engines whose containers are out of reach
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// replicas returns how many backends a version has: production has two.
func replicas(app demo.App) int {
	if app.Version == "v1" {
		return 2
	}
	return 1
}

// startInProcess listens for each version on loopback.
func (d *demonstration) startInProcess(service *config.Service) error {
	for _, app := range demo.Versions() {
		for range replicas(app) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("demo application %s: %w", app.Version, err)
			}
			service.Backends = append(service.Backends, config.Backend{Version: app.Version, Address: l.Addr().String()})
			d.front = append(d.front, func(ctx context.Context) error { return app.Serve(ctx, l) })
		}
	}
	return nil
}

// remove removes all that the demonstration made, even if it was interrupted.
func (d *demonstration) remove(lab *docker.Lab) error {
	fmt.Fprintln(d.out, "\nRemoving the containers and images ...")
	return lab.Close(context.Background())
}

// show runs divvy on the service, with traffic, and shows what happens.
func (d *demonstration) show(ctx context.Context, service config.Service, containers bool) (err error) {
	c := config.Default()
	if c.State.Directory, err = os.MkdirTemp("", "divvy-demo-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.State.Directory)) }()
	c.Server.HTTP, c.Admin.Listen = free("127.0.0.1:8080"), free("127.0.0.1:9900")
	c.Server.ServedBy = true
	c.Docker.Enabled = containers
	c.AccessLog.Format = "off"
	c.Log.Level = "warn"
	c.Services = []config.Service{service}

	level := new(slog.LevelVar)
	p := newProgram(newLogger(d.log, c.Log.Format, level), level, c)
	board := &demo.Board{}
	p.proxy.Sink = metrics.Sinks{p.proxy.Sink, board}
	if err := p.open(ctx); err != nil {
		return err
	}
	if err := p.apply(c, ""); err != nil {
		return err
	}
	url := "http://" + p.server.Addr().String() + "/"
	load := func(ctx context.Context) error {
		p.awaitReady(ctx)
		return (&demo.Load{URL: url, Users: demoUsers, Every: demoEvery, Total: demoTotal}).Run(ctx)
	}
	watch := func(ctx context.Context) error { return d.watch(ctx, p, board) }
	d.explain(url, service.Name, p.admin.Addr())
	if d.length > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, d.length)
		defer stop()
	}

	// The backends in this process end after the proxy, which needs them.
	bgctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var apps sync.WaitGroup
	for _, f := range d.front {
		apps.Go(func() {
			if err := f(bgctx); err != nil {
				p.log.Error("demo", "err", err)
			}
		})
	}
	err = p.run(ctx, load, watch)
	stop()
	apps.Wait()
	return err
}

func (d *demonstration) explain(url, service, admin string) {
	fmt.Fprintf(d.out, `
divvy divides %s between three versions: v1 in production,
v2 a little slower, v3 with a bug in 2 %% of its answers. 300 users visit it, and
each stays with its version.

  a browser        %s
  one request      curl -i %s
  a version        curl -i -H 'Divvy-Version: v3' %s
  is v3 worse?     divvy compare %s --admin %s
  for Prometheus   http://%s/metrics
  all that is known
                   curl http://%s/api/v1/status

`, url, url, url, url, service, admin, admin, admin)
}

// awaitReady returns when every version can answer, or ctx ends.
func (p *program) awaitReady(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		versions := p.status().Services[0].Versions
		waiting := slices.ContainsFunc(versions, func(v admin.Version) bool { return v.Share == 0 })
		if len(versions) == len(demo.Versions()) && !waiting {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// watch draws the board once a second on a terminal, else every five.
func (d *demonstration) watch(ctx context.Context, p *program, board *demo.Board) error {
	f, ok := d.out.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	every := 5 * time.Second
	if terminal {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	draw := func() error {
		s := p.status().Services[0]
		return board.Draw(d.out, s.Versions, p.comparisons.Comparisons(s.Name), terminal)
	}
	for {
		select {
		case <-ctx.Done():
			return draw()
		case <-tick.C:
			if err := draw(); err != nil {
				return err
			}
		}
	}
}

// free returns addr if nobody listens there, else any free port.
func free(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "127.0.0.1:0"
	}
	l.Close()
	return addr
}
