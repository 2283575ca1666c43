package stats

import (
	"fmt"
	"math"
)

// Footnote belongs under every list of sentences, once.
const Footnote = "These ranges stay valid however often you look and whenever you stop."

// Names are what sentences call things by.
type Names struct {
	Candidate, Stable string

	// PerSecond is how many units the two versions get together, to say how
	// long something takes; 0: it is said in units.
	PerSecond float64

	// Trial is what is counted, "requests" if empty.
	Trial string
}

func (n Names) trials() string {
	if n.Trial == "" {
		return "requests"
	}
	return n.Trial
}

// Sentence says what was found, with the numbers. It says no "significant" and
// no "chance that it is worse", which people take for something else.
func (f *Finding) Sentence(n Names) string {
	said := f.said(n)
	for _, l := range f.Late[:min(len(f.Late), 1)] {
		said += fmt.Sprintf(" Lately it is WORSE: %s (%s).", times(l.Ratio, n.Stable), sure(l.Alpha))
	}
	return said
}

func (f *Finding) said(n Names) string {
	if math.IsNaN(float64(f.Candidate)) || f.Trials[Candidate] == 0 || f.Trials[Stable] == 0 {
		return fmt.Sprintf("Cannot tell yet on %s: %s.", f.label(), f.missing(n))
	}
	if f.Kind == Latency || f.Kind == Speed {
		return f.saidOfLatency(n)
	}
	if f.Word == Undecided && f.Events[Candidate] == 0 {
		return fmt.Sprintf("No %s in %s yet (0 of %s): its rate is below %s (%s).%s", f.label(), n.Candidate,
			whole(float64(f.Trials[Candidate])), percent(f.Own.Upper), sure(f.Alpha), f.outlook(n))
	}
	candidate, stable := percent(float64(f.Candidate)), percent(float64(f.Stable))
	switch f.Word {
	case Worse:
		return fmt.Sprintf("%s is WORSE on %s: %s of %s %s, %s %s over the same traffic mix: %s points (%s: %s to %s; %s). Allowed: %s times.",
			n.Candidate, f.label(), candidate, n.trials(), f.verb(), n.Stable, stable, points(f.Difference.Estimate),
			sure(f.Alpha), points(f.Difference.Lower), points(f.Difference.Upper), times(f.Ratio, n.Stable), ratio(f.Tolerated))
	case Undecided:
		return fmt.Sprintf("Cannot tell yet on %s: %s %s, %s %s (%s).%s",
			f.label(), n.Candidate, candidate, n.Stable, stable, times(f.Ratio, ""), f.outlook(n))
	default:
		how, caveat := f.judged()
		return fmt.Sprintf("%s is %s on %s%s: %s vs %s (%s; allowed %s).",
			n.Candidate, how, f.label(), caveat, candidate, stable, times(f.Ratio, n.Stable), ratio(f.Tolerated))
	}
}

func (f *Finding) saidOfLatency(n Names) string {
	what := f.Metric
	if f.Kind == Speed {
		what = "Typical request"
	}
	values := fmt.Sprintf("%s %s vs %s", what, milliseconds(float64(f.Candidate)), milliseconds(float64(f.Stable)))
	within := times(f.Ratio, n.Stable)
	switch f.Word {
	case Worse:
		return fmt.Sprintf("%s: %s is SLOWER, %s (%s). Allowed: %s times.", values, n.Candidate, within, sure(f.Alpha), ratio(f.Tolerated))
	case Undecided:
		return fmt.Sprintf("%s: cannot tell yet (%s).", values, within)
	default:
		how, caveat := f.judged()
		return fmt.Sprintf("%s: %s is %s%s (%s; allowed %s).", values, n.Candidate, how, caveat, within, ratio(f.Tolerated))
	}
}

// judged puts a word that is neither the worst nor undecided into words.
func (f *Finding) judged() (how, caveat string) {
	worse, better := "worse", "better"
	if f.Kind == Latency || f.Kind == Speed {
		worse, better = "slower", "faster"
	}
	switch f.Word {
	case WorseUnclear:
		return worse, ", by how much is not clear yet"
	case SlightlyWorse:
		return "slightly " + worse, ", within what is allowed"
	case NoWorse:
		return "no " + worse, ""
	default:
		return better, ""
	}
}

// outlook says when a doubling would show.
func (f *Finding) outlook(n Names) string {
	units, ok := f.More()
	if !ok || f.Kind != Rate {
		return ""
	}
	if n.PerSecond > 0 {
		return fmt.Sprintf(" A doubling would show after about %s.", duration(units/n.PerSecond))
	}
	return fmt.Sprintf(" A doubling would show after about %s more %s.", rough(units), n.trials())
}

// missing says what there is too little of.
func (f *Finding) missing(n Names) string {
	for side, name := range []string{n.Stable, n.Candidate} {
		if f.Trials[side] == 0 && f.Trials[1-side] > 0 {
			return fmt.Sprintf("%s has had no %s", name, n.trials())
		}
	}
	if f.Kind == Speed && f.Trials[Candidate] > 0 {
		return fmt.Sprintf("it takes %d %s of each version", minValues, n.trials())
	}
	return "there were no " + n.trials()
}

// label is the metric in a sentence.
func (f *Finding) label() string {
	switch {
	case f.Kind == Speed:
		return "typical request"
	case f.Metric == "canceled" && f.Kind == Rate:
		return "requests given up by clients"
	default:
		return f.Metric
	}
}

// verb says what happened to trials.
func (f *Finding) verb() string {
	switch {
	case f.Kind == Goal:
		return "reached it"
	case f.Metric == "canceled":
		return "were given up"
	default:
		return "failed"
	}
}

// duration writes seconds that are only an estimate.
func duration(seconds float64) string {
	minutes := seconds / 60
	switch {
	case minutes <= 1:
		return "a minute"
	case minutes < 120:
		return rough(minutes) + " more minutes"
	case minutes < 48*60:
		return rough(minutes/60) + " more hours"
	default:
		return rough(minutes/60/24) + " more days"
	}
}

// Sentence says what is wrong with a split; it is empty if nothing is.
func (f SplitFinding) Sentence(n Names) string {
	if !f.Off {
		return ""
	}
	odds := "less than 1 in a billion"
	if f.P > 1e-9 {
		odds = "1 in " + whole(round(1/f.P, 3))
	}
	return fmt.Sprintf("Traffic split is off: %s (%s by chance). Comparison not trustworthy; promotion blocked.", f.Seen(n), odds)
}

// Seen says which split was seen and which was set: a part of a sentence.
func (f SplitFinding) Seen(n Names) string {
	if f.Units[Stable]+f.Units[Candidate] == 0 {
		return "there were no " + n.trials()
	}
	return fmt.Sprintf("%s got %s of the %s, %s were meant", n.Candidate, share(float64(f.Observed)), n.trials(), share(float64(f.Expected)))
}

// Causes are what usually makes a split be off, to look for.
func (f SplitFinding) Causes() []string {
	return []string{
		"one proxy has old weights",
		"requests fail over to the other version",
		"one version is cached, or loses its cookies",
		"a version crashes before the request is counted",
		"robots keep to one version",
	}
}

// Sentence says what comes next.
func (d Decision) Sentence() string {
	next := map[Action]string{
		Advance:  "→ next step",
		Wait:     "→ waiting",
		Hold:     "→ holding",
		RollBack: "→ rolling back",
		Ask:      "→ somebody has to decide",
	}[d.Action]
	return next + ": " + d.Reason
}
