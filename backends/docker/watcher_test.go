package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestStopSignalIsToldBeforeAnyList(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a", "b")
		s.told(t, "replace a b")
		s.change(func() { s.listTakes = 3 * time.Second })
		s.emit("kill", "a", "15")
		s.told(t, "stopping a: stop signal 15 was sent")
		s.emit("die", "a", "")
		s.told(t, "stopping a: it exited")
		s.remove("a")
		time.Sleep(10 * time.Second)
		s.told(t, "replace b", "replace b") // one for each event
	})
}

func TestOnlySignalsThatStopAreTold(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.containers["apache"] = Container{ID: "apache", Name: "apache", StopSignal: "SIGWINCH"}
		s.begin(t, "a")
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
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
		s.told(t, "replace a")
		s.run("b")
		s.remove("a")
		time.Sleep(28 * time.Second)
		s.told(t)
		time.Sleep(time.Second)
		s.told(t, "replace b")
		// The stream was silent about it, though it had been replaced twice, so
		// all begins anew.
		time.Sleep(time.Second)
		s.told(t, "replace b")
		if n := len(s.since); n != 4 {
			t.Errorf("the stream was opened %d times, want 4", n)
		}
		if !s.w.Status().Up {
			t.Error("the engine is said to be down")
		}
	})
}

func TestTasksMayChangeWithoutAnEvent(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		task := func(name, revision string) {
			s.run(name)
			s.change(func() { s.fakeDaemon.summaries[name] = Summary{ID: name, Task: name, Revision: revision} })
		}
		task("far", "1")
		s.begin(t, "a")
		s.told(t, "replace a far")
		task("far", "2")
		task("other", "1")
		time.Sleep(29 * time.Second)
		s.told(t, "replace a far other")
		time.Sleep(time.Second)
		s.told(t) // what was silent about it lost nothing
		if got := s.w.Status(); got.Errors != 0 {
			t.Errorf("status is %+v", got)
		}
	})
}

func TestReconnectAsksForWhatHappenedMeanwhile(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
		s.emit("kill", "a", "1")
		last := time.Now()
		time.Sleep(time.Minute)
		s.take()
		s.run("b") // its event is lost with the stream
		s.cut <- errors.New("the engine closed it")
		time.Sleep(100 * time.Millisecond)
		s.told(t, "replace a b")
		if got := s.since[len(s.since)-1]; !got.Equal(last) {
			t.Errorf("asked for the events since %v, want %v", got, last)
		}
		// In between anything may have happened to those who look the same.
		if got := s.takeInspected(); got != "a a a b" {
			t.Errorf("inspected %s, want all again", got)
		}
	})
}

func TestLostEngineChangesNothing(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a", "b")
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
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
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
	play(t, func(t *testing.T, s *scene) {
		s.watchErr = errors.New("403 Forbidden")
		s.begin(t, "a")
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
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
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
