package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/report"

	"github.com/spf13/cobra"
)

// reporter is the command that makes a report of a service for the ticket of a
// release.
type reporter struct {
	remote
	html string // "" for text
	back time.Duration
}

func reportCommand() *cobra.Command {
	var r reporter
	cmd := &cobra.Command{
		Use:   "report SERVICE",
		Short: "Make a report for the ticket of a release",
		Long: `Make a page of what is compared, with the verdicts and all numbers, of errors,
latencies and the split over time, of the images, and of the edits. It is one file
without scripts that needs nothing else, to be attached to a ticket or printed.

Without --html, print the comparisons and the latest edits.

The charts go back to before the comparison began, or for a day, or as far as
--since says, two weeks at most.

Exit codes: 0 done, whatever the verdict, 1 failed, 3 refused by divvy.`,
		Example: `  divvy report shop --html out.html
  divvy report shop --html - --since 6h > out.html
  divvy report shop`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, args[0]) },
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&r.html, "html", "", "write a page to this file; - for the standard output")
	f.DurationVar(&r.back, "since", 0, "how far back the charts go, such as 6h (default: to before the comparison began)")
	return cmd
}

func (r *reporter) run(cmd *cobra.Command, service string) error {
	switch f := cmd.Flags(); {
	case f.Changed("html") && r.html == "":
		return errors.New("--html: it names no file: use a name such as out.html, or - for the standard output")
	case f.Changed("since") && r.back <= 0:
		return fmt.Errorf("--since: %v is no time to go back: use a duration such as 6h", r.back)
	case f.Changed("since") && r.html == "":
		return errors.New("--since: there are no charts without --html")
	}
	client, err := r.open()
	if err != nil {
		return err
	}
	data, err := askReport(cmd.Context(), client, service)
	if err != nil {
		return err
	}
	data.Back = r.back
	out := cmd.OutOrStdout()
	if r.html == "" {
		return printReport(out, data)
	}
	var page bytes.Buffer
	if err := report.Write(&page, data); err != nil {
		return err
	}
	if r.html == "-" {
		_, err := page.WriteTo(out)
		return err
	}
	if err := writeWhole(r.html, page.Bytes()); err != nil {
		return fmt.Errorf("--html: writing %s: %w", r.html, err)
	}
	_, err = fmt.Fprintf(out, "report of %s written to %s\n", service, r.html)
	return err
}

// askReport asks for all that a report is made of.
func askReport(ctx context.Context, client admin.Client, service string) (*report.Data, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	d := &report.Data{Now: time.Now(), Divvy: status.Version}
	split, err := client.Split(ctx, service)
	if err != nil {
		return nil, err
	}
	d.Split = *split
	if d.Comparisons, err = client.Comparisons(ctx, service); err != nil {
		return nil, err
	}
	if err := askTimelines(ctx, client, service, d); err != nil {
		return nil, err
	}
	if d.History, err = client.History(ctx, service); err != nil {
		return nil, err
	}
	d.Service.Name = service
	if i := slices.IndexFunc(status.Services, func(s admin.Service) bool { return s.Name == service }); i >= 0 {
		d.Service = status.Services[i]
	}
	for _, text := range status.Problems {
		if said, of := strings.CutPrefix(text, "service "+service+": "); of {
			d.Problems = append(d.Problems, said)
		}
	}
	return d, nil
}

// moment is one from which on something is told.
type moment struct {
	title string
	since time.Time
}

// askTimelines asks what versions did as a whole since several moments, and by and by.
func askTimelines(ctx context.Context, client admin.Client, service string, d *report.Data) error {
	moments := []moment{{"The last hour", d.Now.Add(-time.Hour)}, {"The last day", d.Now.AddDate(0, 0, -1)}, {"The last two weeks", time.Time{}}}
	for _, c := range d.Comparisons {
		moments = append(moments, moment{"Since " + c.Candidate.Version + " has been compared", c.Since})
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return b.since.Compare(a.since) })
	for _, m := range moments {
		t, err := client.Timeline(ctx, service, m.since)
		if err != nil {
			return err
		}
		d.Windows = append(d.Windows, report.Window{Title: m.title, Timeline: *t})
		d.Timeline = *t // the last one has all
	}
	return nil
}

// shownEdits is how many edits a report in text has.
const shownEdits = 10

// printReport prints a report as text.
func printReport(w io.Writer, d *report.Data) error {
	text := comparisonsText(d.Comparisons, d.Now)
	if text == "" {
		text = fmt.Sprintf("%s: nothing is compared: %s\n", d.Service.Name, d.Split.Uncompared())
	}
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		return err
	}
	return printHistory(w, d.Service.Name, d.History[:min(shownEdits, len(d.History))])
}

// writeWhole writes a file so that whoever opens it finds the one before or all of
// this one. What is no file, such as /dev/stdout or a pipe, is written to.
func writeWhole(path string, data []byte) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return bare(err)
	case info.IsDir():
		return errors.New("it is a folder: name a file in it")
	case !info.Mode().IsRegular():
		return bare(os.WriteFile(path, data, 0o644))
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".divvy-report-*")
	if err != nil {
		return bare(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644) // it is to be shown around
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return bare(err)
	}
	return bare(os.Rename(f.Name(), path))
}

// bare leaves out of an error the name of a file that nobody has heard of.
func bare(err error) error {
	if e := new(fs.PathError); errors.As(err, &e) {
		return e.Err
	}
	if e := new(os.LinkError); errors.As(err, &e) {
		return e.Err
	}
	return err
}
