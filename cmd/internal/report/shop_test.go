package report

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
	"divvy/router/state"
)

var now = time.Date(2026, 3, 4, 15, 7, 30, 0, time.UTC)

// does is what a version of the shop does.
type does struct {
	name      string
	weight    float64
	perSecond float64
	failing   float64       // of its requests
	latency   time.Duration // at the median
	since     time.Duration // for so long
}

func imageOf(name string) string {
	return "sha256:" + strings.Repeat(fmt.Sprintf("%08x", len(name)*7919+int(name[len(name)-1])), 8)
}

// shop returns what the API answers of a service whose versions do this; each but the
// first is compared with that, if it has weight.
func shop(versions ...does) *Data {
	d := &Data{
		Now: now, Divvy: "1.2.3",
		Service:  admin.Service{Name: "shop", Hosts: []string{"shop.example.com"}, Paths: []string{"/"}, Sticky: []string{"header:X-User", "cookie"}},
		Split:    admin.Split{Service: "shop", Weights: map[string]int{}},
		Timeline: admin.Timeline{Service: "shop"},
	}
	total := 0.0
	for _, v := range versions {
		total += v.weight
	}
	for _, v := range versions {
		share := v.weight / total
		d.Service.Versions = append(d.Service.Versions, admin.Version{
			Name: v.name, Tags: []string{v.name}, ImageID: imageOf(v.name), Revision: "8c1f0a9d", Created: "2026-03-01T10:00:00Z",
			Weight: v.weight, Share: share, Backends: []backends.Status{{Name: v.name + "-1", State: backends.StateReady}, {Name: v.name + "-2", State: backends.StateReady}},
		})
		d.Split.Weights[v.name] = int(v.weight)
		d.Split.Shares = append(d.Split.Shares, admin.Share{Version: v.name, Weight: v.weight, Share: share, Runs: true})
		d.Timeline.Versions = append(d.Timeline.Versions, v.timeline(share))
		if stable := versions[0]; v.name != stable.name && v.weight > 0 {
			d.Comparisons = append(d.Comparisons, comparing(stable, v, total))
		}
	}
	for _, w := range []struct {
		title string
		back  time.Duration
	}{{"The last hour", time.Hour}, {"The last day", day}, {"The last two weeks", 14 * day}} {
		d.Windows = append(d.Windows, Window{w.title, admin.Timeline{Service: "shop"}})
		for _, v := range d.Timeline.Versions {
			t := &d.Windows[len(d.Windows)-1].Timeline
			t.Versions = append(t.Versions, asWhole(v, now.Add(-w.back)))
		}
	}
	return d
}

// asWhole returns what a version did since a moment, with quantiles that may be.
func asWhole(v admin.VersionTimeline, since time.Time) admin.VersionTimeline {
	out := admin.VersionTimeline{Version: v.Version}
	for _, p := range v.Points {
		if p.Start.After(since) {
			out.Whole.Requests += p.Requests
			out.Whole.Failures += p.Failures
			out.Whole.P50, out.Whole.P95, out.Whole.P99 = p.P50, p.P95, p.P99
		}
	}
	return out
}

// timeline returns what the version did, by the grains that divvy remembers.
func (v does) timeline(share float64) admin.VersionTimeline {
	random := rand.New(rand.NewPCG(7, uint64(v.name[len(v.name)-1])))
	out := admin.VersionTimeline{Version: v.name}
	start := now.Add(-v.since)
	for t := start.Truncate(time.Minute); t.Before(now); {
		span := time.Minute
		switch age := now.Sub(t); {
		case age > 24*time.Hour:
			t, span = t.Truncate(time.Hour), time.Hour
		case age > 2*time.Hour:
			t, span = t.Truncate(10*time.Minute), 10*time.Minute
		}
		mean := v.perSecond * span.Seconds() * (1 + 0.4*math.Sin(float64(t.Unix())/14000))
		n := math.Max(mean+random.NormFloat64()*math.Sqrt(mean), 0)
		p := admin.Point{Start: t, Seconds: span.Seconds(), Requests: uint64(n), Weight: v.weight, Share: share}
		p.Failures = uint64(math.Max(n*v.failing+random.NormFloat64()*math.Sqrt(n*v.failing), 0))
		if n >= 1 {
			p.P50 = v.latency.Seconds() * (1 + 0.1*random.NormFloat64()*0.3)
			p.P95, p.P99 = p.P50*2.1, p.P50*(3.5+0.4*random.NormFloat64())
		}
		out.Points = append(out.Points, p)
		t = t.Add(span)
	}
	return out
}

// comparing returns the comparison of a candidate with stable.
func comparing(stable, candidate does, total float64) admin.Comparison {
	before := stats.NewRecorder(stats.Key{}, false, nil)
	record(before.Split(1, 1), stats.Stable, stable, 10_000)
	known := new(stats.Histogram)
	for _, pair := range before.Sums().Strata {
		known.Merge(&pair[stats.Stable].Latency)
	}
	r := stats.NewRecorder(stats.Key{Service: "shop"}, false, known)
	split := r.Split(uint32(stable.weight), uint32(candidate.weight))
	seconds := min(candidate.since.Seconds(), 20_000/stable.perSecond)
	for side, v := range []does{stable, candidate} {
		record(split, stats.Side(side), v, int(v.perSecond*seconds))
	}
	j := stats.DefaultJudge()
	j.Goals = []stats.GoalMargin{{Name: "signup", Margin: stats.Margin{Relative: 0.03}}}
	of := func(v does) admin.Compared {
		return admin.Compared{Version: v.name, ImageID: imageOf(v.name), Fingerprint: "a1b2c3d4e5f6", Revision: "8c1f0a9d", Created: "2026-03-01T10:00:00Z", Weight: v.weight, Share: v.weight / total}
	}
	c := admin.Comparison{
		Service: "shop", Stable: of(stable), Candidate: of(candidate), Since: now.Add(-candidate.since), Verdict: admin.CannotTell,
		Reason: "too early to tell on errors", Report: j.Examine(r.Sums()), PerSecond: stable.perSecond + candidate.perSecond,
	}
	if f := c.Report.Finding("errors"); f.Worse() {
		c.Verdict, c.Reason = admin.Worse, "worse on errors"
	}
	c.Sentences = c.Report.Sentences(c.Names())
	return c
}

// record records n requests of a version, whose latencies are spread evenly.
func record(split *stats.Split, side stats.Side, v does, n int) {
	for i := range n {
		x := stats.Sample{Latency: v.latency/2 + v.latency*time.Duration(i*617%1000)/1000, Failed: float64(i) < v.failing*float64(n)}
		split.Arrive(side, &x)
		split.Record(side, &x)
	}
}

// edited adds edits to the history, so long ago, the latest first.
func (d *Data) edited(ago ...time.Duration) *Data {
	for i, t := range ago {
		d.History = append(d.History, state.Entry{
			Revision: uint64(len(ago) - i), Time: d.Now.Add(-t), Kind: state.Weights, Who: "ann@laptop", Via: "command line", Why: "5 % looked fine",
			From: state.Split{Weights: map[string]int{"v1": 100}}, To: state.Split{Weights: map[string]int{"v1": 95, "v2": 5}},
		})
	}
	return d
}

// written returns the page of what is so.
func (d *Data) written(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, d); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
