package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"divvy/testdata/readme"
)

// traffic is a rollout at 100 requests a second whose candidate is ratio times
// as bad as stable.
type traffic struct {
	name   string
	shares []uint32 // the candidate's, in percent, in steps of equal length
	base   func(seed int, progress float64) float64
	ratio  float64
	tuned  float64 // the limit set by an operator who knows what the rates will be
}

// Equal versions: who raises an alarm is wrong.
var equal = []traffic{
	{"0.1 % errors, share 50 %", []uint32{50}, steady(0.001), 1, 0.003},
	{"0.1 %, share 5 %", []uint32{5}, steady(0.001), 1, 0.003},
	{"1 %, share 50 %", []uint32{50}, steady(0.01), 1, 0.015},
	{"1 %, share 5 %", []uint32{5}, steady(0.01), 1, 0.015},
	{"ramp 1, 5, 25, 50 %, drift", []uint32{1, 5, 25, 50}, drifting, 1, 0.015},
	{"outage of both, share 5 %", []uint32{5}, outage, 1, 0.015},
}

// Candidates that are worse: who is first is best.
var regressions = []traffic{
	{"1 → 2 % errors, share 50 %", []uint32{50}, steady(0.01), 2, 0.015},
	{"1 → 2 %, share 5 %", []uint32{5}, steady(0.01), 2, 0.015},
	{"0.1 → 0.5 %, share 50 %", []uint32{50}, steady(0.001), 5, 0.003},
	{"0.1 → 0.5 %, share 5 %", []uint32{5}, steady(0.001), 5, 0.003},
}

func steady(rate float64) func(int, float64) float64 {
	return func(int, float64) float64 { return rate }
}

// drifting rises fivefold in every other run and falls as much in the others.
func drifting(seed int, progress float64) float64 {
	if seed%2 == 0 {
		progress = 1 - progress
	}
	return falling(progress)
}

// outage is what both versions share for ten minutes after an hour.
func outage(_ int, progress float64) float64 {
	if minute := progress * 1_000_000 / 6000; minute >= 60 && minute < 70 {
		return 0.2
	}
	return 0.01
}

// names are those of the rules that contend returns.
var names = []string{
	"divvy, as it comes",
	"z-test, looked at every 10 s, p < 0.05",
	"the same, p < 0.01",
	"Flagger: 99 %, every minute, 5 failures",
	"the same, limit half-way, by one who knows both rates",
	"Argo Rollouts: 95 %, every 5 minutes, more than 3 failures",
	"Kayenta: Mann-Whitney, every hour",
	"the same, every 10 minutes",
}

func (c traffic) contend() []rule {
	return []rule{
		newShipped(),
		&zTest{line: 1.959964},
		&zTest{line: 2.575829},
		&threshold{limit: 0.01, every: ticksPerMinute, failures: 5},
		&threshold{limit: c.tuned, every: ticksPerMinute, failures: 5},
		&threshold{limit: 0.05, every: 5 * ticksPerMinute, failures: 4},
		&mannWhitney{every: 60 * ticksPerMinute},
		&mannWhitney{every: 10 * ticksPerMinute},
	}
}

// play returns after how many ticks each rule raised an alarm; 0: never.
func (c traffic) play(seed, ticks int) []int {
	random := rand.New(rand.NewPCG(uint64(seed), 12))
	rules, first := c.contend(), make([]int, len(names))
	for n := range ticks {
		progress := float64(n) / float64(ticks)
		t := tick{percent: c.shares[int(progress*float64(len(c.shares)))]}
		t.requests[Candidate] = binomial(random, 1000, float64(t.percent)/100)
		t.requests[Stable] = 1000 - t.requests[Candidate]
		p := c.base(seed, progress)
		t.errors[Candidate] = binomial(random, t.requests[Candidate], p*c.ratio)
		t.errors[Stable] = binomial(random, t.requests[Stable], p)
		waiting := false
		for i, r := range rules {
			if first[i] == 0 && r.alarms(t) {
				first[i] = n + 1
			}
			waiting = waiting || first[i] == 0
		}
		if !waiting {
			break
		}
	}
	return first
}

// binomial draws how many of n happen, jumping from one to the next.
func binomial(random *rand.Rand, n int, p float64) (happened int) {
	never := math.Log1p(-p)
	for i := 0; ; happened++ {
		jump := math.Log(1-random.Float64()) / never
		if jump >= float64(n-i) {
			return happened
		}
		i += int(jump) + 1
	}
}

// repeat plays many times and returns the first alarms of each rule, sorted;
// those that never came are last, as infinite.
func (c traffic) repeat(runs, ticks int) [][]float64 {
	alarms := make([][]float64, len(names))
	for i := range alarms {
		alarms[i] = make([]float64, runs)
	}
	var wait sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		wait.Go(func() {
			for seed := worker; seed < runs; seed += workers {
				for i, n := range c.play(seed, ticks) {
					alarms[i][seed] = float64(n)
					if n == 0 {
						alarms[i][seed] = math.Inf(1)
					}
				}
			}
		})
	}
	wait.Wait()
	for _, all := range alarms {
		slices.Sort(all)
	}
	return alarms
}

// raised returns the part of the runs in which there was an alarm.
func raised(alarms []float64) float64 {
	n, _ := slices.BinarySearch(alarms, math.Inf(1))
	return float64(n) / float64(len(alarms))
}

func TestDivvyIsRarelyWrongAndRarelyLate(t *testing.T) {
	t.Parallel()
	runs := max(5, simulated(20))
	for _, c := range equal {
		if got := c.repeat(runs, 200); raised(got[0]) > 0.01+3*math.Sqrt(0.01/float64(runs)) {
			t.Errorf("%s: %.0f %% of %d rollouts of an equal candidate raise an alarm", c.name, 100*raised(got[0]), runs)
		}
	}
	// Rows are those of names; Argo's example tolerates both versions.
	never := math.Inf(1)
	f := func(c traffic, most ...float64) {
		t.Helper()
		for i, alarms := range c.repeat(runs, 360) {
			if median := alarms[runs/2] / ticksPerMinute; median > most[i] {
				t.Errorf("%s: %s: found after %.1f minutes, want at most %.1f", c.name, names[i], median, most[i])
			}
		}
	}
	f(regressions[0], 2, 2, 2, 6, 6, never, 60, 20)
	f(regressions[1], 11, 4, 8, 9, 9, never, 60, 30)
	f(regressions[2], 3, 3, 3, never, 6, never, 60, 20)
	f(regressions[3], 14, 8, 8, never, 9, never, 60, 40)
}

// `make simulate` runs it: it takes minutes. UPDATE_README=1 writes the tables.
func TestTheREADMEHasTheAlarms(t *testing.T) {
	if os.Getenv("SIMULATE") == "" {
		t.Skip("SIMULATE=1 runs it")
	}
	const ticks = 1000 // 1,000,000 requests, 167 minutes
	tables := alarmTable("false alarms", equal, 400, ticks, func(alarms []float64) string {
		return fmt.Sprintf("%.1f %%", 100*raised(alarms))
	}) + "\n" + alarmTable("median time", regressions, 200, ticks, func(alarms []float64) string {
		switch found, median := raised(alarms), alarms[len(alarms)/2]/ticksPerMinute; {
		case found == 0:
			return "never"
		case found == 1:
			return fmt.Sprintf("%.1f min", median)
		case found <= 0.5:
			return fmt.Sprintf("found in %.0f %%", 100*found)
		default:
			return fmt.Sprintf("%.1f min, found in %.1f %%", median, 100*found)
		}
	})
	fmt.Print(tables)

	readme.Holds(t, "../../README.md", "alarm tables", tables)
}

// alarmTable has a row for each rule and a column for each kind of traffic.
func alarmTable(title string, columns []traffic, runs, ticks int, cell func(alarms []float64) string) string {
	rows := slices.Clone(names)
	head, line := "| "+title, "|---"
	for _, c := range columns {
		head, line = head+" | "+c.name, line+"|--:"
		for i, alarms := range c.repeat(runs, ticks) {
			rows[i] += " | " + cell(alarms)
		}
	}
	return head + " |\n" + line + "|\n| " + strings.Join(rows, " |\n| ") + " |\n"
}
