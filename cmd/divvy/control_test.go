package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"divvy/backends"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/config"
	"divvy/router"
	"divvy/router/state"
)

// make makes an edit of the service shop as the admin API does.
func (w *town) make(t *testing.T, e state.Edit) admin.Edited {
	t.Helper()
	done, err := control{w.program}.Edit("shop", e, false)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// always fails unless the next requests are all answered by a version.
func (w *town) always(t *testing.T, client *http.Client, want string) {
	t.Helper()
	for range 50 {
		if got := w.get(t, client); got != want {
			t.Fatalf("%s answered, want %s", got, want)
		}
	}
}

// ready returns how many backends of the service shop are ready.
func (w *town) ready() int {
	n := 0
	for _, v := range w.service("shop") {
		for _, b := range v.Backends {
			if b.State == backends.StateReady {
				n++
			}
		}
	}
	return n
}

func TestTheWeightOfATagStaysThroughRestartsUntilItIsAdopted(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	folder := t.TempDir()
	conf := w.config(func(s *config.Service) { s.Weights = map[string]int{"v1": 1} })
	conf.State.Directory = folder
	w.image(t, "v1", "old")
	old := w.start(t, "old", "v1", nil)
	w.open(t, conf)
	w.awaitReady(t, map[string]int{"v1": 1})
	w.image(t, "v1", "new")
	w.start(t, "new", "v1", nil)
	await(t, "both images", func() bool { return w.ready() == 2 })
	client := newClient(t)
	w.always(t, client, "old")

	// While the old one's only container is started anew the other answers.
	if err := w.Stop(t.Context(), old, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	w.always(t, client, "new")
	if err := w.Start(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	await(t, "the old one", func() bool { return w.ready() == 2 && w.get(t, client) == "old" })
	w.always(t, client, "old")

	w.make(t, state.Edit{Kind: state.Adopt, Version: "v1"})
	w.always(t, client, "new")

	// Another divvy with the same state goes on there, though the old one's
	// container came first.
	again := *conf
	w.program = start(t, &again, w.seen)
	w.url = "http://" + w.program.server.Addr().String()
	await(t, "both images", func() bool { return w.ready() == 2 })
	w.always(t, client, "new")
	w.make(t, state.Edit{Kind: state.Rollback})
	w.always(t, client, "old")
}

func TestATagCanBeFollowed(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.image(t, "v1", "old")
	w.start(t, "old", "v1", nil)
	w.open(t, w.config(func(s *config.Service) {
		s.Weights = map[string]int{"v1": 1}
		s.OnTagMove = router.Follow
	}))
	w.awaitReady(t, map[string]int{"v1": 1})
	stop := w.load(t)
	w.image(t, "v1", "new")
	w.start(t, "new", "v1", nil)
	await(t, "both images", func() bool { return w.ready() == 2 })
	w.always(t, newClient(t), "new")
	if sent, failed := stop(); len(failed) > 0 {
		t.Errorf("%d of %d requests failed, the first with: %s", len(failed), sent, failed[0])
	}
}

func TestWhatWasRolledBackGetsNothingUnderAnotherTag(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	name := w.Repository()
	labels := func(weight string) map[string]string {
		return map[string]string{"divvy.service": name, "divvy.hosts": name + ".example", "divvy.port": "8080", "divvy.weight": weight, "com.docker.compose.project": name}
	}
	w.image(t, "v1", "good")
	w.image(t, "v2", "bad")
	w.start(t, "good", "v1", labels("90"))
	w.start(t, "bad", "v2", labels("0"))
	w.open(t, quiet())
	c := control{w.program}
	shares := func() map[string]float64 {
		all := map[string]float64{}
		split, err := c.Split(name)
		if err != nil {
			return nil
		}
		for _, s := range split.Shares {
			all[s.Version] = s.Weight
		}
		return all
	}
	edit := func(e state.Edit) {
		t.Helper()
		if _, err := c.Edit(name, e, false); err != nil {
			t.Fatal(err)
		}
	}
	bad := func() (name string) {
		for v := range shares() {
			if strings.HasPrefix(v, "v2@") {
				name = v
			}
		}
		return name
	}
	await(t, "both versions", func() bool { return len(shares()) == 2 })
	edit(state.Edit{Kind: state.Weights, Weights: map[string]int{"v2": 10}})
	if got := shares()[bad()]; got != 10 {
		t.Fatalf("the candidate has the weight %v, want 10", got)
	}
	edit(state.Edit{Kind: state.Rollback, Why: "it is bad"})
	if err := w.Tag(t.Context(), w.Repository()+":v2", "v3"); err != nil {
		t.Fatal(err)
	}
	w.start(t, "same", "v3", labels("50"))
	await(t, "the third container", func() bool {
		return slices.ContainsFunc(w.service(name), func(v admin.Version) bool {
			return len(v.Tags) == 2 && slices.Contains(v.Tags, "v3")
		})
	})
	if got := shares()[bad()]; got != 0 {
		t.Errorf("what was rolled back has the weight %v under another tag", got)
	}
	await(t, "a word about it", func() bool {
		return strings.Contains(strings.Join(w.program.status().Problems, "\n"), "was rolled back: it gets no weight until an edit gives it some")
	})
	edit(state.Edit{Kind: state.Weights, Weights: map[string]int{"v3": 5}})
	if got := shares()[bad()]; got == 0 {
		t.Error("an edit gave it weight, and it has none")
	}
}

func TestDrainingAndStoppingUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.image(t, "v1", "v1")
	w.image(t, "v2", "v2")
	first := w.start(t, "first", "v1", nil)
	w.start(t, "second", "v2", nil)
	w.open(t, w.config(func(s *config.Service) { s.Weights = map[string]int{"v1": 50, "v2": 50} }))
	w.awaitReady(t, map[string]int{"v1": 1, "v2": 1})
	stop := w.load(t)
	await(t, "traffic", func() bool { return w.seen.count() > 500 })
	out := new(strings.Builder)
	if err := run(t.Context(), []string{"drain", "shop", "v1", "--yes", "--admin", w.program.admin.Addr()}, out, out); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	drained := w.seen.count()
	if err := w.Kill(t.Context(), first, "KILL"); err != nil { // it has nothing to finish
		t.Fatal(err)
	}
	await(t, "more traffic", func() bool { return w.seen.count() > drained+500 })
	if sent, failed := stop(); len(failed) > 0 {
		t.Errorf("%d of %d requests failed, the first with: %s", len(failed), sent, failed[0])
	}
	for _, o := range w.seen.observations()[drained+50:] {
		if o.Container == first {
			t.Fatal("a request went to the version that was drained")
		}
	}
}

// paper is a program without an engine whose containers the test makes up.
type paper struct {
	*program
	found []backends.Endpoint
}

func newPaper(t *testing.T) *paper {
	t.Helper()
	c := quiet()
	c.Docker.Enabled = false
	c.State.Directory = t.TempDir()
	p := newProgram(slog.New(slog.DiscardHandler), new(slog.LevelVar), c)
	if err := p.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.config = c
	p.services = []router.Config{{Name: "shop"}}
	return &paper{program: p}
}

// has says which images run, the oldest first, each with its tag.
func (p *paper) has(images ...string) {
	p.found = nil
	for i, image := range images {
		tag, id, _ := strings.Cut(image, "@")
		p.found = append(p.found, backends.Endpoint{
			Service: "shop", ID: fmt.Sprint("c-", id), Name: id, Addr: "127.0.0.1:1", Health: backends.HealthPassing,
			Version: backends.Version{ImageID: "sha256:" + id, Tag: tag}, Created: time.Unix(int64(i), 0),
		})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.registry.Replace(p.found)
	p.publish()
}

// holder returns the image that has all weight, and what is recorded of it.
func (p *paper) holder(t *testing.T) (image, recorded string) {
	t.Helper()
	split, err := control{p.program}.Split("shop")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range split.Shares {
		if s.Weight > 0 {
			image = s.Version
		}
	}
	return image, split.Holders[router.First]
}

func TestAnImageKeepsItsWeightForAsLongAsARestartTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPaper(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.holders.Run(ctx) }()
		f := func(why, want, wantRecorded string) {
			t.Helper()
			synctest.Wait()
			image, recorded := p.holder(t)
			if image != want || recorded != wantRecorded {
				t.Errorf("%s: %s has the weight and %q is recorded, want %s and %q", why, image, recorded, want, wantRecorded)
			}
		}
		const a, b = "sha256:aaaaaaaa", "sha256:bbbbbbbb"
		p.has("v1@aaaaaaaa")
		f("alone", "v1@aaaaaaaa", "")
		p.has("v1@aaaaaaaa", "v1@bbbbbbbb")
		f("a newcomer", "v1@aaaaaaaa", a)
		p.has("v1@bbbbbbbb")
		f("away", "v1@bbbbbbbb", a)
		time.Sleep(graceTime - time.Second)
		p.has("v1@bbbbbbbb", "v1@aaaaaaaa") // its new container is the younger one
		f("back in time", "v1@aaaaaaaa", a)
		p.has("v1@bbbbbbbb")
		time.Sleep(graceTime / 2)
		p.has("v1@bbbbbbbb") // what happens meanwhile does not matter
		f("away again", "v1@bbbbbbbb", a)
		time.Sleep(graceTime/2 + time.Second)
		f("away for too long", "v1@bbbbbbbb", b)
		p.has("v1@aaaaaaaa", "v1@bbbbbbbb")
		f("back too late", "v1@bbbbbbbb", b)
		history, err := control{p.program}.History("shop")
		if err != nil || len(history) == 0 || history[len(history)-1].Why != "the image that had all the weight is gone" {
			t.Errorf("the history is %+v, %v", history, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
