package docker

import (
	"testing"
	"time"
)

func TestBackoffGrowsToItsBoundAndStartsOver(t *testing.T) {
	t.Parallel()
	b := backoff{first: 100 * time.Millisecond, max: 5 * time.Second}
	for range 2 {
		for _, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
			want *= time.Millisecond
			if got := b.step(); got < want/2 || got > want {
				t.Errorf("waits %v, want between half of %v and all of it", got, want)
			}
		}
		b.reset()
	}
}
