package report

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"divvy/cmd/internal/admin"
)

// Where things are in a chart, in its own units.
const (
	chartWidth, chartHeight = 760, 230
	left, right             = 62, 662 // of the plot; names of lines stand further right
	top, bottom             = 26, 200
	labelHeight             = 13
)

// chart is a drawing of lines over time.
type chart struct {
	ID, Title, About string
	Empty            string // what is said in its place
	Heights          []tick
	Times            []tick
	Lines            []line
	Labels           []tick // names of lines, where they end
	Marks            []tick // what was done
}

// tick is a text at a place.
type tick struct {
	X, Y  string
	Class string
	Text  string
}

// line is the path of one version. A wide one lies beneath, and is what was set.
type line struct {
	Class string
	Wide  bool
	Path  string
}

// dot is a value for a stretch of time.
type dot struct {
	start, end time.Time
	value      float64
}

// trace is what a chart is to draw of a version.
type trace struct {
	of   *member
	dots []dot
	wide bool
}

// plot draws traces.
func plot(s span, title, about string, a axis, unit func(float64) string, traces []trace, marks []tick) chart {
	c := chart{ID: identifier(title), Title: title, About: about, Marks: marks}
	if !slices.ContainsFunc(traces, func(t trace) bool { return len(t.dots) > 0 }) {
		c.Empty = "Nothing was noted."
		return c
	}
	for _, x := range a.ticks {
		c.Heights = append(c.Heights, tick{Y: place(height(a, x)), Text: unit(x)})
	}
	for _, t := range s.clocks() {
		c.Times = append(c.Times, tick{X: place(across(s, t.at)), Text: t.label})
	}
	slices.SortStableFunc(traces, func(a, b trace) int { return boolCompare(b.wide, a.wide) })
	for _, t := range slices.Backward(traces) { // stable comes last, and lies on top
		if len(t.dots) > 0 && !t.wide {
			c.Lines = append(c.Lines, line{t.of.Class, false, path(s, a, t.dots)})
			c.Labels = append(c.Labels, tick{Y: place(height(a, t.dots[len(t.dots)-1].value)), Class: t.of.Class, Text: t.of.Short})
		}
	}
	var wide []line
	for _, t := range traces {
		if len(t.dots) > 0 && t.wide {
			wide = append(wide, line{t.of.Class, true, stairs(s, a, t.dots)})
		}
	}
	c.Lines = append(wide, c.Lines...)
	spread(c.Labels)
	return c
}

func boolCompare(a, b bool) int {
	return cmp.Compare(map[bool]int{true: 1}[a], map[bool]int{true: 1}[b])
}

// across and height return where a moment and a value are.
func across(s span, t time.Time) float64 {
	return left + (right-left)*min(max(s.part(t), 0), 1)
}

func height(a axis, x float64) float64 {
	return bottom - (bottom-top)*min(max(a.part(x), 0), 1)
}

func place(x float64) string {
	return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64)
}

// path draws a line through the middle of each dot's stretch. Where there is no dot
// there is a gap; a dot between two gaps is drawn along its stretch.
func path(s span, a axis, dots []dot) string {
	var b strings.Builder
	for i, d := range dots {
		follows := i > 0 && !d.start.After(dots[i-1].end)
		goesOn := i+1 < len(dots) && !dots[i+1].start.After(d.end)
		from, to, y := across(s, d.start), across(s, d.end), place(height(a, d.value))
		switch {
		case !follows && !goesOn:
			b.WriteString("M" + place(from) + " " + y + "H" + place(max(to, from+2)))
		case !follows:
			b.WriteString("M" + place((from+to)/2) + " " + y)
		default:
			b.WriteString("L" + place((from+to)/2) + " " + y)
		}
	}
	return b.String()
}

// stairs draws a line along the stretch of each dot, which holds for all of it.
func stairs(s span, a axis, dots []dot) string {
	var b strings.Builder
	for i, d := range dots {
		y := place(height(a, d.value))
		switch {
		case i == 0 || d.start.After(dots[i-1].end):
			b.WriteString("M" + place(across(s, d.start)) + " " + y)
		case d.value != dots[i-1].value:
			b.WriteString("V" + y)
		}
		if i+1 == len(dots) || dots[i+1].value != d.value || dots[i+1].start.After(d.end) {
			b.WriteString("H" + place(across(s, d.end)))
		}
	}
	return b.String()
}

// spread moves names apart that would lie on one another.
func spread(labels []tick) {
	slices.SortStableFunc(labels, func(a, b tick) int { return cmp.Compare(number(a.Y), number(b.Y)) })
	below := float64(top)
	for i := range labels {
		y := max(number(labels[i].Y), below)
		below = y + labelHeight
		labels[i].Y = place(y)
	}
	above := float64(bottom + labelHeight)
	for i := range slices.Backward(labels) {
		y := min(number(labels[i].Y), above)
		above = y - labelHeight
		labels[i].Y = place(y)
	}
}

func number(text string) float64 {
	x, _ := strconv.ParseFloat(text, 64)
	return x
}

// identifier makes a name within the page of a title of ours.
func identifier(title string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(title), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }), "-")
}

// marksOf returns what was done in the span: edits by their revision, and where the
// comparison begins.
func marksOf(d *Data, s span) []tick {
	var all []tick
	free := float64(left) // what is further right has no label yet
	mark := func(t time.Time, class, text string) {
		if !s.has(t) {
			return
		}
		x := across(s, t)
		switch {
		case x < free:
			text = ""
		case text != "":
			free = x + 7*float64(len(text)) + 4
		}
		all = append(all, tick{X: place(x), Class: class, Text: text})
	}
	since := make([]time.Time, 0, len(d.Comparisons))
	for _, c := range d.Comparisons {
		since = append(since, c.Since)
	}
	slices.SortFunc(since, time.Time.Compare)
	since = slices.CompactFunc(since, time.Time.Equal)
	for _, t := range since {
		mark(t, "since", "")
	}
	for _, e := range slices.Backward(d.History) {
		mark(e.Time, "edit", "#"+strconv.FormatUint(e.Revision, 10))
	}
	return all
}

// sum is what a version did in a stretch of time.
type sum struct {
	start, end time.Time
	admin.Point
}

// sums adds up points so that each stretch takes at least a step. Rates add up;
// of quantiles the highest is kept.
func sums(points []admin.Point, step time.Duration) (all []sum) {
	for _, p := range points {
		start, end := p.Start, p.Start.Add(length(&p))
		stretch := max(step, length(&p))
		begin := start.Truncate(stretch)
		if n := len(all); n > 0 && start.Before(all[n-1].start.Add(stretch)) && !begin.After(all[n-1].start) {
			was := &all[n-1]
			was.end = end
			was.Requests += p.Requests
			was.Failures += p.Failures
			was.Canceled += p.Canceled
			was.P50, was.P95, was.P99 = max(was.P50, p.P50), max(was.P95, p.P95), max(was.P99, p.P99)
			was.Weight, was.Share = p.Weight, p.Share
			continue
		}
		all = append(all, sum{start, end, p})
	}
	return all
}
