package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"divvy/cmd/internal/admin"
)

// broken is a writer that takes nothing.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed") }

var clocks = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `)

// stages is a comparison as it goes on: at first, with an error too many, with a
// split that is off, begun anew.
func stages() [][]admin.Comparison {
	const latency = 100 * time.Millisecond
	few := newCounts(latency).add(95, 5, did{190, 2, 5, 0, latency}, did{10, 0, 0, 0, latency}).judged(admin.CannotTell, "too early")
	bad := newCounts(latency).add(95, 5, did{190_000, 209, 19_000, 40, latency}, did{10_000, 42, 1000, 2, latency}).judged(admin.Worse, "worse on errors")
	off := bad
	report := *bad.Report
	report.Split.Off = true
	off.Report = &report
	anew := few
	anew.Candidate.ImageID, anew.Since = "sha256:cccccccc", then
	return [][]admin.Comparison{{few}, {few}, {bad}, {off}, {anew}, nil}
}

func TestAWatchPrintsWhatChanges(t *testing.T) {
	t.Parallel()
	var out, notes strings.Builder
	d := &display{out: &out, notes: &notes}
	for _, all := range stages() {
		if err := d.show(all, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, note := range []string{"it is away", "it is away", "", "it is away"} {
		if err := d.show(nil, note); err != nil {
			t.Fatal(err)
		}
	}
	first := comparisonsText(stages()[0], time.Now()) + "\n"
	got, found := strings.CutPrefix(out.String(), first)
	want := `shop: v2 on errors: too early → WORSE
shop: v2 on p95: too early → no worse
shop: v2 on speed: too early → no worse
shop: v2 on canceled: too early → no worse
shop: v2 on the whole: cannot tell → WORSE: worse on errors
shop: v2 has a split that is OFF: v2 got 5.00 % of the requests, 5.00 % were meant
shop: v2 is compared anew, v2 (image cccccccc) with v1 (image 53bff422)
shop: v2 on errors: WORSE → too early
shop: v2 on p95: no worse → too early
shop: v2 on speed: no worse → too early
shop: v2 on canceled: no worse → too early
shop: v2 has a split that is as set again: v2 got 5.00 % of the requests, 5.00 % were meant
shop: v2 on the whole: WORSE → cannot tell: too early
shop: v2 is compared no longer
`
	if got := clocks.ReplaceAllString(got, ""); !found || got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := clocks.ReplaceAllString(notes.String(), ""); got != "it is away\nit is away\n" {
		t.Errorf("the notes are %q", got)
	}
}

func TestAWatchPrintsALineOfJSONForEachChange(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d := &display{out: &out, notes: broken{}, json: true}
	for _, all := range stages() {
		if err := d.show(all, ""); err != nil {
			t.Fatal(err)
		}
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	var verdicts []admin.Verdict
	for _, line := range lines {
		var all []admin.Comparison
		if err := json.Unmarshal(line, &all); err != nil {
			t.Fatal(err)
		}
		verdicts = append(verdicts, admin.Worst(all))
	}
	if len(lines) != len(stages())-1 || verdicts[0] != admin.CannotTell || verdicts[1] != admin.Worse {
		t.Errorf("%d lines with the verdicts %v", len(lines), verdicts)
	}
	if err := d.show(nil, "it is away"); err == nil {
		t.Error("what cannot be written is no error")
	}
}

func TestATerminalIsDrawnAnew(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	d := &display{out: &out, terminal: true}
	all := stages()[0]
	for _, note := range []string{"", "it is away"} {
		if err := d.show(all, note); err != nil {
			t.Fatal(err)
		}
	}
	screens := strings.Split(out.String(), "\x1b[H\x1b[2J")
	if len(screens) != 3 || !strings.HasPrefix(screens[1], "shop: v2 against v1: ") || !strings.HasSuffix(screens[2], "  it is away\n") {
		t.Errorf("the screens are %q", screens)
	}
	for _, d := range []*display{{out: broken{}, terminal: true}, {out: broken{}}, {out: broken{}, json: true}} {
		if d.show(all, "") == nil {
			t.Error("what cannot be written is no error")
		}
	}
}
