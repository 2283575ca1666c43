package backends

import "testing"

func TestLongListsAreNotNamedToTheirEnd(t *testing.T) {
	t.Parallel()
	f := func(want string, list ...int) {
		t.Helper()
		if got := Enumerate(list); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("")
	f("1", 1)
	f("1, 2, 3", 1, 2, 3)
	f("1, 2, 3 and others", 1, 2, 3, 4)
}
