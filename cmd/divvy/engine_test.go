package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"divvy/backends/docker"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/config"
	"divvy/metrics"
)

// town is a whole divvy before a real engine, with containers that the test
// starts and stops.
type town struct {
	*docker.Lab
	app     string // path of the application's program
	program *program
	url     string
	seen    *record
}

// record keeps what was observed.
type record struct {
	mu  sync.Mutex
	all []metrics.Observation
}

func (r *record) Observe(o *metrics.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, *o)
}

// count returns how many there are.
func (r *record) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// forget drops them.
func (r *record) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = nil
}

func (r *record) observations() []metrics.Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// newTown returns a lab with the application, and nothing running. Without an
// engine the test is skipped, except in CI, where one must be.
func newTown(t *testing.T) *town {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	lab, err := docker.NewLab(ctx, "", "divvy-test")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip("this test needs a Docker engine:", err)
	}
	t.Cleanup(func() {
		if err := lab.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &town{Lab: lab, app: buildApp(t), seen: &record{}}
}

func buildApp(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "divvy/backends/docker/testdata/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the application: %v\n%s", err, out)
	}
	return path
}

// image builds an image whose application says version.
func (w *town) image(t *testing.T, tag, version string) {
	t.Helper()
	_, err := w.Image(t.Context(), tag, docker.ImageSpec{
		Files:      map[string]docker.File{"/app": {Source: w.app, Mode: 0o755}},
		Entrypoint: []string{"/app"}, Env: map[string]string{"VERSION": version}, Expose: []int{8080},
		Labels: map[string]string{"org.opencontainers.image.revision": "rev-" + version},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// start starts a container of an image and returns its ID.
func (w *town) start(t *testing.T, name, tag string, labels map[string]string) string {
	t.Helper()
	id, err := w.Container(t.Context(), docker.ContainerSpec{Image: w.Repository() + ":" + tag, Name: name, Labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// config returns a configuration with the service shop, which is the lab's
// images.
func (w *town) config(change func(*config.Service)) *config.Config {
	c := quiet()
	s := config.Service{Image: w.Repository()}
	s.Name = "shop"
	if change != nil {
		change(&s)
	}
	c.Services = []config.Service{s}
	return c
}

// quiet returns a configuration that disturbs nobody.
func quiet() *config.Config {
	c := config.Default()
	c.Server.HTTP, c.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.AccessLog.Format = "off"
	return c
}

// open runs divvy until the test ends.
func (w *town) open(t *testing.T, c *config.Config) {
	t.Helper()
	w.program = start(t, c, w.seen)
	w.url = "http://" + w.program.server.Addr().String()
}

// start runs a divvy until the test ends.
func start(t *testing.T, c *config.Config, sink metrics.Sink) *program {
	t.Helper()
	return startLogging(t, c, sink, testWriter{t})
}

// startLogging is start with another place for the log.
func startLogging(t *testing.T, c *config.Config, sink metrics.Sink, to io.Writer) *program {
	t.Helper()
	log := slog.New(slog.NewTextHandler(to, nil))
	if c.State.Directory == "" {
		c.State.Directory = t.TempDir()
	}
	p := newProgram(log, new(slog.LevelVar), c)
	p.proxy.Sink = metrics.Sinks{p.proxy.Sink, sink}
	if err := errors.Join(p.open(t.Context()), p.apply(c, "")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return p
}

// testWriter is a test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// await returns when ok does, and fails the test if that takes too long. What
// it waits for happens in an engine, which tells nobody when it is done.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// service returns the present versions of one service. The engine may run those
// of other tests, which divvy sees as well.
func (w *town) service(name string) []admin.Version {
	for _, s := range w.program.status().Services {
		if s.Name == name {
			return s.Versions
		}
	}
	return nil
}

// versions returns the present versions of the service shop by tag.
func (w *town) versions() map[string]admin.Version {
	all := map[string]admin.Version{}
	for _, v := range w.service("shop") {
		all[v.Tags[0]] = v
	}
	return all
}

// awaitReady returns when the versions have this many ready backends.
func (w *town) awaitReady(t *testing.T, want map[string]int) {
	t.Helper()
	await(t, fmt.Sprint("backends ", want), func() bool {
		all := w.versions()
		for tag, n := range want {
			ready := 0
			for _, b := range all[tag].Backends {
				if b.State == "ready" {
					ready++
				}
			}
			if ready != n {
				return false
			}
		}
		return true
	})
}

// get sends a request and returns the version that answered.
func (w *town) get(t *testing.T, client *http.Client, header ...string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, v)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(string(body), " ")
	return version
}

// newClient returns a client of its own.
func newClient(t *testing.T) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// load sends requests from 16 clients until stop is called, which returns how
// many were sent and what went wrong.
func (w *town) load(t *testing.T) (stop func() (sent int, failed []string)) {
	t.Helper()
	return w.loadBy(t, newClient(t))
}

func (w *town) loadBy(t *testing.T, client *http.Client) (stop func() (sent int, failed []string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var wg sync.WaitGroup
	sent, failed := 0, []string{}
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				fault := attempt(client, w.url)
				mu.Lock()
				sent++
				if fault != "" {
					failed = append(failed, fault)
				}
				mu.Unlock()
			}
		})
	}
	return func() (int, []string) {
		cancel()
		wg.Wait()
		return sent, failed
	}
}

// attempt sends one request and returns what went wrong, "" for nothing.
func attempt(client *http.Client, url string) string {
	res, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err.Error()
	}
	if res.StatusCode != http.StatusOK {
		return res.Status
	}
	return ""
}

// relay stands between divvy and the engine's socket, and can be cut.
type relay struct {
	path   string
	target string

	mu    sync.Mutex
	l     net.Listener
	conns map[net.Conn]bool
}

// newRelay returns a relay to the engine that the environment names.
func newRelay(t *testing.T) *relay {
	t.Helper()
	client, err := docker.Connect(docker.Host{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	target, ok := strings.CutPrefix(client.Host().Endpoint, "unix://")
	if !ok {
		t.Skipf("this test needs an engine on a unix socket, not %s", client.Host().Endpoint)
	}
	dir, err := os.MkdirTemp("", "divvy") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &relay{path: filepath.Join(dir, "s"), target: target}
	r.join(t)
	t.Cleanup(r.cut)
	return r
}

// join lets connections through.
func (r *relay) join(t *testing.T) {
	t.Helper()
	l, err := net.Listen("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.l, r.conns = l, map[net.Conn]bool{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.carry(c)
		}
	}()
}

func (r *relay) carry(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("unix", r.target)
	if err != nil {
		return
	}
	defer up.Close()
	r.mu.Lock()
	if r.conns == nil {
		r.mu.Unlock()
		return
	}
	r.conns[c], r.conns[up] = true, true
	r.mu.Unlock()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{c, up}, {up, c}} {
		go func() {
			_, _ = bufio.NewReader(pair[1]).WriteTo(pair[0])
			done <- struct{}{}
		}()
	}
	<-done
}

// cut ends all connections and lets no new one through.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.l != nil {
		r.l.Close()
		r.l = nil
	}
	for c := range r.conns {
		c.Close()
	}
	r.conns = nil
}
