package docker

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// bench is a lab on the real engine with a watcher beside it.
type bench struct {
	*Lab
	client *Client
	ledger *ledger
	app    string // the path of the application's program
}

// newLab returns a lab that is closed when the test ends. Without an engine the
// test is skipped, except in CI, where one must be.
func newLab(t *testing.T) *Lab {
	t.Helper()
	if testing.Short() {
		t.Skip("this test starts containers")
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	l, err := NewLab(ctx, "", "divvy-test")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip("this test needs a Docker engine:", err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// newBench builds the application, so it is made once for many tests.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{Lab: newLab(t), ledger: newLedger(), app: filepath.Join(t.TempDir(), "app")}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.app, "./testdata/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the application: %v\n%s", err, out)
	}
	var err error
	if b.client, err = Connect(Host{}); err != nil {
		t.Fatal(err)
	}
	watch(t, &Watcher{Host: "real", Daemon: b.client, Inventory: b.ledger})
	b.ledger.await(t, "the first list", func() bool { return b.ledger.replacements() > 0 })
	return b
}

// watch runs w until the test ends.
func watch(t testing.TB, w *Watcher) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
	})
}

// image builds an image of the application; images of different versions differ.
func (b *bench) image(t *testing.T, tag, version string, change func(*ImageSpec)) string {
	t.Helper()
	spec := ImageSpec{
		Files:      map[string]File{"/app": {Source: b.app, Mode: 0o755}},
		Entrypoint: []string{"/app"},
		Env:        map[string]string{"VERSION": version},
		Expose:     []int{8080},
		Labels: map[string]string{
			"org.opencontainers.image.revision": "rev-" + version,
			"org.opencontainers.image.source":   "https://example.com/shop?a=$HOME&b=\"c\"\\",
		},
	}
	if change != nil {
		change(&spec)
	}
	id, err := b.Image(t.Context(), tag, spec)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// run starts a container and waits until the watcher has found it.
func (b *bench) run(t *testing.T, spec ContainerSpec) Container {
	t.Helper()
	if _, err := b.Container(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	return b.awaitContainer(t, spec.Name, func(Container) bool { return true })
}

func (b *bench) awaitContainer(t *testing.T, name string, ok func(Container) bool) (c Container) {
	t.Helper()
	b.ledger.await(t, "container "+name, func() bool {
		var found bool
		c, found = b.ledger.container(b.Repository() + "-" + name)
		return found && ok(c)
	})
	return c
}

func (b *bench) awaitGone(t *testing.T, name string) {
	t.Helper()
	b.ledger.await(t, "the end of container "+name, func() bool {
		_, found := b.ledger.container(b.Repository() + "-" + name)
		return !found
	})
}

// awaitAnswer waits until the application at addr answers. It has just been
// started, and tells nobody when it listens.
func awaitAnswer(t *testing.T, addr string) {
	t.Helper()
	for try := time.Tick(20 * time.Millisecond); ; {
		resp, err := http.Get("http://" + addr)
		if err == nil {
			resp.Body.Close()
			return
		}
		select {
		case <-try:
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
}

// mentions returns what was said of c, except in lists.
func (b *bench) mentions(c Container) []string {
	b.ledger.mu.Lock()
	defer b.ledger.mu.Unlock()
	entries := slices.Clone(b.ledger.entries)
	return slices.DeleteFunc(entries, func(e string) bool { return !strings.HasPrefix(e, "stopping "+c.ID) })
}

// started reports whether the engine still delivers the event of the start of c.
func (b *bench) started(t *testing.T, c Container) (found bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	_ = b.client.Watch(ctx, Subscription{
		Since:  c.Started.Add(-time.Millisecond),
		Opened: func() {},
		Handle: func(e Event) {
			if e.Container == c.ID && e.Action == "start" {
				found = true
				stop()
			}
		},
	})
	return found
}

func (b *bench) network(t *testing.T, name string) string {
	t.Helper()
	full, err := b.Network(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return full
}
