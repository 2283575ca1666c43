package router

import (
	"slices"
	"strings"
	"testing"
)

func TestNotes(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	w.start("old", "sha256:53bff422", "v1")
	f := func(kv map[string]int, want ...string) {
		t.Helper()
		if got := w.service(weights(kv)).Notes(); !slices.Equal(got, want) {
			t.Errorf("%v: got\n%s\nwant\n%s", kv, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	f(nil)
	f(map[string]int{"v1": 1, "v2": 0})
	f(map[string]int{"v1": 1, "v2": 1}, "weights.v2 names no version that runs")
	f(map[string]int{"v1@beef": 1},
		"weights.v1@beef names no version that runs",
		"no version that runs has weight, so nobody is answered")
	w.start("new", "sha256:210fe938", "v1")
	f(nil, "the tag v1 has moved: v1@53bff422 has what weight the tag has, v1@210fe938 does not (divvy adopt shop v1 gives it to the newest)")
	w.registry.Stopping("old", "stop signal 15 was sent")
	f(nil)
}
