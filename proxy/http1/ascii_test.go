package http1

import "testing"

func TestEqualFold(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		if EqualFold([]byte(a), b) != want || EqualFold([]byte(b), a) != want {
			t.Errorf("%q and %q: want %v", a, b, want)
		}
	}
	f("", "", true)
	f("a-Z_9", "A-z_9", true)
	f("a", "b", false)
	f("a", "ab", false)
	f("keep", "\u212aeep", false)
	f("@", "`", false)
	f("[", "{", false)
	f("\xe4", "\xc4", false)
}

func TestHasToken(t *testing.T) {
	f := func(list string, want bool) {
		t.Helper()
		if got := HasToken([]byte(list), "close"); got != want {
			t.Errorf("%q: got %v", list, got)
		}
	}
	f("close", true)
	f("a, \tCLOSE\t ,b", true)
	f(",,close", true)
	f("", false)
	f("closed, xclose,clo se", false)
}
