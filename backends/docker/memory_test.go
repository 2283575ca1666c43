package docker

import (
	"testing"
	"time"
)

// After a reconnect the engine may send again what it has sent before.
func TestEventOfAnEarlierLifeDoesNotStopTheNext(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
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

func TestEventsNeedNoTime(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
		s.take()
		s.events <- Event{Container: "a", Action: "kill"}
		s.told(t, "stopping a: a stop signal was sent", "replace a")
		time.Sleep(time.Second)
		s.run("a")
		s.events <- Event{Container: "a", Action: "start"}
		s.told(t, "replace a")
		time.Sleep(time.Second)
		s.takeInspected()
		s.events <- Event{Container: "b", Action: "rename"}
		time.Sleep(time.Second)
		if got := s.takeInspected(); got != "" {
			t.Errorf("inspected %q: that it was to stop is not forgotten", got)
		}
	})
}

// A container that is told to stop before anybody has listed it must not get
// traffic by being listed.
func TestStopBeforeTheFirstListIsToldAfterIt(t *testing.T) {
	play(t, func(t *testing.T, s *scene) {
		s.begin(t, "a")
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
