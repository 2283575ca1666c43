package timeline

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestQuantilesAreOfAllRequestsOfATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.run(func(r *Recorder) {
			w.does("v1", 900, 10*time.Millisecond)
			pass(3 * time.Hour)
			w.does("v1", 90, 10*time.Millisecond)
			w.does("v1", 10, time.Second)
			pass(10 * time.Minute)
			hour := r.Timeline("shop", time.Now().Add(-time.Hour)).Versions[0].Whole
			all := r.Timeline("shop", time.Time{}).Versions[0].Whole
			if hour.Requests != 100 || all.Requests != 1000 || all.Failures != 100 {
				t.Errorf("got %+v and %+v", hour, all)
			}
			f := func(got float64, want time.Duration) {
				t.Helper()
				if got < want.Seconds()*0.88 || got > want.Seconds()*1.13 {
					t.Errorf("got %v, want %v", got, want)
				}
			}
			f(hour.P50, 10*time.Millisecond)
			f(hour.P95, time.Second)
			f(all.P95, 10*time.Millisecond)
			f(all.P99, 10*time.Millisecond)
		})
	})
}
