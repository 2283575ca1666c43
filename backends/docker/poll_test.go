package docker

import "testing"

func TestTasksAreLeftAloneAfterWhatMovesNone(t *testing.T) {
	t.Parallel()
	f := func(action string, want bool) {
		t.Helper()
		if got := stirs(Event{Container: "a", Action: action}); got != want {
			t.Errorf("%s stirs: %v, want %v", action, got, want)
		}
	}
	f("start", true)
	f("die", true)
	f("update", true) // of a service or a node, too
	f("exec_start", false)
	f("extract-to-dir", false)
	f("health_status", false)
	f("health_status: healthy", false)
}
