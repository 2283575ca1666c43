package docker

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// forgotten is an engine whose first event stream leads nowhere, as those do of
// which a machine or a proxy on the way has lost its memory. The engine goes on,
// and remembers what has happened.
type forgotten struct {
	*fakeDaemon
	past []Event
}

func (d *forgotten) Watch(ctx context.Context, s Subscription) error {
	d.mu.Lock()
	d.since = append(d.since, s.Since)
	first := len(d.since) == 1
	past := d.past
	d.mu.Unlock()
	s.Opened()
	for _, e := range past {
		if !first && !e.At.Before(s.Since) {
			s.Handle(e)
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestAStreamThatLeadsNowhereIsReplaced(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		d := &forgotten{fakeDaemon: s.fakeDaemon}
		s.w.Daemon = d
		s.begin(t, "a", "b")
		s.told(t, "replace a b")
		s.change(func() { d.past = append(d.past, Event{Container: "a", Action: "kill", Signal: "15", At: time.Now()}) })
		time.Sleep(13 * time.Second)
		s.told(t)
		time.Sleep(2 * time.Second) // half of the 30 seconds of Resync have passed
		s.told(t, "stopping a: stop signal 15 was sent", "replace a b")

		// From then on the engine sends the last event again each time. It is no
		// news.
		time.Sleep(43 * time.Second)
		s.told(t, "replace a b") // by the timer
		if n := len(s.since); n != 3 {
			t.Errorf("the stream was opened %d times in a minute, want 3: the second brought news", n)
		}
		if got := s.w.Status(); !got.Up || got.Errors != 0 {
			t.Errorf("status is %+v", got)
		}
	})
}

func TestAStreamThatIsHeardOfIsKept(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
		for range 12 {
			time.Sleep(10 * time.Second)
			s.emit("health_status", "a", "")
		}
		if n := len(s.since); n != 1 {
			t.Errorf("the stream was opened %d times, want once", n)
		}
	})
}

func TestAnEventThatComesTwiceMakesOneList(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
		s.take()
		s.emit("start", "a", "")
		s.emit("start", "a", "") // no time has passed, so it is the same
		time.Sleep(time.Second)
		s.told(t, "replace a")
	})
}

// gone is an engine on a machine that has lost its power: connections to it are
// open, and nobody answers.
type gone struct {
	*fakeDaemon
	since time.Time
}

func (d *gone) unreachable() bool { return !time.Now().Before(d.since) }

func (d *gone) List(ctx context.Context) ([]Summary, error) {
	if d.unreachable() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return d.fakeDaemon.List(ctx)
}

func (d *gone) Watch(ctx context.Context, s Subscription) error {
	if d.unreachable() { // the client greets the engine first
		ctx, stop := context.WithTimeout(ctx, callTimeout)
		defer stop()
		<-ctx.Done()
		return ctx.Err()
	}
	return d.fakeDaemon.Watch(ctx, s)
}

func TestAMachineWithoutPowerIsFoundInHalfAMinute(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.w.Daemon = &gone{fakeDaemon: s.fakeDaemon, since: time.Now().Add(16 * time.Second)}
		s.begin(t, "a")
		s.told(t, "replace a")
		time.Sleep(15 * time.Second) // it is there for the first beat
		if !s.w.Status().Up {
			t.Fatal("it is lost too early")
		}
		time.Sleep(26 * time.Second)
		if got := s.w.Status(); got.Up || !strings.Contains(got.Err, "deadline exceeded") {
			t.Errorf("status is %+v", got)
		}
		s.told(t)
	})
}

func TestAnEngineThatNeedsLongForListsGetsARest(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
		s.change(func() { s.listTakes = 500 * time.Millisecond })
		before, end := s.listed(), time.Now().Add(10*time.Second)
		for time.Now().Before(end) {
			s.emit("start", "a", "")
			time.Sleep(10 * time.Millisecond)
		}
		if n := s.listed() - before; n < 9 || n > 11 {
			t.Errorf("%d lists of half a second in 10 seconds, want half of the time", n)
		}
		synctest.Wait()
	})
}
