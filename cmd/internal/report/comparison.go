package report

import (
	"strconv"
	"strings"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
)

// headline is what one comparison comes to.
type headline struct {
	Candidate, Stable string
	Verdict           verdict
	Reason            string
	ID                string // of the section that tells more
}

// verdict is a verdict as people see it: the sign and the word say it, the class only
// colours it.
type verdict struct{ Sign, Word, Class string }

func verdictOf(v admin.Verdict) verdict {
	switch v {
	case admin.Worse:
		return verdict{"✗", "WORSE", "worse"}
	case admin.NoWorse:
		return verdict{"✓", "no worse", "fine"}
	default:
		return verdict{"?", "cannot tell", "open"}
	}
}

// wordOf is the verdict on one metric.
func wordOf(f *stats.Finding) verdict {
	v := verdict{"?", f.Summary(), "open"}
	switch {
	case f.Worse():
		v.Sign, v.Class = "✗", "worse"
	case f.Word == stats.NoWorse || f.Word == stats.Better || f.Word == stats.SlightlyWorse:
		v.Sign, v.Class = "✓", "fine"
	}
	return v
}

// comparison is a candidate beside the stable version.
type comparison struct {
	headline
	Service   string
	Counted   string // since when, and how much
	Sides     []side
	Rows      []row
	Starred   bool // some metric decides nothing
	Forest    *forest
	Sentences []string
	Numbers   []numbers
	Proxies   []fact
}

// side is one of the versions that are compared.
type side struct{ Role, Class, Name, Weight, Share, Image, Fingerprint, Revision, Created string }

// row is a finding as in `divvy compare`.
type row struct {
	stats.Row
	Word verdict
}

// numbers is the rest of a finding.
type numbers struct {
	Metric, Candidate, Stable, Difference, Sure, Evidence, Margin string
}

// compare fills in what is said of comparisons.
func (p *page) compare(d *Data, c *cast) {
	if len(d.Comparisons) == 0 {
		p.Uncompared = d.Split.Uncompared()
		return
	}
	p.Footnote = stats.Footnote
	for i := range d.Comparisons {
		x := comparisonOf(d, &d.Comparisons[i], c, "comparison-"+strconv.Itoa(i+1))
		p.Verdicts = append(p.Verdicts, x.headline)
		p.Comparisons = append(p.Comparisons, x)
	}
}

func comparisonOf(d *Data, x *admin.Comparison, c *cast, id string) comparison {
	out := comparison{
		headline: headline{ID: id, Candidate: x.Candidate.Version, Stable: x.Stable.Version, Verdict: verdictOf(x.Verdict), Reason: x.Reason},
		Service:  x.Service, Counted: "Since " + moment(x.Since) + ", for " + long(d.Now.Sub(x.Since)),
		Sides:     []side{sideOf("candidate", x.Candidate, c), sideOf("stable", x.Stable, c)},
		Sentences: x.Sentences,
	}
	if x.Report == nil {
		out.Counted += "."
		return out
	}
	names := x.Names()
	out.Counted += ": " + x.Report.Counted(names) + "."
	for i := range x.Report.Findings {
		f := &x.Report.Findings[i]
		out.Rows = append(out.Rows, row{f.Row(), wordOf(f)})
		out.Numbers = append(out.Numbers, numbersOf(f))
		out.Starred = out.Starred || !f.Guard
	}
	out.Forest = forestOf(x, id)
	out.Sentences = append(out.Sentences, splitSentences(x, names)...)
	out.Sentences = append(out.Sentences, x.Report.Remarks(names)...)
	for _, p := range x.Proxies {
		state := "as set"
		if p.Split.Off {
			state = "OFF"
		}
		out.Proxies = append(out.Proxies, fact{"Proxy " + p.Name, state + ": " + p.Split.Seen(names)})
	}
	return out
}

// splitSentences says whether the split is as it was set, where the sentences do not.
func splitSentences(x *admin.Comparison, names stats.Names) []string {
	split := x.Report.Split
	switch {
	case split.Off:
		return []string{"What usually does that: " + strings.Join(split.Causes(), "; ") + "."}
	case split.Units != stats.Pair[uint64]{}:
		return []string{"The traffic split is as set: " + split.Seen(names) + "."}
	default:
		return nil
	}
}

func sideOf(role string, v admin.Compared, c *cast) side {
	return side{
		Role: role, Class: c.class(v.Version), Name: v.Version, Weight: digits(v.Weight, 10), Share: percent(v.Share),
		Image: v.ImageID, Fingerprint: v.Fingerprint, Revision: v.Revision, Created: v.Created,
	}
}

func numbersOf(f *stats.Finding) numbers {
	n := numbers{
		Metric:    f.Metric,
		Candidate: rate(f.Events[stats.Candidate], f.Trials[stats.Candidate]),
		Stable:    rate(f.Events[stats.Stable], f.Trials[stats.Stable]),
		Sure:      digits(100*(1-f.Alpha), 5) + " %",
		Evidence:  digits(f.LogE, 3) + " of " + digits(f.Threshold, 3),
	}
	if f.Kind == stats.Speed { // of which there are no events
		n.Candidate, n.Stable = measured(f.Trials[stats.Candidate]), measured(f.Trials[stats.Stable])
	}
	if f.Bursts > 1 {
		n.Evidence += " (divided by " + digits(f.Bursts, 2) + " for bursts)"
	}
	unit, scale := " points", 100.0
	if f.Kind == stats.Latency || f.Kind == stats.Speed {
		unit, scale = " ms", 1000
	}
	n.Difference = nothing
	if low, high := bound(f.Difference.Lower, scale, "−∞"), bound(f.Difference.Upper, scale, "∞"); low != "−∞" || high != "∞" {
		n.Difference = low + " to " + high + unit
	}
	n.Margin = marginOf(f)
	return n
}

func measured(n uint64) string { return whole(float64(n)) + " measured" }

// marginOf says what was configured to be allowed.
func marginOf(f *stats.Finding) string {
	part := percent(f.Margin.Relative)
	if f.Margin.Floor > 0 {
		part += " or " + latency(f.Margin.Floor)
	}
	switch {
	case f.Kind == stats.Goal:
		return part + " less"
	case f.Margin.Absolute > 0:
		return part + " or " + digits(100*f.Margin.Absolute, 3) + " points"
	case f.Margin.Early > 0:
		return part + " (" + percent(f.Margin.Early) + " below " + percent(f.Margin.EarlyBelow) + " of the weight)"
	default:
		return part
	}
}
