package stats

import "fmt"

// Counted says how much the report is based on: a part of a sentence.
func (r *Report) Counted(n Names) string {
	units := r.Split.Units
	if units[Stable]+units[Candidate] == 0 {
		return "no " + n.trials() + " yet"
	}
	return fmt.Sprintf("%s %s of %s and %s of %s", whole(float64(units[Candidate])), n.trials(), n.Candidate,
		whole(float64(units[Stable])), n.Stable)
}

// Remarks are sentences about what limits the report, none if nothing does: they
// belong below [Report.Sentences].
func (r *Report) Remarks(n Names) []string {
	var all []string
	for side, name := range []string{n.Stable, n.Candidate} {
		if k := r.Elsewhere[side]; k > 0 {
			all = append(all, fmt.Sprintf("Another version answered %s requests that were meant for %s; they count for %s.", whole(float64(k)), name, name))
		}
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Kind == Latency && f.Bursts >= 2 {
			all = append(all, fmt.Sprintf("What is slow on %s comes in bursts: %s of it count as one.", f.Metric, digits(f.Bursts, 2)))
		}
	}
	if r.Early() {
		all = append(all, "Latencies are judged once it is known whether they come in bursts, which takes a minute.")
	}
	if r.Full {
		all = append(all, fmt.Sprintf("No more %s are counted: there is no room to tell new ones from known ones.", n.trials()))
	}
	if r.Lost > 0 {
		all = append(all, fmt.Sprintf("%s requests are not counted: the weights were changed too often.", whole(float64(r.Lost))))
	}
	return all
}
