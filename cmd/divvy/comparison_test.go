package main

import (
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"

	"github.com/rogpeppe/go-internal/txtar"
)

// did is what one version did with its requests.
type did struct {
	requests, failed, goals, canceled int
	latency                           time.Duration // the longest; they are spread evenly
}

// counts records what two versions did while their weights were as given, and
// whatever comes after a restart.
type counts struct{ *stats.Recorder }

func newCounts(past time.Duration) counts {
	h := new(stats.Histogram)
	if past > 0 {
		r := stats.NewRecorder(stats.Key{}, false, nil)
		split := r.Split(1, 1)
		served(split, stats.Stable, did{requests: 10_000, latency: past})
		for _, pair := range r.Sums().Strata {
			h.Merge(&pair[stats.Stable].Latency)
		}
	}
	return counts{stats.NewRecorder(stats.Key{}, false, h)}
}

func (c counts) add(stable, candidate uint32, s, x did) counts {
	split := c.Split(stable, candidate)
	served(split, stats.Stable, s)
	served(split, stats.Candidate, x)
	return c
}

func served(split *stats.Split, side stats.Side, d did) {
	for i := range d.requests {
		x := stats.Sample{
			Latency: d.latency * time.Duration(1+i*617%1000) / 1000,
			Failed:  i < d.failed, Canceled: i < d.canceled,
		}
		if i < d.goals {
			x.Goals = 1
		}
		split.Arrive(side, &x)
		split.Record(side, &x)
	}
}

// judged returns the comparison of v2 with v1 by what was counted, as it comes from
// the API.
func (c counts) judged(verdict admin.Verdict, reason string) admin.Comparison {
	j := stats.DefaultJudge()
	j.Goals = []stats.GoalMargin{{Name: "signup", Margin: stats.Margin{Relative: 0.03}}}
	out := admin.Comparison{
		Service: "shop", Verdict: verdict, Reason: reason, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local),
		Stable:    admin.Compared{Version: "v1", ImageID: "sha256:53bff4220000", Weight: 95, Share: 0.95},
		Candidate: admin.Compared{Version: "v2", ImageID: "sha256:210fe9380000", Revision: "8c1f0a9", Weight: 5, Share: 0.05},
		Report:    j.Examine(c.Sums()),
	}
	out.Sentences = out.Report.Sentences(out.Names())
	return out
}

var then = time.Date(2026, 1, 2, 3, 38, 5, 0, time.Local)

// TestComparisonsArePrintedForPeople holds what is printed against a file;
// UPDATE_GOLDEN=1 writes it anew.
func TestComparisonsArePrintedForPeople(t *testing.T) {
	t.Parallel()
	const golden = "testdata/comparisons.txtar"
	const latency = 100 * time.Millisecond
	was, err := txtar.ParseFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	is := &txtar.Archive{Comment: was.Comment}
	f := func(name string, all ...admin.Comparison) {
		t.Helper()
		got := comparisonsText(all, then)
		is.Files = append(is.Files, txtar.File{Name: name, Data: []byte(got)})
		if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
			t.Errorf("%s: numbers are printed that are none:\n%s", name, got)
		}
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > textWidth {
				t.Errorf("%s: a line has %d columns: %s", name, n, line)
			}
		}
	}
	f("nothing was counted", newCounts(0).judged(admin.CannotTell, "there were no requests"))
	f("little was counted", newCounts(latency).
		add(95, 5, did{190, 2, 5, 0, latency}, did{10, 0, 0, 0, latency}).
		judged(admin.CannotTell, "errors may still be too bad"))
	f("no worse", newCounts(latency).
		add(95, 5, did{95_000, 950, 9500, 95, latency}, did{5000, 50, 500, 5, latency}).
		add(50, 50, did{50_000, 500, 5000, 50, latency}, did{50_000, 500, 5000, 50, latency}).
		judged(admin.NoWorse, "no metric can be too bad"))
	f("worse", newCounts(latency).
		add(95, 5, did{190_000, 209, 19_000, 40, latency}, did{10_000, 42, 700, 2, 140 * time.Millisecond}).
		judged(admin.Worse, "worse on errors"))
	f("stable never failed", newCounts(latency).
		add(50, 50, did{10_000, 0, 0, 0, latency}, did{10_000, 50, 0, 0, latency}).
		judged(admin.Worse, "worse on errors"))
	off := newCounts(latency).
		add(95, 5, did{95_300, 100, 0, 0, latency}, did{4700, 5, 0, 0, latency}).
		judged(admin.CannotTell, "the traffic split is off")
	off.Proxies = []admin.Proxy{{Name: "a", Split: off.Report.Split}, {Name: "b", Split: newCounts(0).judged("", "").Report.Split}}
	off.Report.Full, off.Report.Lost, off.Report.Elsewhere = true, 4, stats.Pair[uint64]{0, 17}
	f("the split is off", off)
	late := newCounts(latency).add(50, 50, did{60_000, 3000, 0, 0, latency}, did{60_000, 3000, 0, 0, latency})
	late.Restart(1)
	f("worse of late", late.
		add(50, 50, did{1500, 75, 0, 0, latency}, did{1500, 165, 0, 0, latency}).
		judged(admin.Worse, "worse on errors"))
	bare := admin.Comparison{Service: "shop", Since: then, Stable: admin.Compared{Version: "v1"}, Candidate: admin.Compared{Version: "v2"}}
	long := newCounts(0).judged(admin.CannotTell, "")
	long.Stable.Version, long.Candidate.Version = "v1.4.2-rc.1@53bff422", "v1.5.0-rc.1@210fe938"
	f("two candidates, of which one has no report and one a long name", bare, long)

	if got := string(txtar.Format(is)); got != string(txtar.Format(was)) {
		t.Errorf("it is printed otherwise than %s has it (UPDATE_GOLDEN=1 writes it anew):\n%s", golden, got)
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
