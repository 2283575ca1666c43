package stats

import (
	"math"
	"strconv"
	"strings"
)

// Row is a finding as a row of a table: each number with its unit, written as in
// sentences. A cell is "–" where nothing is known.
type Row struct {
	Metric     string // with a star if no rollout depends on it
	Candidate  string // "0.42 %", "520 ms"
	Stable     string
	Difference string // "+0.31 points", "−12.0 ms": no finer than what it is between
	Ratio      string // "3.8 (1.9–7.0)"
	Allowed    string // "≤ 1.25": of the ratio
	Verdict    string // "WORSE", "no worse", "too early"
}

// unknown stands in a cell of which nothing is known.
const unknown = "–"

// Row returns the finding as a row. Unlike a sentence, it says nothing that is
// lost on the way through JSON.
func (f *Finding) Row() Row {
	r := Row{Metric: f.Metric, Candidate: unknown, Stable: unknown, Difference: unknown, Ratio: unknown, Verdict: f.Summary()}
	if !f.Guard {
		r.Metric += "*"
	}
	value := percent
	if f.Kind == Latency || f.Kind == Speed {
		value = milliseconds
	}
	if x := float64(f.Candidate); f.Trials[Candidate] > 0 && known(x) {
		r.Candidate = value(x)
	}
	if x := float64(f.Stable); f.Trials[Stable] > 0 && known(x) {
		r.Stable = value(x)
	}
	if x := f.Difference.Estimate; r.Candidate != unknown && r.Stable != unknown && known(x) {
		r.Difference = f.apart(x)
	}
	if f.Ratio.Lower > 0 || known(f.Ratio.Upper) {
		r.Ratio = estimated(f.Ratio)
	}
	r.Allowed = "≤ " + ratio(f.Tolerated)
	if f.Kind == Goal {
		r.Allowed = "≥ " + ratio(f.Tolerated)
	}
	return r
}

// Summary is the verdict as people read it in a table or a list: "no worse". In
// capitals it is worse by more than is allowed.
func (f *Finding) Summary() string {
	if len(f.Late) > 0 && f.Word != Worse {
		return "WORSE now"
	}
	switch f.Word {
	case Worse:
		return "WORSE"
	case WorseUnclear:
		return "worse, unclear"
	case SlightlyWorse:
		return "slightly worse"
	case NoWorse:
		return "no worse"
	case Better:
		return "better"
	default:
		return "too early"
	}
}

// estimated writes a ratio with its interval: "3.8 (1.9–7.0)".
func estimated(i Interval) string {
	upper := "∞"
	if known(i.Upper) {
		upper = ratio(i.Upper)
	}
	within := ratio(max(i.Lower, 0)) + "–" + upper
	if !known(i.Estimate) {
		return within
	}
	return ratio(i.Estimate) + " (" + within + ")"
}

// apart writes a difference with as many decimals as the numbers have that it is
// between.
func (f *Finding) apart(x float64) string {
	scale, n, unit := 100.0, 2, " points"
	if f.Kind == Latency || f.Kind == Speed {
		scale, n, unit = 1000, 3, " ms"
	}
	fine := max(decimals(scale*float64(f.Candidate), n), decimals(scale*float64(f.Stable), n))
	text := strconv.FormatFloat(math.Abs(scale*x), 'f', fine, 64)
	switch {
	case strings.Trim(text, "0.") == "":
		return text + unit
	case x < 0:
		return "−" + text + unit
	default:
		return "+" + text + unit
	}
}

func known(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
