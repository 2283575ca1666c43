package docker

import "testing"

func TestStops(t *testing.T) {
	t.Parallel()
	f := func(sent, own string, want bool) {
		t.Helper()
		if got := stops(sent, own); got != want {
			t.Errorf("signal %q stops a container whose own is %s: %v, want %v", sent, own, got, want)
		}
	}
	f("15", "SIGTERM", true)
	f("9", "SIGTERM", true)
	f("2", "SIGTERM", true)
	f("3", "SIGTERM", true)
	f("SIGKILL", "SIGTERM", true)
	f("1", "SIGTERM", false)
	f("HUP", "SIGTERM", false)
	f("SIGUSR1", "SIGTERM", false)
	f("28", "SIGTERM", false)

	// Apache, nginx and systemd have others.
	f("28", "SIGWINCH", true)
	f("28", "winch", true)
	f("28", "28", true)
	f("3", "SIGQUIT", true)
	f("37", "SIGRTMIN+3", true)
	f("37", "SIGTERM", false)
	f("62", "RTMAX-2", true)
	f("15", "SIGWINCH", true)

	// What is not understood is taken for a stop.
	f("", "SIGTERM", true)
	f("SIGNONSENSE", "SIGTERM", true)
	f("1", "SIGNONSENSE", false)
}

func TestSignalNumber(t *testing.T) {
	t.Parallel()
	f := func(text string, want int, ok bool) {
		t.Helper()
		if n, is := signalNumber(text); is != ok || ok && n != want {
			t.Errorf("signal %q is %d, %v; want %d, %v", text, n, is, want, ok)
		}
	}
	f("SIGHUP", 1, true)
	f("SIGSYS", 31, true)
	f("SIGUSR1", 10, true)
	f("term", 15, true)
	f("RTMIN", 34, true)
	f("RTMIN+x", 0, false)
	f("0", 0, false)
	f("-1", 0, false)
	f("", 0, false)
}
