package report

import (
	"math"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
)

// Where things are in a drawing of ratios.
const (
	forestWidth           = 760
	forestLeft, forestEnd = 110, 640
	forestTop, forestRow  = 34, 26
	mostRatio, leastRatio = 100.0, 0.01
)

// forest is a drawing of the ratios of a comparison, each with the range that the
// truth is in and what is allowed. Its axis is logarithmic: twice as much is as far
// from one as half as much.
type forest struct {
	ID, Title, About string
	Height           int
	Bottom           string
	Ticks            []tick
	Rows             []stretch
}

// stretch is one ratio.
type stretch struct {
	Y, TextY     string
	Name, Text   string
	Word         verdict
	From, To, At string // At is "" if there is no estimate
	Limit        string // where it is too much; "" if that is beyond the drawing
	LimitTop     string
	LimitEnd     string
}

// forestOf returns the drawing, or nil if no ratio is known.
func forestOf(x *admin.Comparison, id string) *forest {
	var known []*stats.Finding
	low, high := 0.5, 2.0
	for i := range x.Report.Findings {
		f := &x.Report.Findings[i]
		if !(f.Ratio.Lower > 0) && math.IsInf(f.Ratio.Upper, 0) {
			continue
		}
		known = append(known, f)
		for _, r := range []float64{f.Ratio.Lower, f.Ratio.Upper, f.Ratio.Estimate} {
			if r > 0 && !math.IsInf(r, 0) {
				low, high = min(low, r), max(high, r)
			}
		}
	}
	if len(known) == 0 {
		return nil
	}
	a := logarithmic(max(low, leastRatio), min(high, mostRatio))
	out := &forest{
		ID:     id + "-ratios",
		Title:  "Ratios of " + x.Candidate.Version + " to " + x.Stable.Version,
		About:  "For each metric the ratio of candidate to stable: the estimate is a dot, the range that the truth is in a bar, what is allowed a short upright line. The axis is logarithmic, and the same numbers stand in the table.",
		Height: forestTop + forestRow*len(known) + 10, Bottom: place(float64(forestTop + forestRow*len(known))),
	}
	for _, t := range a.ticks {
		out.Ticks = append(out.Ticks, tick{X: place(along(a, t)), Text: digits(t, 2) + "×", Class: map[bool]string{true: "one"}[t == 1]})
	}
	for i, f := range known {
		out.Rows = append(out.Rows, stretchOf(a, f, float64(forestTop+forestRow*i+forestRow/2)))
	}
	return out
}

func stretchOf(a axis, f *stats.Finding, y float64) stretch {
	s := stretch{
		Y: place(y), TextY: place(y + 4), Name: cut(f.Metric, 14), Text: f.Row().Ratio, Word: wordOf(f),
		From: place(along(a, f.Ratio.Lower)), To: place(along(a, f.Ratio.Upper)),
		LimitTop: place(y - 9), LimitEnd: place(y + 9),
	}
	if e := f.Ratio.Estimate; a.low <= e && e <= a.high {
		s.At = place(along(a, e))
	}
	if t := f.Tolerated; a.low <= t && t <= a.high {
		s.Limit = place(along(a, t))
	}
	return s
}

func along(a axis, ratio float64) float64 {
	if math.IsInf(ratio, 1) {
		return forestEnd
	}
	return forestLeft + (forestEnd-forestLeft)*min(max(a.part(ratio), 0), 1)
}

// bound writes an end of a range, with its sign.
func bound(x, scale float64, infinite string) string {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return infinite
	}
	text := digits(x*scale, 3)
	if x > 0 {
		return "+" + text
	}
	return text
}
