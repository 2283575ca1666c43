package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"divvy/cmd/internal/admin"
)

func ticksOf(a axis) string { return strings.Trim(fmt.Sprintf("%.4g", a.ticks), "[]") }

func TestTicksAreRound(t *testing.T) {
	t.Parallel()
	f := func(a axis, want string) {
		t.Helper()
		if got := ticksOf(a); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if a.low != a.ticks[0] || fmt.Sprintf("%.9g", a.high) != fmt.Sprintf("%.9g", a.ticks[len(a.ticks)-1]) {
			t.Errorf("%s: it is from %v to %v", want, a.low, a.high)
		}
	}
	f(linear(0), "0 0.2 0.4 0.6 0.8 1")
	f(linear(1), "0 0.2 0.4 0.6 0.8 1")
	f(linear(0.012), "0 0.005 0.01 0.015")
	f(linear(83), "0 20 40 60 80 100")
	f(linear(3), "0 1 2 3")
	f(fitting(9, 83), "0 20 40 60 80 100")
	f(fitting(0, 83), "0 20 40 60 80 100")
	f(fitting(8, 83), "5 10 20 50 100")
	f(fitting(1, 1000), "1 2 5 10 20 50 100 200 500 1000")
	f(fitting(3, 9000), "1 10 100 1000 1e+04")
	f(logarithmic(0.5, 2), "0.5 1 2")
	f(logarithmic(1, 1), "1 2")
}

func TestTimesAreRoundAndSayWhichDay(t *testing.T) {
	t.Parallel()
	f := func(back time.Duration, want string) {
		t.Helper()
		var got []string
		for _, c := range (span{now.Add(-back), now}).clocks() {
			got = append(got, c.label)
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%v: got %s, want %s", back, text, want)
		}
	}
	f(10*time.Minute, "Mar 4 14:58, 15:00, 15:02, 15:04, 15:06")
	f(time.Hour, "Mar 4 14:10, 14:20, 14:30, 14:40, 14:50, 15:00")
	f(24*time.Hour, "Mar 3 18:00, 21:00, Mar 4 00:00, 03:00, 06:00, 09:00, 12:00, 15:00")
	f(14*24*time.Hour, "Feb 20, Feb 22, Feb 24, Feb 26, Feb 28, Mar 2, Mar 4")
}

func TestTheChartsShowTheTimeOfTheComparison(t *testing.T) {
	t.Parallel()
	f := func(d *Data, back time.Duration) {
		t.Helper()
		d.Now = now
		if s := spanOf(d); s.to != now || s.length() != back {
			t.Errorf("got %v to %v, which is %v, want %v", s.from, s.to, s.length(), back)
		}
	}
	noted := func(ago time.Duration) admin.Timeline {
		return admin.Timeline{Versions: []admin.VersionTimeline{{}, {Points: []admin.Point{{Start: now.Add(-ago)}}}}}
	}
	since := func(ago ...time.Duration) (all []admin.Comparison) {
		for _, t := range ago {
			all = append(all, admin.Comparison{Since: now.Add(-t)})
		}
		return all
	}
	f(&Data{}, 24*time.Hour)
	f(&Data{Timeline: noted(9 * day)}, 24*time.Hour)
	f(&Data{Timeline: noted(3 * time.Hour)}, 3*time.Hour)
	f(&Data{Timeline: noted(time.Minute)}, leastSpan)
	f(&Data{Timeline: noted(9 * day), Comparisons: since(time.Minute)}, 11*time.Minute)
	f(&Data{Timeline: noted(9 * day), Comparisons: since(time.Hour, 10*time.Hour)}, 11*time.Hour)
	f(&Data{Timeline: noted(3 * time.Hour), Comparisons: since(10 * time.Hour)}, 10*time.Hour)
	f(&Data{Timeline: noted(9 * day), Comparisons: since(20 * day)}, 14*day)
	f(&Data{Timeline: noted(time.Minute), Comparisons: since(20 * day), Back: time.Hour}, time.Hour)
	f(&Data{Back: time.Second}, leastSpan)
	f(&Data{Back: 99 * day}, 14*day)
}

func TestNumbersAreForPeople(t *testing.T) {
	t.Parallel()
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(whole(0), "0")
	f(whole(999), "999")
	f(whole(1234567), "1,234,567")
	f(digits(0.0123456, 3), "0.0123")
	f(digits(-5, 3), "−5")
	f(digits(123456, 3), "123000")
	f(latency(0), "–")
	f(latency(0.0123), "12.3 ms")
	f(latency(2.5), "2.5 s")
	f(rate(0, 0), "–")
	f(rate(12, 3456), "12 (0.347 %)")
	f(long(0), "no time")
	f(long(42*time.Second), "42 seconds")
	f(long(90*time.Minute), "1 hour 30 minutes")
	f(long(14*day), "14 days")
	f(long(10*time.Minute+30*time.Second), "10 minutes")
	f(moment(time.Time{}), "–")
	f(cut("v1.5.0-rc.1", 6), "v1.5.…")
}
