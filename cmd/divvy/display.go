package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"divvy/cmd/internal/admin"
)

// display shows comparisons while they change: a terminal is drawn anew, anything
// else gets what changed, line by line.
type display struct {
	out, notes io.Writer
	json       bool // a line with all of it whenever a verdict changes
	terminal   bool // not with json

	shown []admin.Comparison
	note  string
}

// show shows comparisons and what stands in the way of asking, if anything does.
func (d *display) show(all []admin.Comparison, note string) error {
	now := time.Now()
	clock := now.Format(time.TimeOnly)
	was, told := d.shown, d.note
	d.shown, d.note = all, note
	if d.terminal && !d.json {
		text := "\x1b[H\x1b[2J" + comparisonsText(all, now) + "\n" + clock + "  " + note + "\n"
		_, err := io.WriteString(d.out, text)
		return err
	}
	if note != told && note != "" {
		if _, err := fmt.Fprintf(d.notes, "%s %s\n", clock, note); err != nil {
			return err
		}
	}
	changed := changes(was, all)
	switch {
	case len(changed) == 0:
		return nil
	case d.json:
		return printLine(d.out, all)
	case was == nil:
		_, err := io.WriteString(d.out, comparisonsText(all, now)+"\n")
		return err
	}
	for _, line := range changed {
		if _, err := fmt.Fprintf(d.out, "%s %s\n", clock, line); err != nil {
			return err
		}
	}
	return nil
}

// printLine prints JSON in one line.
func printLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// changes says in sentences what is another verdict than it was. Numbers that have
// changed alone say nothing new.
func changes(was, is []admin.Comparison) []string {
	var all []string
	for _, c := range is {
		i := slices.IndexFunc(was, func(old admin.Comparison) bool { return old.Candidate.Version == c.Candidate.Version })
		if i < 0 {
			all = append(all, fmt.Sprintf("%s: %s is compared with %s", c.Service, c.Candidate.Version, c.Stable.Version))
			continue
		}
		all = append(all, changed(&was[i], &c)...)
	}
	for _, c := range was {
		if !slices.ContainsFunc(is, func(later admin.Comparison) bool { return later.Candidate.Version == c.Candidate.Version }) {
			all = append(all, fmt.Sprintf("%s: %s is compared no longer", c.Service, c.Candidate.Version))
		}
	}
	return all
}

// changed says what is another verdict in one comparison.
func changed(was, is *admin.Comparison) []string {
	var all []string
	add := func(format string, args ...any) {
		all = append(all, fmt.Sprintf("%s: %s ", is.Service, is.Candidate.Version)+fmt.Sprintf(format, args...))
	}
	if !same(was.Candidate, is.Candidate) || !same(was.Stable, is.Stable) || !was.Since.Equal(is.Since) {
		add("is compared anew, %s with %s", imageOf(is.Candidate), imageOf(is.Stable))
	}
	if was.Report != nil && is.Report != nil {
		for i := range is.Report.Findings {
			f := &is.Report.Findings[i]
			if old := was.Report.Finding(f.Metric); old != nil && old.Summary() != f.Summary() {
				add("on %s: %s → %s", f.Metric, old.Summary(), f.Summary())
			}
		}
		if now := is.Report.Split; now.Off != was.Report.Split.Off {
			state := "as set again"
			if now.Off {
				state = "OFF"
			}
			add("has a split that is %s: %s", state, now.Seen(is.Names()))
		}
	}
	if was.Verdict != is.Verdict {
		add("on the whole: %s → %s: %s", verdictText(was.Verdict), verdictText(is.Verdict), is.Reason)
	}
	return all
}
