package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeDaemon is an engine in memory, for what is a matter of time.
type fakeDaemon struct {
	events chan Event // what is sent here goes to the event stream
	cut    chan error // what is sent here ends the event stream

	mu          sync.Mutex // guards the fields below
	containers  map[string]Container
	summaries   map[string]Summary // instead of those that follow from containers
	listErr     error
	listTakes   time.Duration
	watchErr    error
	inspectErr  map[string]error
	inspectTime time.Duration

	lists      []time.Time
	inspected  []string
	inspecting int
	most       int // inspections at the same time
	since      []time.Time
}

func newFakeDaemon(names ...string) *fakeDaemon {
	d := &fakeDaemon{
		events:     make(chan Event),
		cut:        make(chan error),
		containers: map[string]Container{},
		summaries:  map[string]Summary{},
		inspectErr: map[string]error{},
	}
	for _, name := range names {
		d.run(name)
	}
	return d
}

// run starts a container, or restarts it.
func (d *fakeDaemon) run(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.containers[name] = Container{ID: name, Name: name, Started: time.Now(), StopSignal: "SIGTERM"}
}

func (d *fakeDaemon) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *fakeDaemon) remove(name string) { d.change(func() { delete(d.containers, name) }) }

// emit sends an event and returns when it has been dealt with.
func (d *fakeDaemon) emit(action, container, signal string) {
	d.events <- Event{Container: container, Action: action, Signal: signal, At: time.Now()}
	synctest.Wait()
}

func (d *fakeDaemon) List(ctx context.Context) ([]Summary, error) {
	d.mu.Lock()
	d.lists = append(d.lists, time.Now())
	takes, err := d.listTakes, d.listErr
	var all []Summary
	for _, id := range slices.Sorted(maps.Keys(d.containers)) {
		s, ok := d.summaries[id]
		if !ok {
			s = Summary{ID: id, State: fmt.Sprint(d.containers[id].Paused)}
		}
		all = append(all, s)
	}
	d.mu.Unlock()
	select {
	case <-time.After(takes):
		return all, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *fakeDaemon) Inspect(ctx context.Context, id string) (Container, error) {
	d.mu.Lock()
	d.inspecting++
	d.most = max(d.most, d.inspecting)
	takes := d.inspectTime
	d.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inspecting--
	d.inspected = append(d.inspected, id)
	if err := errors.Join(ctx.Err(), d.inspectErr[id]); err != nil {
		return Container{}, err
	}
	c, ok := d.containers[id]
	if !ok {
		return Container{}, fmt.Errorf("container %s: %w", id, ErrGone)
	}
	return c, nil
}

func (d *fakeDaemon) Watch(ctx context.Context, s Subscription) error {
	d.mu.Lock()
	d.since = append(d.since, s.Since)
	err := d.watchErr
	d.mu.Unlock()
	if err != nil {
		return err
	}
	s.Opened()
	for {
		select {
		case e := <-d.events:
			s.Handle(e)
		case err := <-d.cut:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// takeInspected returns whom was inspected since the last call.
func (d *fakeDaemon) takeInspected() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.Sorted(slices.Values(d.inspected))
	d.inspected = nil
	return strings.Join(all, " ")
}

func (d *fakeDaemon) listed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.lists)
}

// scene is a watcher at work with a fake engine.
type scene struct {
	*fakeDaemon
	*ledger
	w   *Watcher
	log *bytes.Buffer // to be read only when all is quiet
}

// play tells a story in a world where time passes only when all wait.
func play(t *testing.T, story func(t *testing.T, s *scene)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{fakeDaemon: newFakeDaemon(), ledger: newLedger(), log: new(bytes.Buffer)}
		s.w = &Watcher{Host: "h1", Daemon: s.fakeDaemon, Inventory: s.ledger, Log: slog.New(slog.NewTextHandler(s.log, nil))}
		story(t, s)
	})
}

// begin runs these containers, and the watcher until it has taken a list and no
// event is one of a burst.
func (s *scene) begin(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		s.run(name)
	}
	watch(t, s.w)
	time.Sleep(time.Second)
	synctest.Wait()
}

// told checks what the Inventory was told since the last check.
func (s *scene) told(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := s.take(); !slices.Equal(got, want) {
		t.Errorf("was told %q, want %q", got, want)
	}
}
