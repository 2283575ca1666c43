package docker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestInspectionsAreBounded(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		for i := range 100 {
			s.run(fmt.Sprint(i))
		}
		s.inspectTime = 10 * time.Millisecond
		s.begin(t)
		if s.most != maxInspections || s.replacements() != 1 {
			t.Errorf("%d inspections at the same time, want %d", s.most, maxInspections)
		}
	})
}

func TestOnlyWhatMayHaveChangedIsInspected(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a", "b", "c")
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
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
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
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a", "b")
		s.take()
		s.run("c")
		s.change(func() {
			s.inspectErr["b"] = errors.New("container b: layer is corrupt")
			s.inspectErr["c"] = errors.New("container c: layer is corrupt")
		})
		for range 3 {
			s.emit("rename", "b", "")
			time.Sleep(500 * time.Millisecond)
		}
		s.told(t, "replace a b", "replace a b", "replace a b")
		if got := s.w.Status(); !got.Up || got.Errors != 4 || !strings.Contains(got.Err, "layer is corrupt") {
			t.Errorf("status is %+v", got) // b three times, c once
		}
		if n := strings.Count(s.log.String(), "cannot be inspected"); n != 2 {
			t.Errorf("logged %d times, want once each:\n%s", n, s.log)
		}
		// They are tried again soon.
		s.change(func() { clear(s.inspectErr) })
		time.Sleep(5 * time.Second)
		s.told(t, "replace a b c")
		if got := s.w.Status(); got.Err != "" {
			t.Errorf("status is %+v", got)
		}
	})
}

func TestContainerWhoseInspectionHangsDelaysOthersOnce(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
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

func TestWhatCannotBeInspectedIsTriedMoreAndMoreSeldom(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.change(func() { s.inspectErr["a"] = errors.New("container a: layer is corrupt") })
		s.begin(t, "a")
		s.takeInspected()
		time.Sleep(10 * time.Minute)
		// Once by the timer and once or twice besides in half a minute.
		if n := len(strings.Fields(s.takeInspected())); n < 40 || n > 64 {
			t.Errorf("inspected %d times in ten minutes", n)
		}
	})
}
