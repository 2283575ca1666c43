package docker

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// touched checks what is known to have been done to a container by hand.
func (s *scene) touched(t *testing.T, name string, want ...string) {
	t.Helper()
	time.Sleep(time.Second)
	var got []string
	for _, touch := range s.w.Touches()[name] {
		got = append(got, fmt.Sprint(touch.Kind))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s was touched by %q, want %q", name, got, want)
	}
}

// do sends the event of what is done to a container by hand.
func (s *scene) do(action, name, command string) time.Time {
	at := time.Now()
	s.events <- Event{Container: name, Action: action, Command: command, At: at}
	return at
}

func TestWhatIsDoneByHandIsRemembered(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a", "b")
		s.take()
		s.takeInspected()
		at := s.do(actionExec, "a", "sh -c 'mysql -phunter2'")
		s.touched(t, "a", "exec")
		s.touched(t, "b")
		if got := s.takeInspected(); got != "" {
			t.Errorf("inspected %q, which says nothing about it", got)
		}
		s.do(actionExec, "a", "date") // once is enough
		time.Sleep(time.Second)
		s.do(actionCopy, "a", "")
		s.do(actionUpdate, "a", "")
		s.touched(t, "a", "exec", "copy", "update")
		if got := s.takeInspected(); got != "a" {
			t.Errorf("inspected %q, and an update may have changed what is known", got)
		}
		if first := s.w.Touches()["a"][0].At; !first.Equal(at) {
			t.Errorf("it was touched at %v, want the first time, %v", first, at)
		}
		s.told(t, "replace a b", "replace a b", "replace a b") // so that others learn of each kind
		if strings.Contains(s.log.String(), "hunter2") {
			t.Error("the command is in the log")
		}
	})
}

func TestAnotherWatcherKnowsWhatWasDoneByHand(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a", "b")
		at := s.do(actionExec, "a", "date")
		s.do(actionExec, "b", "date")
		s.touched(t, "a", "exec")
		s.remove("b")
		s.run("c")

		old := s.w
		s.w = &Watcher{Host: "h2", Daemon: s.fakeDaemon, Inventory: newLedger()}
		s.w.Inherit(old)
		s.touched(t, "a", "exec") // before it has listed anything
		opened := len(s.since)
		watch(t, s.w)
		s.touched(t, "a", "exec")
		s.touched(t, "b")
		if since := s.since[opened]; !since.Equal(at) {
			t.Errorf("asked for the events since %v, want %v", since, at)
		}
	})
}

func TestHealthChecksAreNotTakenForHands(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.containers["a"] = Container{ID: "a", Name: "a", check: "/bin/sh -c curl -f http://localhost/"}
		s.begin(t)
		s.take()
		for range 100 {
			s.do(actionExec, "a", "/bin/sh -c curl -f http://localhost/")
		}
		time.Sleep(time.Second)
		s.told(t) // nor do they make anybody list
		s.do(actionExec, "a", "/bin/sh -c curl -f http://localhost/ -o /app")
		s.touched(t, "a", "exec")
	})
}

func TestWhatIsDoneByHandSurvivesALostEngine(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
		s.do(actionExec, "a", "sh")
		s.touched(t, "a", "exec")
		gone := fmt.Errorf("connection refused")
		s.change(func() { s.listErr, s.watchErr = gone, gone })
		s.cut <- gone
		time.Sleep(time.Minute)
		s.change(func() { s.listErr, s.watchErr = nil, nil })
		time.Sleep(time.Minute)
		s.touched(t, "a", "exec")
	})
}

func TestTheNextLifeOfAContainerIsUntouched(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a", "b")
		old := Event{Container: "a", Action: actionExec, At: time.Now()}
		s.events <- old
		s.touched(t, "a", "exec")
		s.run("a")
		s.emit("start", "a", "")
		s.touched(t, "a")
		s.events <- old // as after a reconnect
		s.touched(t, "a")

		// The life that begins may be touched before anybody has seen it begin.
		s.do(actionExec, "a", "sh")
		s.touched(t, "a", "exec")
		time.Sleep(time.Second)
		s.run("a")
		s.do(actionExec, "a", "sh")
		s.emit("start", "a", "")
		s.touched(t, "a", "exec")

		s.remove("b")
		s.do(actionExec, "b", "sh")
		s.emit("die", "b", "")
		time.Sleep(time.Second)
		if n := len(s.w.memory.touches.of) + len(s.w.memory.touches.pending); n != 1 {
			t.Errorf("%d containers are remembered, want that which lives", n)
		}
	})
}

// The engine runs a health check before divvy knows of it.
func TestAContainerIsTouchedBeforeItIsKnown(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
		s.change(func() {
			s.containers["new"] = Container{ID: "new", Name: "new", check: "/check"}
			s.containers["other"] = Container{ID: "other", Name: "other", check: "/check"}
		})
		for range 2 * maxPending {
			s.do(actionExec, "new", "/check")
		}
		s.do(actionExec, "other", "/check --not-quite")
		s.emit("start", "new", "")
		s.touched(t, "new")
		s.touched(t, "other", "exec")
	})
}
