package report

import (
	"testing"
	"time"

	"divvy/cmd/internal/admin"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// hour is from noon to one: a minute is ten wide.
var hour = span{noon, noon.Add(time.Hour)}

// dotsAt returns a dot of a minute for each value that is not negative.
func dotsAt(values ...float64) (all []dot) {
	for i, x := range values {
		if start := noon.Add(time.Duration(i) * time.Minute); x >= 0 {
			all = append(all, dot{start, start.Add(time.Minute), x})
		}
	}
	return all
}

func TestALineHasGapsWhereNothingIsKnown(t *testing.T) {
	t.Parallel()
	f := func(want string, values ...float64) {
		t.Helper()
		if got := path(hour, linear(10), dotsAt(values...)); got != want {
			t.Errorf("%v: got %s, want %s", values, got, want)
		}
	}
	f("")
	f("M67 113L77 200L87 26", 5, 0, 10)
	f("M67 113L77 113M97 26L107 26", 5, 5, -1, 10, 10)
	f("M62 113H72M82 113H92", 5, -1, 5)
	f("M62 26H72", 99) // beyond the axis
}

func TestWhatWasSetIsDrawnAsStairs(t *testing.T) {
	t.Parallel()
	f := func(want string, values ...float64) {
		t.Helper()
		if got := stairs(hour, linear(10), dotsAt(values...)); got != want {
			t.Errorf("%v: got %s, want %s", values, got, want)
		}
	}
	f("")
	f("M62 113H92", 5, 5, 5)
	f("M62 113H82V26H92", 5, 5, 10)
	f("M62 113H72M82 113H92", 5, -1, 5)
}

func TestNamesOfLinesDoNotLieOnOneAnother(t *testing.T) {
	t.Parallel()
	f := func(ys, want []string) {
		t.Helper()
		var labels []tick
		for _, y := range ys {
			labels = append(labels, tick{Y: y})
		}
		spread(labels)
		for i, l := range labels {
			if l.Y != want[i] {
				t.Errorf("%v: got %v, want %v", ys, labels, want)
				return
			}
		}
	}
	f([]string{"100", "50"}, []string{"50", "100"})
	f([]string{"100", "100", "101"}, []string{"100", "113", "126"})
	f([]string{"200", "199.5", "200"}, []string{"187", "200", "213"})
	f([]string{"26", "26"}, []string{"26", "39"})
}

func TestRatesAddUpOverSteps(t *testing.T) {
	t.Parallel()
	at := func(minute int, span time.Duration, n uint64) admin.Point {
		return admin.Point{Start: noon.Add(time.Duration(minute) * time.Minute), Seconds: span.Seconds(), Requests: n, Failures: 1, P95: float64(n)}
	}
	points := []admin.Point{
		at(-60, time.Hour, 600), at(0, 10*time.Minute, 100), at(10, 10*time.Minute, 100),
		at(20, time.Minute, 7), at(21, time.Minute, 9), at(24, time.Minute, 8), at(25, time.Minute, 1),
	}
	f := func(step time.Duration, want ...uint64) {
		t.Helper()
		got := sums(points, step)
		if len(got) != len(want) {
			t.Fatalf("%v: got %+v, want %v", step, got, want)
		}
		for i, x := range got {
			if x.Requests != want[i] {
				t.Errorf("%v: got %d in %v, want %d", step, x.Requests, x.start, want[i])
			}
		}
	}
	f(time.Minute, 600, 100, 100, 7, 9, 8, 1)
	f(5*time.Minute, 600, 100, 100, 24, 1)
	f(time.Hour, 600, 225)
	last := sums(points, 5*time.Minute)[3]
	if last.Failures != 3 || last.P95 != 9 || !last.end.Equal(noon.Add(25*time.Minute)) {
		t.Errorf("got %+v", last)
	}
}

func TestEditsAreMarkedWhereTheyWereMade(t *testing.T) {
	t.Parallel()
	d := &Data{Now: noon.Add(time.Hour), Comparisons: []admin.Comparison{{Since: noon.Add(6 * time.Minute)}, {Since: noon.Add(6 * time.Minute)}}}
	d.edited(-time.Minute, 30*time.Minute, 31*time.Minute, 61*time.Minute)
	got := marksOf(d, hour)
	want := []tick{{X: "122", Class: "since"}, {X: "352", Class: "edit", Text: "#2"}, {X: "362", Class: "edit"}}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
}

func TestOfQuantilesCloseToOneAnotherTheMiddleIsDrawn(t *testing.T) {
	t.Parallel()
	f := func(step time.Duration, want string, values ...float64) {
		t.Helper()
		if got := path(hour, linear(10), middles(dotsAt(values...), step)); got != want {
			t.Errorf("%v by %v: got %s, want %s", values, step, got, want)
		}
	}
	f(time.Minute, "M67 113L77 26L87 200", 5, 10, 0)
	f(3*time.Minute, "M62 113H92", 5, 10, 0)
	f(2*time.Minute, "M72 26L87 200", 5, 10, 0)
	f(3*time.Minute, "M62 113H72M82 113H92", 5, -1, 5) // a gap stays one
}
