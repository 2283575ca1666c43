package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"divvy/backends"
	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
)

// comparisonsText returns comparisons for people.
func comparisonsText(all []admin.Comparison, now time.Time) string {
	var out strings.Builder
	for i := range all {
		if i > 0 {
			out.WriteString("\n")
		}
		writeComparison(&out, &all[i], now)
	}
	if len(all) > 0 {
		out.WriteString("\n" + stats.Footnote + "\n")
	}
	return out.String()
}

func writeComparison(out *strings.Builder, c *admin.Comparison, now time.Time) {
	names := c.Names()
	fmt.Fprintf(out, "%s: %s against %s: %s\n", c.Service, c.Candidate.Version, c.Stable.Version, verdictText(c.Verdict))
	if c.Reason != "" {
		writeWrapped(out, c.Reason, "  ")
	}
	for _, v := range []admin.Compared{c.Candidate, c.Stable} {
		writeWrapped(out, comparedText(v), "  ")
	}
	since := fmt.Sprintf("since %s (%s)", c.Since.Local().Format(time.DateTime), age(now, c.Since))
	if c.Report == nil {
		writeWrapped(out, since, "  ")
		return
	}
	writeWrapped(out, since+": "+c.Report.Counted(names), "  ")
	out.WriteString("\n")
	writeFindings(out, c)
	out.WriteString("\n")
	for _, s := range c.Sentences {
		writeWrapped(out, s, "")
	}
	writeSplit(out, c)
	for _, s := range c.Report.Remarks(names) {
		writeWrapped(out, s, "")
	}
}

// verdictText is a verdict as people read it.
func verdictText(v admin.Verdict) string {
	switch v {
	case admin.Worse:
		return "WORSE"
	case admin.NoWorse:
		return "no worse"
	default:
		return "cannot tell"
	}
}

// comparedText says what a version is, and what it gets.
func comparedText(v admin.Compared) string {
	text := fmt.Sprintf("%s: weight %s, %s of the traffic", v.Version, weightText(v.Weight), percent(v.Share))
	if v.ImageID != "" {
		text += ", image " + shortImage(v.ImageID)
	}
	if v.Revision != "" {
		text += ", revision " + v.Revision
	}
	return text
}

// imageOf names a version and all that makes it this one.
func imageOf(v admin.Compared) string {
	var identity []string
	if v.ImageID != "" {
		identity = append(identity, "image "+shortImage(v.ImageID))
	}
	if v.Fingerprint != "" {
		identity = append(identity, "configuration "+v.Fingerprint[:min(8, len(v.Fingerprint))])
	}
	if len(identity) == 0 {
		return v.Version
	}
	return v.Version + " (" + strings.Join(identity, ", ") + ")"
}

func shortImage(id string) string {
	digest := backends.Version{ImageID: id}.Digest()
	return digest[:min(8, len(digest))]
}

// writeFindings writes a table of all metrics.
func writeFindings(out *strings.Builder, c *admin.Comparison) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	candidate, stable := headings(c)
	fmt.Fprintf(t, "METRIC\t%s\t%s\tDIFFERENCE\tRATIO\tALLOWED\tVERDICT\n", candidate, stable)
	all, starred := c.Report.Findings, false
	for i := range all {
		r := all[i].Row()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Metric, r.Candidate, r.Stable, r.Difference, r.Ratio, r.Allowed, r.Verdict)
		starred = starred || !all[i].Guard
	}
	t.Flush() // to memory, which takes all
	if starred {
		fmt.Fprintf(out, "* decides nothing\n")
	}
}

// headings returns what stands above the numbers of each version: its tag, if that
// is short and tells them apart.
func headings(c *admin.Comparison) (candidate, stable string) {
	candidate, _, _ = strings.Cut(c.Candidate.Version, "@")
	stable, _, _ = strings.Cut(c.Stable.Version, "@")
	if candidate == stable || max(utf8.RuneCountInString(candidate), utf8.RuneCountInString(stable)) > len("0.042 %") {
		return "CANDIDATE", "STABLE"
	}
	return strings.ToUpper(candidate), strings.ToUpper(stable)
}

// writeSplit writes whether the split is the one that was set, where the sentences
// do not: they have it first if it is off.
func writeSplit(out *strings.Builder, c *admin.Comparison) {
	split := c.Report.Split
	switch {
	case split.Off:
		writeWrapped(out, "What usually does that: "+strings.Join(split.Causes(), "; ")+".", "")
	case split.Units != stats.Pair[uint64]{}:
		writeWrapped(out, "The traffic split is as set: "+split.Seen(c.Names())+".", "")
	}
	for _, p := range c.Proxies {
		state := "as set"
		if p.Split.Off {
			state = "OFF"
		}
		writeWrapped(out, fmt.Sprintf("proxy %s: %s: %s", p.Name, state, p.Split.Seen(c.Names())), "  ")
	}
}

// textWidth is how many columns text may take; a word may take more.
const textWidth = 80

// writeWrapped writes text in lines of at most textWidth columns, those after the
// first two columns further in.
func writeWrapped(out *strings.Builder, text, indent string) {
	const tie = "\x00" // in place of the space between a number and its unit
	text = strings.NewReplacer(" %", tie+"%", " ms", tie+"ms").Replace(text)
	column := 0
	for word := range strings.FieldsSeq(text) {
		word = strings.ReplaceAll(word, tie, " ")
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
			out.WriteString(indent)
			column = len(indent)
		case column+1+n > textWidth:
			out.WriteString("\n" + indent + "  ")
			column = len(indent) + 2
		default:
			out.WriteString(" ")
			column++
		}
		out.WriteString(word)
		column += n
	}
	out.WriteString("\n")
}
