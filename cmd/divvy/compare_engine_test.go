package main

import (
	"fmt"
	"testing"
	"time"

	"divvy/backends/docker"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/config"
)

// failing builds and starts a version of which every n-th answer is an error, and
// returns its container.
func (w *town) failing(t *testing.T, tag string, n int) string {
	t.Helper()
	w.ofApp(t, tag, func(s *docker.ImageSpec) { s.Env["FAILING"] = fmt.Sprint(n) })
	return w.start(t, tag, tag, nil)
}

// compared returns the comparison of the version of a tag, nil if there is none.
func (w *town) compared(t *testing.T, tag string) *admin.Comparison {
	t.Helper()
	all, err := w.program.Comparisons("shop")
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if all[i].Candidate.Version == w.versions()[tag].Name {
			return &all[i]
		}
	}
	return nil
}

// Of the answers of v1 2 % are errors, of those of v2 6 %, and v3 is like v1. They
// run in containers, and every request goes over the wire.
func TestACandidateThatFailsMoreOftenIsFound(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.failing(t, "v1", 50)
	w.failing(t, "v2", 17)
	third := w.failing(t, "v3", 49)
	c := w.config(func(s *config.Service) { s.Weights = map[string]int{"v1": 60, "v2": 20, "v3": 20} })
	w.open(t, c)
	w.awaitReady(t, map[string]int{"v1": 1, "v2": 1, "v3": 1})
	stop := w.load(t)
	await(t, "the verdict on v2", func() bool { return w.compared(t, "v2").Verdict == admin.Worse })
	await(t, "as many requests to v3", func() bool { return w.compared(t, "v3").Report.Split.Units[1] > 3000 })
	sent, _ := stop()

	bad, like := w.compared(t, "v2"), w.compared(t, "v3")
	f := bad.Report.Finding("errors")
	if truth := 50.0 / 17; f.Ratio.Lower > truth || f.Ratio.Upper < truth || bad.Reason != "worse on errors" {
		t.Errorf("%s: the ratio is %+v, want %v within", bad.Reason, f.Ratio, truth)
	}
	if like.Verdict == admin.Worse || like.Report.Finding("errors").Worse() {
		t.Errorf("v3, which is like v1: %+v", like.Report.Finding("errors"))
	}
	for _, c := range []*admin.Comparison{bad, like} {
		if c.Report.Split.Off || c.Stable.Version != w.versions()["v1"].Name || c.Stable.ImageID == "" || c.Stable.Fingerprint == "" {
			t.Errorf("got %+v", c)
		}
	}
	if n := bad.Report.Split.Units[0] + bad.Report.Split.Units[1] + like.Report.Split.Units[1]; n > uint64(sent)+100 {
		t.Errorf("%d requests were counted, %d sent", n, sent)
	}

	// Another image under the same tag is compared by itself.
	began := like.Since
	if err := w.Stop(t.Context(), third, time.Second); err != nil {
		t.Fatal(err)
	}
	w.ofApp(t, "v3", func(s *docker.ImageSpec) { s.Env["FAILING"], s.Env["OTHER"] = "49", "yes" })
	w.start(t, "v3-again", "v3", nil)
	await(t, "another comparison", func() bool {
		c := w.compared(t, "v3")
		return c != nil && c.Since.After(began) && c.Report.Split.Units[1] == 0 && c.Candidate.ImageID != like.Candidate.ImageID
	})
}
