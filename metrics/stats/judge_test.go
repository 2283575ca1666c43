package stats

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// behaviour is what one version does with a request.
type behaviour struct {
	latency float64 // seconds, in the middle
	fails   float64
	goal    float64
}

// served records requests in a ramp of 5, 25 and 50 % and returns the recorder.
func served(requests int, stable, candidate behaviour) *Recorder {
	past := new(Histogram)
	random := rand.New(rand.NewPCG(5, 6))
	latency := func(b behaviour) time.Duration {
		spread := 0.5 * random.NormFloat64()
		return time.Duration(b.latency * (1 + spread*spread) * 1e9)
	}
	for range 20_000 {
		past.Add(bucketOf(latency(stable).Seconds()), 1)
	}
	r := NewRecorder(shop, false, past)
	for _, w := range []uint32{5, 25, 50} {
		split := r.Split(100-w, w)
		for range requests / 3 {
			side, b := Stable, stable
			if random.Uint32N(100) < w {
				side, b = Candidate, candidate
			}
			x := Sample{Latency: latency(b), Failed: random.Float64() < b.fails}
			if random.Float64() < b.goal {
				x.Goals = 1
			}
			request(split, side, &x)
		}
	}
	return r
}

var good = behaviour{latency: 0.05, fails: 0.05, goal: 0.2}

func examined(requests int, stable, candidate behaviour) *Report {
	j := DefaultJudge()
	j.Goals = []GoalMargin{{Name: "signup", Margin: Margin{Relative: 0.2}, Guard: true}}
	return j.Examine(served(requests, stable, candidate).Sums())
}

func TestWhatTheCandidateDoesIsFound(t *testing.T) {
	t.Parallel()
	f := func(what string, candidate behaviour, want map[string]Word) {
		t.Helper()
		r := examined(60_000, good, candidate)
		for metric, word := range want {
			if f := r.Finding(metric); f.Word != word {
				t.Errorf("%s: %s is %s, want %s: %s", what, metric, f.Word, word, f.Sentence(v2v1))
			}
		}
		if r.Split.Off {
			t.Errorf("%s: %s", what, r.Split.Sentence(v2v1))
		}
	}
	f("the same", good, map[string]Word{"errors": NoWorse, "p95": NoWorse, "p99": NoWorse, "speed": NoWorse, "signup": NoWorse})
	failing, slow, fast, repelling := good, good, good, good
	failing.fails = 0.10
	slow.latency *= 1.4
	fast.latency /= 1.4
	repelling.goal = 0.12
	f("more errors", failing, map[string]Word{"errors": Worse, "p95": NoWorse, "signup": NoWorse})
	f("slower", slow, map[string]Word{"errors": NoWorse, "p95": Worse, "p99": Worse, "speed": Worse})
	f("faster", fast, map[string]Word{"p95": Better, "p99": Better, "speed": Better})
	f("fewer goals", repelling, map[string]Word{"signup": Worse, "errors": NoWorse})
}

func TestTheRatioOfLatenciesIsMeasured(t *testing.T) {
	t.Parallel()
	slow := good
	slow.latency *= 1.4
	r := examined(60_000, good, slow)
	for _, metric := range []string{"p95", "p99", "speed"} {
		f := r.Finding(metric)
		if f.Ratio.Lower > 1.4 || f.Ratio.Upper < 1.4 || f.Ratio.Upper/f.Ratio.Lower > 1.2 {
			t.Errorf("%s is %v times slower, want about 1.4", metric, f.Ratio)
		}
		if got := float64(f.Candidate / f.Stable); got < 1.3 || got > 1.5 {
			t.Errorf("%s: %v s against %v s", metric, f.Candidate, f.Stable)
		}
	}
}

func TestNothingIsSaidOfNothing(t *testing.T) {
	t.Parallel()
	for _, s := range []*Sums{NewSums(), NewRecorder(shop, true, nil).Sums(), anySums(1), served(100, good, good).Sums()} {
		r := DefaultJudge().Examine(s)
		for _, f := range r.Findings {
			if s.Strata == nil && f.Word != Undecided {
				t.Errorf("%s is %s", f.Metric, f.Word)
			}
			if said := f.Sentence(v2v1); strings.Contains(said, "NaN") || strings.Contains(said, "Inf") {
				t.Error(said)
			}
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("the report is no JSON: %v", err)
		}
	}
}

// A candidate that was good for long and then begins to fail is not found
// sooner because it was good: a restart sees only what came after it.
func TestALateRegressionIsFoundSinceARestart(t *testing.T) {
	t.Parallel()
	r := served(120_000, good, good)
	r.Restart(1)
	split, random := r.Split(50, 50), rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		side := Side(random.IntN(2))
		request(split, side, &Sample{Latency: 50 * time.Millisecond, Failed: random.Float64() < 0.05+0.06*float64(side)})
	}
	f := DefaultJudge().Examine(r.Sums()).Finding("errors")
	if f.Word == Worse || len(f.Late) != 1 || f.Late[0].Scope != 1 || !f.Worse() {
		t.Errorf("on the whole it is %s, late: %v", f.Word, f.Late)
	}
	if said := f.Sentence(v2v1); !strings.Contains(said, "Lately it is WORSE") {
		t.Error(said)
	}
}

func TestMoreCandidatesAndMoreCopiesWidenWhatIsSaid(t *testing.T) {
	t.Parallel()
	sums := served(60_000, good, good).Sums()
	for _, metric := range []string{"errors", "p99", "speed"} {
		width := func(candidates int, copies float64) float64 {
			j := DefaultJudge()
			j.Candidates, j.Copies = candidates, copies
			ratio := j.Examine(sums).Finding(metric).Ratio
			return ratio.Upper / ratio.Lower
		}
		if width(3, 1) < width(1, 1) || width(1, 3) <= width(1, 1) {
			t.Errorf("%s: %v wide, with three candidates %v, with three copies %v", metric, width(1, 1), width(3, 1), width(1, 3))
		}
	}
}

func BenchmarkExamine(b *testing.B) {
	sums := filledRecorder().Sums()
	j := DefaultJudge()
	b.ReportAllocs()
	for b.Loop() {
		j.Examine(sums)
	}
}
