package docker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"divvy/backends"
)

// TestEngine tells stories with a real engine. One lab and one watcher serve
// them all, at the same time, as they would in life.
func TestEngine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.image(t, "v1", "one", nil)
	for name, story := range map[string]func(*testing.T, *bench){
		"a container is found where it answers":      foundWhereItAnswers,
		"a moved tag makes two versions":             movedTag,
		"an image without a tag of its own":          startedByID,
		"started by digest":                          startedByDigest,
		"a stop signal is heard before the end":      killBeforeDie,
		"only signals that stop are told":            signals,
		"the health check passes":                    healthCheckPasses,
		"several networks, and divvy in one of them": severalNetworks,
		"the network of the host":                    hostNetwork,
		"the network of another container":           networkOfAnother,
		"with nothing but what divvy needs":          leastPrivilege,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t, b)
		})
	}
}

func foundWhereItAnswers(t *testing.T, b *bench) {
	c := b.run(t, ContainerSpec{
		Image: b.Repository() + ":v1", Name: "plain",
		Labels:  map[string]string{labelProject: "shop", "divvy.weight": "5"},
		Publish: []int{8080},
	})
	want := backends.Version{
		ImageID: c.Version.ImageID, Tag: "v1", Repository: "docker.io/library/" + b.Repository(),
		Revision: "rev-one", Source: "https://example.com/shop?a=$HOME&b=\"c\"\\",
	}
	if c.Version != want {
		t.Errorf("version is %+v, want %+v", c.Version, want)
	}
	if c.Project != "shop" || c.Labels["divvy.weight"] != "5" {
		t.Errorf("project %q, labels %v", c.Project, c.Labels)
	}
	if c.Started.Before(c.Created) || c.Created.IsZero() {
		t.Errorf("created %v, started %v", c.Created, c.Started)
	}
	vantage, err := b.client.Vantage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	published := Vantage{Host: loopback}
	for _, v := range []Vantage{vantage, published} {
		addr, err := c.Addr(Want{}, v)
		if err != nil {
			t.Fatal(err)
		}
		awaitAnswer(t, addr)
	}
}

func movedTag(t *testing.T, b *bench) {
	first := b.image(t, "moving", "before", nil)
	was := b.run(t, ContainerSpec{Image: b.Repository() + ":moving", Name: "old"})
	second := b.image(t, "moving", "after", nil)
	is := b.run(t, ContainerSpec{Image: b.Repository() + ":moving", Name: "new"})
	if first == second {
		t.Fatal("different contents made one image")
	}
	// Something must happen to the old one, or what is known of it would be
	// older than the move.
	if err := b.Pause(t.Context(), was.ID); err != nil {
		t.Fatal(err)
	}
	was = b.awaitContainer(t, "old", func(c Container) bool { return c.Paused })
	if err := b.Unpause(t.Context(), was.ID); err != nil {
		t.Fatal(err)
	}
	was = b.awaitContainer(t, "old", func(c Container) bool { return !c.Paused })
	if was.Version.ImageID != first || was.Version.Tag != "moving" || was.Version.Repository != is.Version.Repository {
		t.Errorf("the old container runs %+v, want image %s", was.Version, first)
	}
	if is.Version.ImageID != second || is.Version.Tag != "moving" {
		t.Errorf("the new container runs %+v, want image %s", is.Version, second)
	}
	if again := b.image(t, "moving", "before", nil); again != first {
		t.Errorf("the same contents made another image, %s, not %s", again, first)
	}
}

func startedByID(t *testing.T, b *bench) {
	id := b.image(t, "beta", "by-id", nil)
	if err := b.Tag(t.Context(), id, "alpha"); err != nil {
		t.Fatal(err)
	}
	c := b.run(t, ContainerSpec{Image: id, Name: "by-id"})
	if c.Version.Tag != "alpha" || c.Version.Repository != "docker.io/library/"+b.Repository() {
		t.Errorf("version is %+v, want the image's first tag", c.Version)
	}
	// Both tags move on, so the image has none.
	other := b.image(t, "other", "other", nil)
	for _, tag := range []string{"alpha", "beta"} {
		if err := b.Tag(t.Context(), other, tag); err != nil {
			t.Fatal(err)
		}
	}
	digits := strings.TrimPrefix(id, "sha256:")
	c = b.run(t, ContainerSpec{Image: digits[:20], Name: "by-short-id"})
	if c.Version.Tag != digits[:12] || c.Version.Repository != "" || c.Version.ImageID != id {
		t.Errorf("version is %+v, want the beginning of the ID", c.Version)
	}

	// A container that is removed by force is killed first.
	if err := b.Remove(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	b.awaitGone(t, "by-short-id")
	b.ledger.await(t, "the signal", func() bool { return len(b.mentions(c)) > 0 })
	if entries := b.mentions(c); !strings.HasSuffix(entries[0], "stop signal 9 was sent") {
		t.Errorf("was told %q, want the signal first", entries)
	}
}

func startedByDigest(t *testing.T, b *bench) {
	program, err := os.ReadFile(b.app)
	if err != nil {
		t.Fatal(err)
	}
	ref := pull(t, b.Lab, program)
	c := b.run(t, ContainerSpec{Image: ref, Name: "by-digest"})
	repository, _, _ := strings.Cut(ref, "@")
	if c.Version.Repository != repository || c.Version.Tag != digits(c.Version.ImageID)[:12] {
		t.Errorf("version is %+v, want repository %s and the beginning of the ID", c.Version, repository)
	}
}

func killBeforeDie(t *testing.T, b *bench) {
	c := b.run(t, ContainerSpec{Image: b.Repository() + ":v1", Name: "stopped"})
	// Before it answers it may not know its stop signal.
	addr, err := c.Addr(Want{}, onHost())
	if err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, addr)
	if err := b.Stop(t.Context(), c.ID, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	b.awaitGone(t, "stopped")
	b.ledger.await(t, "the exit", func() bool { return len(b.mentions(c)) >= 2 })
	entries := b.mentions(c)
	if !strings.HasSuffix(entries[0], "stop signal 15 was sent") || !strings.HasSuffix(entries[1], "it exited") {
		t.Errorf("was told %q, want the signal and then the exit", entries)
	}
	if !b.started(t, c) {
		t.Error("its start is no event since its start")
	}
	if err := b.Start(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	again := b.awaitContainer(t, "stopped", func(Container) bool { return true })
	if !again.Started.After(c.Started) || !again.Created.Equal(c.Created) {
		t.Errorf("created %v and started %v, before %v and %v", again.Created, again.Started, c.Created, c.Started)
	}
}

func signals(t *testing.T, b *bench) {
	b.image(t, "quit", "quit", func(s *ImageSpec) { s.StopSignal = "SIGRTMIN+3" })
	c := b.run(t, ContainerSpec{Image: b.Repository() + ":quit", Name: "quit"})
	if c.StopSignal != "SIGRTMIN+3" {
		t.Errorf("stop signal is %q", c.StopSignal)
	}
	// Events come in order, so whoever has heard the second has heard the first.
	for _, signal := range []string{"HUP", "37"} {
		if err := b.Kill(t.Context(), c.ID, signal); err != nil {
			t.Fatal(err)
		}
	}
	b.ledger.await(t, "the signal", func() bool { return len(b.mentions(c)) > 0 })
	if entries := b.mentions(c); !strings.HasSuffix(entries[0], ": stop signal 37 was sent") {
		t.Errorf("was told %q, want only its stop signal", entries)
	}
}

func healthCheckPasses(t *testing.T, b *bench) {
	b.image(t, "checked", "checked", func(s *ImageSpec) {
		s.Health = &HealthCheck{Command: []string{"/app", "check"}, Interval: time.Second, Timeout: 5 * time.Second}
	})
	c := b.run(t, ContainerSpec{Image: b.Repository() + ":checked", Name: "checked"})
	if c.Health != backends.HealthStarting && c.Health != backends.HealthPassing { // on a busy machine it is late
		t.Errorf("health is %q, want starting", c.Health)
	}
	b.awaitContainer(t, "checked", func(c Container) bool { return c.Health == backends.HealthPassing })
}

func severalNetworks(t *testing.T, b *bench) {
	front, back := b.network(t, "front"), b.network(t, "back")
	c := b.run(t, ContainerSpec{
		Image: b.Repository() + ":v1", Name: "networks", Networks: []string{front, back},
		Labels: map[string]string{labelProject: b.Repository()},
	})
	if len(c.Networks) != 2 || c.Networks[0].Name != back || c.Networks[1].Name != front {
		t.Fatalf("networks are %+v", c.Networks)
	}
	here := Vantage{Direct: true, Host: loopback}
	if _, err := c.Addr(Want{}, here); err == nil {
		t.Error("it has two networks, yet an address without choosing one")
	}
	addr, err := c.Addr(Want{Network: "front"}, here)
	if want := c.Networks[1].IP.String() + ":8080"; err != nil || addr != want {
		t.Errorf("got %s, %v; want %s", addr, err, want)
	}
	awaitAnswer(t, addr)

	// As if this process ran in it: Docker names a container's host by its ID.
	v, err := b.client.vantage(t.Context(), surroundings{hostname: c.ID[:12], goos: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	if v.Container != c.ID || v.Direct || v.Host != c.Networks[0].Gateway.String() || len(v.Networks) != 2 {
		t.Errorf("vantage is %+v", v)
	}
}

func hostNetwork(t *testing.T, b *bench) {
	// A port that is free: the host's are everybody's, and it would end at once.
	c := b.run(t, ContainerSpec{Image: b.Repository() + ":v1", Name: "host", HostNetwork: true, Env: map[string]string{"PORT": "0"}})
	if !c.HostNetwork || len(c.Networks) != 0 {
		t.Errorf("host network %v, networks %+v", c.HostNetwork, c.Networks)
	}
}

func networkOfAnother(t *testing.T, b *bench) {
	owner := b.run(t, ContainerSpec{Image: b.Repository() + ":v1", Name: "owner"})
	c := b.run(t, ContainerSpec{Image: b.Repository() + ":v1", Name: "guest", NetworkOf: owner.ID, Env: map[string]string{"PORT": "8081"}})
	if c.NetworkOf != owner.ID || len(c.Networks) != 1 || c.Networks[0].IP != owner.Networks[0].IP {
		t.Errorf("it is in the network of %.12s, networks %+v; the other's are %+v", c.NetworkOf, c.Networks, owner.Networks)
	}
	addr, err := c.Addr(Want{Port: 8081}, onHost())
	if err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, addr)
}

func TestLabLeavesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ctx, stop := context.WithCancel(t.Context())
	if _, err := l.Network(ctx, "net"); err != nil {
		t.Fatal(err)
	}
	id, err := l.Image(ctx, "v1", ImageSpec{Files: map[string]File{"/etc/text": {Data: []byte("text")}}, Entrypoint: []string{"/none"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Tag(ctx, id, "v2"); err != nil {
		t.Fatal(err)
	}
	// Made, but not started: there is no such program in the image.
	if _, err := l.Container(ctx, ContainerSpec{Image: id, Name: "broken"}); err == nil {
		t.Error("a container without a program was started")
	}
	stop()
	if _, err := l.Image(ctx, "v3", ImageSpec{}); err == nil {
		t.Error("something was made though the context had ended")
	}
	for range 2 { // it may be closed again
		if err := l.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := l.sweep(t.Context()); found > 0 || err != nil {
		t.Errorf("%d things were left, %v", found, err)
	}
	if _, err := l.Network(t.Context(), "late"); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a closed lab makes a network: %v", err)
	}
}

func TestLabWithoutEngine(t *testing.T) {
	t.Parallel()
	_, err := NewLab(t.Context(), "unix://"+filepath.Join(t.TempDir(), "none.sock"), "divvy-test")
	if err == nil || !strings.Contains(err.Error(), "no engine answers") {
		t.Errorf("got %v, want that no engine answers", err)
	}
	if _, err := NewLab(t.Context(), "", "Bad/Name"); err == nil || !strings.Contains(err.Error(), "lower-case") {
		t.Errorf("got %v, want what a name may be", err)
	}
}
