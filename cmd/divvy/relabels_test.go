package main

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
)

func TestAnEditByLabelIsInTheHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPaper(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.relabels.Run(ctx) }()
		say := func(labels map[string]int, want ...string) {
			t.Helper()
			p.mu.Lock()
			p.labels = map[string]map[string]int{"shop": labels}
			p.relabels.look()
			p.mu.Unlock()
			synctest.Wait()
			history, err := control{p.program}.History("shop")
			if err != nil {
				t.Fatal(err)
			}
			var vias []string
			for _, e := range history {
				vias = append(vias, e.Via)
			}
			if !slices.Equal(vias, want) {
				t.Errorf("after %v the history has edits via %v, want %v", labels, vias, want)
			}
		}
		say(map[string]int{"v1": 90})
		say(map[string]int{"v1": 90, "v2": 10}) // a version came
		say(map[string]int{"v1": 90})           // and went
		say(map[string]int{"v1": 90, "v2": 10}) // and came back
		say(map[string]int{"v1": 80}, "label")
		say(map[string]int{}, "label")
		say(map[string]int{"v1": 80}, "label")
		say(map[string]int{}, "label")
		say(map[string]int{"v1": 70}, "label", "label") // its container was replaced by another
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
