package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics"
)

// Board counts what each version does, as a metrics.Sink, and shows it.
type Board struct {
	mu       sync.Mutex // guards the fields below
	versions map[string]*tally
	drawn    int // lines on the screen that the next drawing overwrites
}

// tally is what one version has done.
type tally struct {
	requests, errors int
	times            []time.Duration // the latest, a ring
	next             int
}

// remembered is how many answers the quantiles are made of.
const remembered = 4096

// Observe implements metrics.Sink.
func (b *Board) Observe(o *metrics.Observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.versions == nil {
		b.versions = map[string]*tally{}
	}
	t := b.versions[o.Version]
	if t == nil {
		t = &tally{}
		b.versions[o.Version] = t
	}
	t.requests++
	if o.Status >= 500 {
		t.errors++
	}
	if len(t.times) < remembered {
		t.times = append(t.times, o.Duration)
		return
	}
	t.times[t.next] = o.Duration
	t.next = (t.next + 1) % remembered
}

// Draw shows the versions of a service, and what the comparisons with the stable one
// come to. Over a terminal it overwrites what it drew before.
func (b *Board) Draw(w io.Writer, versions []admin.Version, all []admin.Comparison, terminal bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	total := 0
	for _, t := range b.versions {
		total += t.requests
	}
	var text strings.Builder
	tw := tabwriter.NewWriter(&text, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "version\tbackends\tweight\tset\tseen\trequests\terrors\tp50\tp99\tverdict\t\n")
	for _, v := range versions {
		t := b.versions[v.Name]
		if t == nil {
			t = &tally{}
		}
		ready := 0
		for _, k := range v.Backends {
			if k.State == "ready" {
				ready++
			}
		}
		fmt.Fprintf(tw, "%s\t%d\t%v\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t\n", v.Name, ready, v.Weight, share(v.Share, 1),
			share(float64(t.requests), float64(total)), t.requests, share(float64(t.errors), float64(t.requests)), t.quantile(0.5), t.quantile(0.99), verdict(v.Name, all))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	out := text.String()
	if terminal && b.drawn > 0 {
		out = fmt.Sprintf("\x1b[%dA\x1b[J%s", b.drawn, out)
	}
	b.drawn = strings.Count(text.String(), "\n")
	_, err := io.WriteString(w, out)
	return err
}

// verdict says what a version is beside the others.
func verdict(version string, all []admin.Comparison) string {
	for i := range all {
		switch c := &all[i]; {
		case c.Stable.Version == version:
			return "stable"
		case c.Candidate.Version != version:
		case c.Verdict == admin.Worse:
			return c.Reason
		case c.Verdict == admin.NoWorse:
			return "no worse"
		default:
			return "too early"
		}
	}
	return "-"
}

func share(part, whole float64) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*part/whole)
}

func (t *tally) quantile(q float64) string {
	if len(t.times) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(t.times))
	d := sorted[int(q*float64(len(sorted)-1))]
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
