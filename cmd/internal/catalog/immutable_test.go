package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/config"
)

// found lists what is said of each endpoint, as "c1: exec files".
func found(c *Catalog) string {
	var all []string
	for _, e := range c.Endpoints {
		line := e.Name + ":"
		for _, m := range e.Mutations {
			line += " " + string(m.Kind)
		}
		if e.Barred != "" {
			line += " barred"
		}
		all = append(all, line)
	}
	return strings.Join(all, ", ")
}

// subject is a container, and what is known of it.
type subject struct {
	docker.Container
	touches []docker.Touch
}

// touched returns a container after somebody did something to it.
func touched(c docker.Container, kind backends.MutationKind) subject {
	return subject{c, []docker.Touch{{Kind: kind, At: time.Unix(100, 0)}}}
}

func plain(c docker.Container) subject { return subject{Container: c} }

// mounted returns a container with something mounted.
func mounted(c docker.Container, mounts ...docker.Mount) docker.Container {
	c.Mounts = mounts
	return c
}

// layered combines a service and its containers, of which the first has added
// these paths.
func layered(s config.Service, all []subject, paths ...string) *Catalog {
	h := Host{Name: "h", Vantage: docker.Vantage{Direct: true}, Touches: map[string][]docker.Touch{}}
	for _, c := range all {
		h.Containers = append(h.Containers, c.Container)
		h.Touches[c.ID] = c.touches
	}
	layer := docker.Layer{Looked: time.Unix(200, 0)}
	for _, p := range paths {
		layer.Found = append(layer.Found, docker.Change{Path: p, Kind: "added", Seen: time.Unix(150, 0)})
	}
	h.Layers = map[string]docker.Layer{all[0].ID: layer}
	return Combine([]config.Service{s}, []Host{h})
}

func TestEvidenceOfMutations(t *testing.T) {
	t.Parallel()
	shop := service("shop", "shop")
	f := func(s config.Service, c subject, want string, paths ...string) {
		t.Helper()
		if got := found(layered(s, []subject{c}, paths...)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	one := container(1, "shop", "v1")
	f(shop, plain(one), "c1:")
	f(shop, touched(one, backends.MutationExec), "c1: exec")
	volume := docker.Mount{Destination: "/data", Lasting: true, Writable: true}
	f(shop, plain(mounted(one, volume)), "c1: mount")
	f(shop, plain(mounted(one, docker.Mount{Destination: "/data", Lasting: true})), "c1:")  // it can only read
	f(shop, plain(mounted(one, docker.Mount{Destination: "/data", Writable: true})), "c1:") // it begins empty
	f(shop, plain(mounted(one, docker.Mount{Destination: "/var/cache/app", Lasting: true, Writable: true})), "c1:")

	f(shop, plain(one), "c1: files", "/app")
	f(shop, plain(one), "c1:", "/tmp/x", "/app.pid")
	f(shop, plain(mounted(one, docker.Mount{Destination: "/data/deep"})), "c1:", "/data", "/data/deep")
	f(shop, plain(container(1, "shop", "v1", "immutable.ignore=/srv, *.db")), "c1:", "/srv/x", "/a.db")
	ignoring := shop
	ignoring.Ignore = docker.Ignore{"/data"}
	f(ignoring, plain(mounted(one, volume)), "c1:", "/data/x")

	off, require := shop, shop
	off.Immutable, require.Immutable = config.Off, config.Require
	f(off, touched(one, backends.MutationExec), "c1:", "/app")
	f(require, touched(one, backends.MutationCopy), "c1: copy files barred", "/app")
	f(require, plain(one), "c1:")
	// The file wins over a label.
	f(require, plain(container(1, "shop", "v1", "immutable=off")), "c1: files barred", "/app")
	f(config.Service{}, plain(container(1, "shop", "v1", "service=web", "immutable=require")), "c1: files barred", "/app")
	// Nobody bars the others.
	both := []subject{touched(one, backends.MutationExec), plain(container(2, "shop", "v1"))}
	if got, want := found(layered(require, both)), "c1: exec barred, c2:"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatIsFoundIsSaidOnceForAll(t *testing.T) {
	t.Parallel()
	volume := docker.Mount{Destination: "/data", Lasting: true, Writable: true}
	var all []docker.Container
	for n := range 5 {
		all = append(all, mounted(container(n+1, "shop", "v1"), volume))
	}
	c := combine([]config.Service{service("shop", "shop")}, all...)
	want := "service shop: c1, c2, c3 and others may not be what " + all[0].Version.String() + " says: it may write into "
	if len(c.Problems) != 1 || !strings.HasPrefix(c.Problems[0], want) {
		t.Errorf("got %q, want %q", c.Problems, want)
	}
}

func TestWhatCouldNotBeFoundOut(t *testing.T) {
	t.Parallel()
	f := func(layer docker.Layer, readOnly bool, want string) {
		t.Helper()
		one := container(1, "shop", "v1")
		one.ReadOnly = readOnly
		c := Combine([]config.Service{service("shop", "shop")}, []Host{{
			Name: "h", Containers: []docker.Container{one}, Layers: map[string]docker.Layer{one.ID: layer},
		}})
		if got := c.Examined["shop"][0].Unknown; !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := len(c.Subjects["h"]); (got == 0) != readOnly {
			t.Errorf("%d containers are to be looked at", got)
		}
	}
	now := time.Now()
	f(docker.Layer{Looked: now}, false, "")
	f(docker.Layer{}, false, "not been looked at yet")
	f(docker.Layer{Looked: now, Err: "connection refused"}, false, "connection refused")
	f(docker.Layer{Looked: now, Changes: docker.Changes{Partial: true}}, false, "not all")
	unsure := func(path string) docker.Layer {
		return docker.Layer{Looked: now, Changes: docker.Changes{Unsure: []docker.Change{{Path: path, Kind: "changed"}}}}
	}
	f(unsure("/etc"), false, "files or folders: changed /etc; a proxy")
	f(unsure("/tmp/x"), false, "")
	f(docker.Layer{}, true, "") // nothing can be in its layer
}

func TestAContainerOfTwoServicesIsLookedAtForBoth(t *testing.T) {
	t.Parallel()
	a, b := service("a", "shop"), service("b", "shop")
	a.Immutable = config.Off
	a.Ignore, b.Ignore = docker.Ignore{"/a", "/both"}, docker.Ignore{"/both", "/b"}
	subjects := combine([]config.Service{a, b}, container(1, "shop", "v1"), container(2, "shop", "v1")).Subjects["h"]
	if len(subjects) != 2 || subjects[0].OnDemand {
		t.Fatalf("got %+v", subjects)
	}
	for path, want := range map[string]bool{"/a": false, "/b": false, "/both": true, "/tmp": true} {
		if got := subjects[0].Ignore.Path(path); got != want {
			t.Errorf("%s: ignored is %v, want %v", path, got, want)
		}
	}
	if s := combine([]config.Service{a}, container(1, "shop", "v1")).Subjects["h"]; len(s) != 1 || !s[0].OnDemand {
		t.Errorf("got %+v, want one that nobody looks at without being asked", s)
	}
}

func TestATagThatMeansTwoImagesOnTwoHosts(t *testing.T) {
	t.Parallel()
	with := func(n int, image string) docker.Container {
		c := container(n, "shop", "v1")
		c.Version.ImageID = "sha256:" + strings.Repeat(image, 64)
		return c
	}
	f := func(want string, hosts ...[]docker.Container) {
		t.Helper()
		var all []Host
		for i, h := range hosts {
			all = append(all, Host{Name: fmt.Sprintf("h%d", i+1), Vantage: docker.Vantage{Direct: true}, Containers: h})
		}
		if got := strings.Join(Combine([]config.Service{service("shop", "shop")}, all).Problems, "\n"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	type list = []docker.Container
	f("service shop: the tag v1 means two images: v1@aaaaaaaa on h1, v1@bbbbbbbb on h2", list{with(1, "a")}, list{with(2, "b")})
	f("", list{with(1, "a")}, list{with(2, "a")})
	// It may be the second tag of its image.
	other := with(2, "b")
	other.Version.Tag = "v2"
	f("service shop: the tag v1 means two images: v1@aaaaaaaa on h1, v1@bbbbbbbb on h2", list{with(1, "a")}, list{other, with(3, "b")})
	f("", list{with(1, "a")}, list{other})
	// It has moved, which the router tells.
	f("", list{with(1, "a"), with(2, "b")})
	f("", list{with(1, "a"), with(3, "b")}, list{with(2, "b")})
}

func TestModesAndPatternsAreChecked(t *testing.T) {
	t.Parallel()
	c := combine(nil, container(1, "shop", "v1", "service=web", "immutable=always", "immutable.ignore=a/b"))
	want := `label divvy.immutable.ignore: "a/b" is not a pattern: use a path such as /var/lib/app, a name such as *.pid, or env:NAME; ` +
		`label divvy.immutable: "always" is none of its values: use warn, require or off`
	if got := c.Endpoints[0].Problem; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !slices.Contains(LabelKeys(), "divvy.immutable") {
		t.Error("the label is not listed")
	}
}

// Whoever starts a container must not take it out of what the file requires.
func TestALabelCannotIgnoreEverything(t *testing.T) {
	t.Parallel()
	shop := service("shop", "shop")
	shop.Immutable = config.Require
	for _, entry := range []string{"*", "/", "/*", "/srv, *"} {
		c := layered(shop, []subject{plain(container(1, "shop", "v1", "immutable.ignore="+entry))}, "/app")
		if got := c.Endpoints[0].Problem; !strings.HasPrefix(got, "label divvy.immutable.ignore: ") || !strings.Contains(got, "use a path such as /var/lib/app") {
			t.Errorf("%s: problem is %q", entry, got)
		}
	}
}
