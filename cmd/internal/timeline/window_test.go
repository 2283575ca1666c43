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
			windows := r.Timeline("shop").Versions[0].Windows
			if len(windows) != 3 {
				t.Fatalf("got %+v", windows)
			}
			hour, day, all := windows[0], windows[1], windows[2]
			if hour.Seconds != 3600 || !hour.Start.Equal(time.Now().Add(-time.Hour)) {
				t.Errorf("the last hour is %+v", hour)
			}
			if hour.Requests != 100 || day.Requests != 1000 || all.Requests != 1000 || day.Failures != 100 {
				t.Errorf("got %+v", windows)
			}
			f := func(got float64, want time.Duration) {
				t.Helper()
				if got < want.Seconds()*0.88 || got > want.Seconds()*1.13 {
					t.Errorf("got %v, want %v", got, want)
				}
			}
			f(hour.P50, 10*time.Millisecond)
			f(hour.P90, 10*time.Millisecond)
			f(hour.P95, time.Second)
			f(day.P95, 10*time.Millisecond)
			f(day.P99, 10*time.Millisecond)
			f(day.P999, time.Second)
		})
	})
}
