package stats

import (
	"math/rand/v2"
	"testing"
)

func TestAFilterKnowsWhatItHasSeen(t *testing.T) {
	t.Parallel()
	f := new(filter)
	random := rand.New(rand.NewPCG(1, 1))
	units := make([]uint64, 10_000)
	for i := range units {
		units[i] = random.Uint64()
		f.first(filterKey(units[i], countUnits))
	}
	for _, u := range units {
		if f.first(filterKey(u, countUnits)) {
			t.Fatalf("%d was seen and is new again", u)
		}
	}
	fresh := 0
	for _, u := range units {
		if f.first(filterKey(u, countFailed)) {
			fresh++
		}
	}
	if fresh < len(units)-5 {
		t.Errorf("only %d of %d units that were seen are new to another question", fresh, len(units))
	}
}

func TestAFilterMissesFewAndIsFullAtHalf(t *testing.T) {
	t.Parallel()
	f := new(filter)
	missed, unit := 0, uint64(0)
	upTo := func(units uint64) float64 {
		missed = 0
		start := unit
		for ; unit < units; unit++ {
			if !f.first(filterKey(unit, countUnits)) { // numbered one by one: hashes may be that bad
				missed++
			}
		}
		return float64(missed) / float64(units-start)
	}
	check := func(units uint64, most float64) {
		t.Helper()
		if share := upTo(units); share > most {
			t.Errorf("of the units up to %d, %.3f %% were missed", units, 100*share)
		}
		if f.full() {
			t.Errorf("it is full at %d units", units)
		}
	}
	check(300_000, 0.0006)
	if testing.Short() || raceDetector {
		return
	}
	check(1_000_000, 0.015)
	for !f.full() && unit < 3_000_000 {
		upTo(unit + 10_000)
	}
	if unit < 1_300_000 || unit > 1_600_000 {
		t.Errorf("it is full at %d units", unit)
	}
}

func BenchmarkFilter(b *testing.B) {
	f, unit := new(filter), uint64(0)
	for b.Loop() {
		unit += 0x9e3779b97f4a7c15
		f.first(filterKey(unit%300_000, countUnits))
	}
}
