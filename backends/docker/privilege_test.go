package docker

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"divvy/backends"
)

// allowed is what divvy may ask an engine for, and what the socket proxy of the
// README lets through: what is new must be put into both.
var allowed = regexp.MustCompile(`^(/v1\.[0-9]+)?/(_ping|version|info|events|networks|services|tasks|nodes|containers/json|containers/[0-9a-f]{12,64}/(json|changes)|images/(sha256:)?[0-9a-f]{64}/json)$`)

// helpful is what divvy asks for that it can do without, by HEAD: whether a path
// in a container is a file or a folder.
var helpful = regexp.MustCompile(`^(/v1\.[0-9]+)?/containers/[0-9a-f]{12,64}/archive$`)

func TestTheReadmeAllowsWhatDivvyNeeds(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{
		"    http-request deny unless METH_GET { path_reg " + allowed.String() + " }\n",
		"METH_GET { … } or METH_HEAD { path_reg " + helpful.String() + " }\n",
	} {
		if !strings.Contains(string(text), rule) {
			t.Errorf("the README's socket proxy lacks %s", rule)
		}
	}
}

// warden stands before the engine's socket, refuses what is not allowed, and
// writes down both.
type warden struct {
	socket string

	mu      sync.Mutex
	used    map[string]int
	refused map[string]int
}

func newWarden(t *testing.T) *warden {
	t.Helper()
	engine, ok := strings.CutPrefix(Host{}.complete().Endpoint, "unix://")
	if !ok {
		t.Skip("this test needs an engine on a unix socket")
	}
	dir, err := os.MkdirTemp("", "divvy") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &warden{socket: filepath.Join(dir, "s"), used: map[string]int{}, refused: map[string]int{}}
	l, err := net.Listen("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	forward.FlushInterval = -1
	forward.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", engine)
	}}
	s := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.admits(r) {
			forward.ServeHTTP(rw, r)
			return
		}
		refuse(rw, http.StatusForbidden, "not allowed")
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return w
}

func (w *warden) admits(r *http.Request) bool {
	// Only GET: divvy greets the engine by HEAD first, and must do without.
	ok := r.Method == http.MethodGet && allowed.MatchString(r.URL.Path)
	kind := regexp.MustCompile(`/v1\.[0-9]+`).ReplaceAllString(r.URL.Path, "")
	kind = regexp.MustCompile(`[0-9a-f]{12,64}|sha256:[0-9a-f]+`).ReplaceAllString(kind, "{id}")
	kind = strings.ReplaceAll(kind, "{id}{id}", "{id}")
	w.mu.Lock()
	defer w.mu.Unlock()
	if ok {
		w.used[r.Method+" "+kind]++
	} else {
		w.refused[r.Method+" "+kind]++
	}
	return ok
}

// A container lives its whole life, and divvy sees all of it through a proxy
// that lets nothing through but what divvy says that it needs.
func leastPrivilege(t *testing.T, b *bench) {
	w := newWarden(t)
	c, err := Connect(Host{Name: "guarded", Endpoint: "unix://" + w.socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	book := newLedger()
	watcher := &Watcher{Host: "guarded", Daemon: c, Inventory: book}
	watch(t, watcher)

	id := b.image(t, "guarded", "guarded", func(s *ImageSpec) {
		s.Health = &HealthCheck{Command: []string{"/app", "check"}, Interval: time.Second, Timeout: 5 * time.Second}
	})
	name := b.Repository() + "-guarded"
	container, err := b.Container(t.Context(), ContainerSpec{Image: id, Name: "guarded"}) // by ID: its image must be asked for
	if err != nil {
		t.Fatal(err)
	}
	runs := func(what string, ok func(Container) bool) {
		t.Helper()
		book.await(t, what, func() bool {
			found, running := book.container(name)
			return running && ok(found)
		})
	}
	gone := func(what string) {
		t.Helper()
		book.await(t, what, func() bool { _, running := book.container(name); return !running })
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	runs("healthy", func(c Container) bool { return c.Health == backends.HealthPassing && c.Version.Tag == "guarded" })
	if got, err := c.Changes(t.Context(), container, DefaultIgnore()); err != nil || len(got.Found) > 0 {
		t.Errorf("%+v was changed in what was just started, %v", got, err)
	}
	do(b.Pause(t.Context(), container))
	runs("paused", func(c Container) bool { return c.Paused })
	do(b.Unpause(t.Context(), container))
	do(b.Stop(t.Context(), container, 10*time.Second))
	gone("stopped")
	do(b.Start(t.Context(), container))
	runs("restarted", func(c Container) bool { return c.Health == backends.HealthPassing })
	do(b.Kill(t.Context(), container, "KILL"))
	gone("killed")
	do(b.Start(t.Context(), container))
	runs("started again", func(Container) bool { return true })
	do(b.Remove(t.Context(), container))
	gone("removed")
	if _, err := c.Vantage(t.Context()); err != nil {
		t.Error(err)
	}
	if !book.heard("stopping " + container + ": stop signal 15 was sent") {
		t.Error("the stop signal was not heard")
	}
	if s := watcher.Status(); !s.Up || s.Errors > 0 {
		t.Errorf("status is %+v", s)
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	t.Logf("used: %v", w.used)
	want := []string{"GET /_ping", "GET /containers/json", "GET /containers/{id}/changes", "GET /containers/{id}/json", "GET /events", "GET /images/{id}/json", "GET /version"}
	if got := slices.Sorted(maps.Keys(w.used)); !slices.Equal(got, want) {
		t.Errorf("used %q, want %q", got, want)
	}
	delete(w.refused, "HEAD /containers/{id}/archive") // asked if a folder has changed
	if got := slices.Sorted(maps.Keys(w.refused)); !slices.Equal(got, []string{"HEAD /_ping"}) {
		t.Errorf("asked in vain for %q", got)
	}
}
