package backends

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPortsThatHangAreBoundedAndDelayNoReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open ports
		var now, most atomic.Int64
		r := &Registry{Dial: func(ctx context.Context, addr string) error {
			if !strings.HasPrefix(addr, "dead") {
				return open.dial(ctx, addr)
			}
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			<-ctx.Done()
			return ctx.Err()
		}}
		good := unchecked(endpoint("good", "sha256:aa", "v1", 0))
		open.set("good:80", true)
		r.Replace([]Endpoint{good})
		run(t, r)
		b := only(t, r).Acquire(nil)
		b.Release()

		list := []Endpoint{good}
		for i := range 1000 {
			list = append(list, unchecked(endpoint(fmt.Sprintf("dead%d", i), "sha256:aa", "v1", 1)))
		}
		r.Replace(list)
		f := func(after, limit time.Duration) {
			t.Helper()
			time.Sleep(after)
			open.set("good:80", false)
			b.Refused(errors.New("refused"))
			time.Sleep(10 * time.Millisecond)
			open.set("good:80", true)
			time.Sleep(limit)
			if s, why := state(t, r, "good"); s != StateReady {
				t.Errorf("after %v it is %s: %s", after, s, why)
			}
		}
		f(time.Second, time.Second) // as soon as one of those ends of which nothing was known
		f(time.Minute, probeFirst)
		if got := most.Load(); got != attemptsOfLane {
			t.Errorf("%d ports were tried at once, want %d", got, attemptsOfLane)
		}
	})
}
