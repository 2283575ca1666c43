package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeLooker answers what it is told to.
type fakeLooker struct {
	mu      sync.Mutex
	takes   time.Duration
	err     error
	changes map[string][]Change
	looks   []string // who was looked at, and when
	at      int      // how many looks are under way
	most    int
	began   time.Time
}

func (f *fakeLooker) Changes(ctx context.Context, id string, _ Ignore) (Changes, error) {
	f.mu.Lock()
	f.looks = append(f.looks, fmt.Sprint(id, " ", time.Since(f.began)))
	f.at++
	f.most = max(f.most, f.at)
	takes := f.takes
	f.mu.Unlock()
	pause(ctx, takes)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at--
	return Changes{Found: slices.Clone(f.changes[id])}, errors.Join(f.err, ctx.Err())
}

func (f *fakeLooker) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := strings.Join(f.looks, ", ")
	f.looks = nil
	return all
}

// layersAtWork runs Layers in a world where time passes only when all wait.
func layersAtWork(t *testing.T, story func(l *Layers, f *fakeLooker, log *bytes.Buffer, changed *int)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeLooker{changes: map[string][]Change{}, began: time.Now()}
		log, changed := new(bytes.Buffer), new(int)
		l := &Layers{Host: "h1", Looker: f, Changed: func() { *changed++ }, Log: slog.New(slog.NewTextHandler(log, nil))}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		story(l, f, log, changed)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func subjects(started time.Time, names ...string) []Subject {
	var all []Subject
	for _, n := range names {
		all = append(all, Subject{ID: n, Name: n, Started: started})
	}
	return all
}

func TestLayersAreLookedAtFromTimeToTime(t *testing.T) {
	layersAtWork(t, func(l *Layers, f *fakeLooker, _ *bytes.Buffer, changed *int) {
		born := time.Now()
		l.Want(subjects(born, "a"), 5*time.Minute)
		time.Sleep(12 * time.Minute)
		if got := f.take(); got != "a 10s, a 5m10s, a 10m10s" {
			t.Errorf("looked at %s", got)
		}
		if *changed != 0 || l.Known()["a"].Looked.IsZero() {
			t.Errorf("%d changes were told of one in which there is none", *changed)
		}
		f.mu.Lock()
		f.changes["a"] = []Change{{Path: "/app", Kind: "changed"}}
		f.mu.Unlock()
		time.Sleep(10 * time.Minute)
		first := born.Add(15*time.Minute + 10*time.Second)
		if known := l.Known()["a"]; *changed != 1 || len(known.Found) != 1 || !known.Found[0].Seen.Equal(first) {
			t.Errorf("after %d changes %+v is known", *changed, known)
		}
		f.take()
		l.Want(subjects(born, "a"), 0)
		time.Sleep(time.Hour)
		if got := f.take(); got != "" {
			t.Errorf("looked at %s though nobody wants it", got)
		}
		l.Look(context.Background(), "a")
		l.Look(context.Background(), "stranger")
		if got := f.take(); !strings.HasPrefix(got, "a ") || strings.Contains(got, ",") {
			t.Errorf("looked at %s on demand", got)
		}
	})
}

func TestLooksAreApartAndCostTheEngineLittle(t *testing.T) {
	layersAtWork(t, func(l *Layers, f *fakeLooker, _ *bytes.Buffer, _ *int) {
		var names []string
		for i := range 100 {
			names = append(names, fmt.Sprint(i))
		}
		f.takes = time.Second
		l.Want(subjects(time.Now(), names...), time.Second)
		time.Sleep(10 * time.Second)
		go l.Look(context.Background(), "7")
		time.Sleep(100 * time.Second)
		if n := strings.Count(f.take(), "s"); n < 10 || n > 12 || f.most != 1 {
			t.Errorf("%d looks in 100 s, %d at the same time", n, f.most)
		}
	})
}

func TestAnotherLifeIsAnotherLayer(t *testing.T) {
	layersAtWork(t, func(l *Layers, f *fakeLooker, _ *bytes.Buffer, _ *int) {
		f.changes["a"] = []Change{{Path: "/app", Kind: "changed"}}
		l.Want(subjects(time.Now().Add(-time.Hour), "a"), time.Hour)
		time.Sleep(time.Second)
		if len(l.Known()["a"].Found) != 1 {
			t.Error("one that has run for long is not looked at at once")
		}
		l.Want(subjects(time.Now(), "a"), time.Hour)
		if known := l.Known()["a"]; !known.Looked.IsZero() {
			t.Errorf("%+v is known of a life that has just begun", known)
		}
		f.take()
		// The engine's clock is an hour ahead.
		ahead := time.Now().Add(time.Hour)
		l.Want(subjects(ahead, "a"), time.Hour)
		l.Look(context.Background(), "a")
		if got := f.take(); got != "a 11s" {
			t.Errorf("looked at %s, want one when it was 10 s old", got)
		}
		// What was left out may count under other rules.
		s := subjects(ahead, "a")
		s[0].Started = ahead
		s[0].Ignore = Ignore{"/app"}
		l.Want(s, time.Hour)
		time.Sleep(time.Second)
		if got := f.take(); got == "" {
			t.Error("not looked at by the new rules")
		}
	})
}

func TestALookThatFailsForgetsNothing(t *testing.T) {
	layersAtWork(t, func(l *Layers, f *fakeLooker, log *bytes.Buffer, changed *int) {
		f.changes["a"] = []Change{{Path: "/app", Kind: "changed"}}
		l.Want(subjects(time.Now(), "a"), time.Minute)
		time.Sleep(30 * time.Second)
		f.mu.Lock()
		f.err = errors.New("container a: connection refused")
		f.mu.Unlock()
		time.Sleep(10 * time.Minute)
		if known := l.Known()["a"]; len(known.Found) != 1 || !strings.Contains(known.Err, "refused") || *changed != 2 {
			t.Errorf("%+v is known after %d changes", known, *changed)
		}
		if n := strings.Count(log.String(), "cannot be read"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, log)
		}
		f.mu.Lock()
		f.err = fmt.Errorf("container a: %w", ErrGone)
		f.mu.Unlock()
		time.Sleep(time.Minute)
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("that a container is gone was logged:\n%s", log)
		}
	})
}

func TestOtherLayersKnowWhatWasFound(t *testing.T) {
	layersAtWork(t, func(old *Layers, f *fakeLooker, _ *bytes.Buffer, _ *int) {
		born := time.Now()
		f.changes["a"] = []Change{{Path: "/app", Kind: "changed"}}
		old.Want(subjects(born, "a", "b"), 5*time.Minute)
		time.Sleep(time.Minute)

		l := new(Layers)
		l.Inherit(old)
		l.Want(append(subjects(born, "a"), subjects(born.Add(time.Second), "b")...), 5*time.Minute)
		all := l.Known()
		if a := all["a"]; len(a.Found) != 1 || a.Looked.IsZero() {
			t.Errorf("of a is known %+v", a)
		}
		if b := all["b"]; !b.Looked.IsZero() { // it lives another life
			t.Errorf("of b is known %+v", b)
		}
	})
}
