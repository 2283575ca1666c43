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

// play tells a story of a watcher that has taken its first list, in a world
// where time passes only when all wait.
func play(t *testing.T, d *fakeDaemon, story func(t *testing.T, s *scene)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{fakeDaemon: d, ledger: newLedger(), log: new(bytes.Buffer)}
		s.w = &Watcher{Host: "h1", Daemon: d, Inventory: s.ledger, Log: slog.New(slog.NewTextHandler(s.log, nil))}
		watch(t, s.w)
		synctest.Wait()
		time.Sleep(time.Second) // so that the next event is not one of a burst
		synctest.Wait()
		story(t, s)
	})
}

// told checks what the Inventory was told since the last check.
func (s *scene) told(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := s.take(); !slices.Equal(got, want) {
		t.Errorf("was told %q, want %q", got, want)
	}
}

func TestStopSignalIsToldBeforeAnyList(t *testing.T) {
	play(t, newFakeDaemon("a", "b"), func(t *testing.T, s *scene) {
		s.told(t, "replace a b")
		s.change(func() { s.listTakes = 3 * time.Second })
		s.emit("kill", "a", "15")
		s.told(t, "stopping a: stop signal 15 was sent")
		s.emit("die", "a", "")
		s.told(t, "stopping a: it exited")
		s.remove("a")
		time.Sleep(10 * time.Second)
		s.told(t, "replace a b", "replace b")
	})
}

func TestOnlySignalsThatStopAreTold(t *testing.T) {
	d := newFakeDaemon("a", "apache")
	play(t, d, func(t *testing.T, s *scene) {
		c := d.containers["apache"]
		c.StopSignal = "SIGWINCH"
		s.change(func() { d.containers["apache"] = c })
		s.emit("update", "apache", "")
		time.Sleep(time.Second)
		s.take()

		s.emit("kill", "a", "1")
		s.emit("kill", "a", "28")
		if s.heard("stopping") {
			t.Errorf("was told %q", s.take())
		}
		s.emit("kill", "apache", "28")
		if !s.heard("stopping apache: stop signal 28 was sent") {
			t.Errorf("was told %q", s.take())
		}
		s.emit("kill", "a", "") // as Podman does it
		if !s.heard("stopping a: a stop signal was sent") {
			t.Errorf("was told %q", s.take())
		}
	})
}

func TestLostEventsAreFoundByTheTimer(t *testing.T) {
	play(t, newFakeDaemon("a"), func(t *testing.T, s *scene) {
		s.told(t, "replace a")
		s.run("b")
		s.remove("a")
		time.Sleep(28 * time.Second)
		s.told(t)
		time.Sleep(time.Second)
		s.told(t, "replace b")
		// The stream was silent about it, so it is opened anew.
		time.Sleep(time.Second)
		s.told(t, "replace b")
		if n := len(s.since); n != 2 {
			t.Errorf("the stream was opened %d times, want twice", n)
		}
		if !s.w.Status().Up {
			t.Error("the engine is said to be down")
		}
	})
}

func TestReconnectAsksForWhatHappenedMeanwhile(t *testing.T) {
	play(t, newFakeDaemon("a"), func(t *testing.T, s *scene) {
		s.emit("kill", "a", "1")
		last := time.Now()
		time.Sleep(time.Minute)
		s.take()
		s.run("b") // its event is lost with the stream
		s.cut <- errors.New("the engine closed it")
		time.Sleep(100 * time.Millisecond)
		s.told(t, "replace a b")
		if n := len(s.since); n != 2 || !s.since[1].Equal(last) {
			t.Errorf("asked for the events since %v, want %v", s.since, last)
		}
		// In between anything may have happened to those who look the same.
		if got := s.takeInspected(); got != "a a a b" {
			t.Errorf("inspected %s, want all again", got)
		}
	})
}

func TestLostEngineChangesNothing(t *testing.T) {
	play(t, newFakeDaemon("a", "b"), func(t *testing.T, s *scene) {
		s.told(t, "replace a b")
		up := s.w.Status()
		if !up.Up || up.Errors != 0 || up.Err != "" || up.Since.IsZero() {
			t.Errorf("status is %+v", up)
		}
		time.Sleep(time.Minute)
		s.take()

		gone := errors.New("connection refused")
		s.change(func() { s.listErr, s.watchErr = gone, gone })
		s.cut <- gone
		before := s.listed()
		time.Sleep(time.Minute)
		s.told(t)
		down := s.w.Status()
		if down.Up || !strings.Contains(down.Err, "refused") || !down.Since.After(up.Since) {
			t.Errorf("status is %+v", down)
		}
		// Seven attempts in the first 6.3 to 12.6 s, then one in 2.5 to 5 s.
		if n := s.listed() - before; n < 12 || n > 30 {
			t.Errorf("tried %d times in a minute", n)
		}

		s.change(func() { s.listErr, s.watchErr = nil, nil })
		s.remove("b")
		time.Sleep(5 * time.Second)
		s.told(t, "replace a")
		if got := s.w.Status(); !got.Up || got.Err != "" || got.Errors < 12 {
			t.Errorf("status is %+v", got)
		}
		for text, want := range map[string]int{"docker engine found": 2, "docker engine lost": 1, "level=": 3} {
			if got := strings.Count(s.log.String(), text); got != want {
				t.Errorf("logged %q %d times, want %d:\n%s", text, got, want, s.log)
			}
		}
	})
}

func TestEngineThatHangsIsLost(t *testing.T) {
	play(t, newFakeDaemon("a"), func(t *testing.T, s *scene) {
		s.take()
		s.change(func() { s.listTakes = time.Hour })
		s.emit("start", "b", "")
		time.Sleep(9 * time.Second)
		if !s.w.Status().Up {
			t.Error("given up too early")
		}
		time.Sleep(2 * time.Second)
		if s.w.Status().Up {
			t.Error("not given up after 11 seconds")
		}
		s.told(t)
	})
}

func TestEngineWithoutEventsIsPolled(t *testing.T) {
	d := newFakeDaemon("a")
	d.watchErr = errors.New("403 Forbidden")
	play(t, d, func(t *testing.T, s *scene) {
		time.Sleep(time.Minute)
		s.take()
		before := s.listed()
		s.run("b")
		time.Sleep(6 * time.Second)
		if !s.heard("replace a b") {
			t.Error("the new container was not found")
		}
		time.Sleep(54 * time.Second)
		if n := s.listed() - before; n < 11 || n > 25 {
			t.Errorf("listed %d times in a minute", n)
		}
		if n := strings.Count(s.log.String(), "docker events cannot be read"); n != 1 {
			t.Errorf("logged %d times, want once:\n%s", n, s.log)
		}
		if got := s.w.Status(); !got.Up || got.Errors == 0 {
			t.Errorf("status is %+v", got)
		}
	})
}

func TestBurstOfEventsMakesFewLists(t *testing.T) {
	play(t, newFakeDaemon("a"), func(t *testing.T, s *scene) {
		before := s.listed()
		begin := time.Now()
		for i := range 200 {
			name := fmt.Sprintf("c%03d", i)
			s.run(name)
			s.emit("start", name, "")
			if i == 0 && !s.heard("replace a c000") {
				t.Error("the first event was not acted on at once")
			}
			time.Sleep(time.Millisecond)
		}
		took := time.Since(begin)
		time.Sleep(time.Second)
		if n := s.listed() - before; n > int(took/spacing)+2 {
			t.Errorf("%d lists in %v", n, took)
		}
		if c, ok := s.container("c199"); !ok {
			t.Errorf("the last one was not found: %+v", c)
		}
		if s.most > maxInspections {
			t.Errorf("%d inspections at the same time", s.most)
		}
	})
}

func TestInspectionsAreBounded(t *testing.T) {
	d := newFakeDaemon()
	for i := range 100 {
		d.run(fmt.Sprint(i))
	}
	d.inspectTime = 10 * time.Millisecond
	play(t, d, func(t *testing.T, s *scene) {
		if s.most != maxInspections || s.replacements() != 1 {
			t.Errorf("%d inspections at the same time, want %d", s.most, maxInspections)
		}
	})
}

func TestOnlyWhatMayHaveChangedIsInspected(t *testing.T) {
	play(t, newFakeDaemon("a", "b", "c"), func(t *testing.T, s *scene) {
		f := func(what, want string) {
			t.Helper()
			time.Sleep(time.Second)
			if got := s.takeInspected(); got != want {
				t.Errorf("%s: inspected %q, want %q", what, got, want)
			}
		}
		f("at first", "a b c")
		time.Sleep(5 * time.Minute)
		f("when time passes", "")
		s.emit("rename", "b", "")
		f("after an event", "b")
		s.change(func() { s.summaries["c"] = Summary{ID: "c", Health: "healthy"} })
		s.emit("health_status: healthy", "", "")
		f("after a change in the list", "c")
		s.run("d")
		s.emit("start", "d", "")
		f("a new one", "d")

		// One that was told to stop is looked at until it ends or has restarted.
		s.emit("kill", "a", "15")
		f("after a signal", "a")
		s.emit("rename", "b", "")
		f("while it stops", "a b")
		s.run("a")
		s.emit("rename", "b", "")
		f("when it has restarted", "a b")
		s.emit("rename", "b", "")
		f("after that", "b")
	})
}

func TestContainerThatVanishesIsSkipped(t *testing.T) {
	play(t, newFakeDaemon("a"), func(t *testing.T, s *scene) {
		s.take()
		s.run("b")
		s.change(func() { s.inspectErr["b"] = fmt.Errorf("container b: %w", ErrGone) })
		s.emit("start", "b", "")
		s.told(t, "replace a")
		if got := s.w.Status(); !got.Up || got.Errors != 0 {
			t.Errorf("status is %+v", got)
		}
	})
}

func TestContainerThatCannotBeInspectedKeepsWhatWasKnown(t *testing.T) {
	play(t, newFakeDaemon("a", "b"), func(t *testing.T, s *scene) {
		s.take()
		s.run("c")
		s.change(func() {
			s.inspectErr["b"] = errors.New("container b: layer is corrupt")
			s.inspectErr["c"] = errors.New("container c: layer is corrupt")
		})
		for range 3 {
			s.emit("rename", "b", "")
			time.Sleep(time.Second)
		}
		s.told(t, "replace a b", "replace a b", "replace a b")
		if got := s.w.Status(); !got.Up || got.Errors != 4 || !strings.Contains(got.Err, "layer is corrupt") {
			t.Errorf("status is %+v", got) // b three times, c once
		}
		if n := strings.Count(s.log.String(), "cannot be inspected"); n != 2 {
			t.Errorf("logged %d times, want once each:\n%s", n, s.log)
		}
		// The timer tries again.
		s.change(func() { clear(s.inspectErr) })
		time.Sleep(30 * time.Second)
		s.told(t, "replace a b c")
		if got := s.w.Status(); got.Err != "" {
			t.Errorf("status is %+v", got)
		}
	})
}

func TestContainerWhoseInspectionHangsDelaysOthersOnce(t *testing.T) {
	play(t, newFakeDaemon("a"), func(t *testing.T, s *scene) {
		s.take()
		s.change(func() { s.inspectTime = time.Hour })
		s.run("b")
		s.emit("start", "b", "")
		time.Sleep(11 * time.Second)
		s.told(t, "replace a")
		s.change(func() { s.inspectTime = 0 })
		s.run("c")
		s.emit("start", "c", "")
		s.told(t, "replace a c") // b is not tried for each event
	})
}

// After a reconnect the engine may send again what it has sent before.
func TestEventOfAnEarlierLifeDoesNotStopTheNext(t *testing.T) {
	play(t, newFakeDaemon("a"), func(t *testing.T, s *scene) {
		old := Event{Container: "a", Action: "die", At: time.Now()}
		time.Sleep(time.Second)
		s.run("a")
		s.emit("start", "a", "")
		time.Sleep(time.Second)
		s.take()
		s.events <- old
		s.told(t, "replace a")
		s.emit("die", "a", "")
		if !s.heard("stopping a: it exited") {
			t.Error("the end of the life that it has was not told")
		}
	})
}

// A container that is told to stop before anybody has listed it must not get
// traffic by being listed.
func TestStopBeforeTheFirstListIsToldAfterIt(t *testing.T) {
	play(t, newFakeDaemon("a"), func(t *testing.T, s *scene) {
		s.run("b")
		time.Sleep(time.Second)
		s.take()
		s.emit("kill", "b", "15")
		s.told(t, "stopping b: stop signal 15 was sent", "replace a b", "stopping b: stop signal 15 was sent")
		s.emit("rename", "a", "")
		time.Sleep(time.Second)
		s.told(t, "replace a b")

		time.Sleep(time.Second)
		s.run("b")
		s.emit("start", "b", "")
		s.told(t, "replace a b")
	})
}

func TestRunEndsWithAllItStarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which waits for every goroutine
		d := newFakeDaemon("a")
		d.listTakes = time.Hour
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		w := &Watcher{Daemon: d, Inventory: newLedger()}
		if err := w.Run(ctx); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		if got := w.Status(); got != (Status{}) {
			t.Errorf("being stopped counts as trouble: %+v", got)
		}
	})
}

func TestEngineThatHoldsTheStreamBackIsListed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		book := newLedger()
		watch(t, &Watcher{Daemon: mute{newFakeDaemon("a")}, Inventory: book})
		time.Sleep(openWait + time.Millisecond)
		synctest.Wait()
		if book.replacements() != 1 {
			t.Errorf("%d lists, want one", book.replacements())
		}
	})
}

// mute is an engine whose stream does not open before the first event.
type mute struct{ *fakeDaemon }

func (d mute) Watch(ctx context.Context, s Subscription) error {
	<-ctx.Done()
	return ctx.Err()
}
