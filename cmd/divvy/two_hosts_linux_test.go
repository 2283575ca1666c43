package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/config"
	"divvy/testdata/private"
)

// TestTwoEnginesAsTwoHosts tells one story: containers on two machines are
// backends of one version, the way to one of the machines is lost and found, and
// then somebody runs something else there under the same tag.
func TestTwoEnginesAsTwoHosts(t *testing.T) {
	t.Parallel()
	if !private.Apart(t) {
		return
	}
	near, far := private.Start(t), private.StartFar(t)
	w := newTown(t)
	w.image(t, "v1", "one")
	w.image(t, "v2", "two")
	ship(t, near, far, w.Repository()+":v1", w.Repository()+":v2")
	w.run(t, near, "v1")
	there := w.run(t, far.Engine, "v1")
	w.open(t, w.twoHosts(near, far))
	w.awaitReady(t, map[string]int{"v1": 2})
	if got := w.versions()["v1"].Backends; !slices.ContainsFunc(got, func(b backends.Status) bool { return strings.HasPrefix(b.Addr, far.Addr+":") }) {
		t.Errorf("the backends are %+v, want one at %s", got, far.Addr)
	}

	// What was under way when the machine was lost is answered once TCP tries again,
	// which it does the more seldom the longer nobody answers.
	patient := newClient(t)
	patient.Timeout = 2 * time.Minute
	stop := w.loadBy(t, patient)
	w.awaitAnswers(t, 2)
	far.Cut(t)
	await(t, "the loss of the machine to be noticed", func() bool { return !w.hostStatus("far").Up })
	if got := w.hostStatus("near"); !got.Up {
		t.Errorf("the other host is %+v", got)
	}
	w.awaitAnswers(t, 1)
	far.Join(t)
	await(t, "the machine to be found again", func() bool { return w.hostStatus("far").Up })
	w.awaitReady(t, map[string]int{"v1": 2})
	w.awaitAnswers(t, 2)
	sent, failed := stop()
	if t.Logf("%d requests were sent", sent); len(failed) > 0 {
		t.Errorf("%d of %d requests failed, the first with: %s", len(failed), sent, failed[0])
	}

	far.Docker(t, "rm", "--force", there)
	far.Docker(t, "tag", w.Repository()+":v2", w.Repository()+":v1")
	w.run(t, far.Engine, "v1")
	await(t, "the other image to be reported", func() bool {
		return slices.ContainsFunc(w.program.status().Problems, func(p string) bool {
			return strings.HasPrefix(p, "service shop: the tag v1 means two images: ") && strings.HasSuffix(p, " on far")
		})
	})
}

func (w *town) twoHosts(near *private.Engine, far *private.Far) *config.Config {
	c := w.config(nil)
	c.Docker.Hosts = []docker.Host{{Name: "near", Endpoint: near.Host}, {Name: "far", Endpoint: "tcp://" + far.Addr + ":2375"}}
	return c
}

// ship takes images from one engine to another.
func ship(t *testing.T, from *private.Engine, to *private.Far, images ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "images")
	from.Docker(t, append([]string{"save", "--output", file}, images...)...)
	to.Docker(t, "load", "--input", file)
}

// run starts a container on an engine, which publishes its port, and returns its
// ID.
func (w *town) run(t *testing.T, e *private.Engine, tag string) string {
	t.Helper()
	return e.Docker(t, "run", "--detach", "--publish", "8080", "--env", "DELAY=20ms",
		"--label", docker.LabelLab+"="+w.Repository(), w.Repository()+":"+tag)
}

// awaitAnswers waits for a while of traffic, which so many containers must answer.
// One on which requests still hang that were lost with its machine is busy, and is
// spared for as long.
func (w *town) awaitAnswers(t *testing.T, want int) {
	t.Helper()
	w.seen.forget()
	by := map[string]int{}
	await(t, fmt.Sprintf("answers of %d containers", want), func() bool {
		clear(by)
		all := w.seen.observations()
		for _, o := range all {
			by[o.Container]++
		}
		return len(all) > 300 && len(by) >= want
	})
	if len(by) != want {
		t.Errorf("%v answered, want %d containers", by, want)
	}
}
