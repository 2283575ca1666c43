package stats

import (
	"math/rand/v2"
	"testing"
	"time"
)

// stalling is two versions for some minutes at 200 requests a second, a fifth of them
// the candidate's, with a look every second.
type stalling struct {
	minutes int
	stalls  bool    // of one version or the other, twice a minute: all that it has is slow for a second
	slower  float64 // of the candidate's requests are slow on top of 5 in 100 of both
}

// alarms plays it and returns when the candidate was first called worse, and whether
// it was no worse in the end. Without slots bursts are not looked for.
func (w stalling) alarms(seed uint64, slots bool) (after time.Duration, found, noWorse bool) {
	random := rand.New(rand.NewPCG(seed, 21))
	past := new(Histogram)
	slow := func(p float64) time.Duration {
		if random.Float64() < p {
			return time.Duration((60 + 60*random.Float64()) * 1e6)
		}
		return time.Duration((10 + 10*random.Float64()) * 1e6)
	}
	for range 20_000 {
		past.Add(bucketOf(slow(0.05).Seconds()), 1)
	}
	r := NewRecorder(shop, false, past)
	split, j := r.Split(80, 20), DefaultJudge()
	if slots {
		j.Slots = 12
	}
	var stalled [2]int // tenths of a second that are left of a stall
	var report *Report
	for tenth := range w.minutes * 600 {
		for side := range stalled {
			stalled[side]--
			if w.stalls && random.IntN(300) == 0 {
				stalled[side] = 10
			}
		}
		for range 20 {
			side, p := Stable, 0.05
			if random.IntN(5) == 0 {
				side, p = Candidate, 0.05+w.slower
			}
			x := Sample{Latency: slow(p)}
			if stalled[side] > 0 {
				x.Latency += 100 * time.Millisecond
			}
			request(split, side, &x)
		}
		if tenth%50 == 49 {
			r.Slot()
		}
		if tenth%10 == 9 {
			report = j.Examine(r.Sums())
			if f := report.Finding("p95"); f.Worse() && !found {
				after, found = time.Duration(tenth)*time.Second/10, true
			}
		}
	}
	return after, found, report.Finding("p95").Allows(1)
}

// Stalls make both versions slow alike, but never at the same moment.
func TestStallsAreNotTakenForADifference(t *testing.T) {
	t.Parallel()
	runs := max(8, simulated(24))
	naive, alarms := 0, 0
	for seed := range uint64(runs) {
		if _, found, _ := (stalling{minutes: 6, stalls: true}).alarms(seed, false); found {
			naive++
		}
		if _, found, _ := (stalling{minutes: 6, stalls: true}).alarms(seed, true); found {
			alarms++
		}
	}
	t.Logf("of %d: %d alarms, %d without regard for bursts", runs, alarms, naive)
	if alarms > runs/20+1 {
		t.Errorf("%d of %d equal candidates are called worse", alarms, runs)
	}
	if naive < runs/5 {
		t.Errorf("only %d of %d are without regard for bursts: this tests nothing", naive, runs)
	}
}

func TestWhatComesEvenlyIsFoundAsSoon(t *testing.T) {
	t.Parallel()
	for seed := range uint64(max(3, simulated(10))) {
		w := stalling{minutes: 5, slower: 0.05}
		naive, _, _ := w.alarms(seed, false)
		after, found, _ := w.alarms(seed, true)
		if !found || after > max(2*naive, 70*time.Second) {
			t.Errorf("found: %v after %v, without regard for bursts after %v", found, after, naive)
		}
	}
}

func TestLatenciesAreJudgedOnceItIsKnownHowTheyCome(t *testing.T) {
	t.Parallel()
	r := served(60_000, good, behaviour{good.latency * 3, good.fails, good.goal})
	j := DefaultJudge()
	j.Slots = 2
	f := func(early bool) {
		t.Helper()
		report := j.Examine(r.Sums())
		for _, metric := range []string{"p95", "p99", "speed"} {
			if f := report.Finding(metric); f.Early != early || f.Worse() == early || f.Allows(1) {
				t.Errorf("%s: early: %v, worse: %v, allowed: %v", metric, f.Early, f.Worse(), f.Allows(1))
			}
		}
		if f := report.Finding("errors"); f.Early {
			t.Error("errors wait, too")
		}
	}
	f(true)
	r.Slot()
	f(true)
	r.Slot()
	f(false)
}

func TestABurstIsMoreVariationThanChanceHas(t *testing.T) {
	t.Parallel()
	stratum := Stratum{Stable: 4, Candidate: 1}
	random := rand.New(rand.NewPCG(1, 2))
	of := func(burst int, p float64) float64 {
		s := NewSums()
		bursts := entry(s.Bursts, stratum)
		for range 500 {
			var n [2]uint64
			for range 1 + random.IntN(5) {
				side := Stable
				if random.Float64() < p {
					side = Candidate
				}
				n[side] += uint64(burst)
			}
			bursts[0].add(stratum, n[Stable], n[Candidate])
		}
		return s.burstiness(burstOf[0])
	}
	f := func(what string, got, least, most float64) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("%s: got %v, want %v to %v", what, got, least, most)
		}
	}
	f("one by one", of(1, 0.2), 1, 1.2)
	f("one by one, more often the candidate's", of(1, 0.6), 1, 1.2)
	f("ten at a time", of(10, 0.2), 8, 12)
	f("ten at a time, more often the candidate's", of(10, 0.6), 8, 12)
	f("all the candidate's", of(10, 1), 1, 1)
	if got := NewSums().burstiness(burstOf[0]); got != 1 {
		t.Errorf("of nothing it is %v", got)
	}
}
