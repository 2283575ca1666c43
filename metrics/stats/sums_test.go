package stats

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// anySums returns sums in which much overlaps with what other seeds give.
func anySums(seed uint64) *Sums {
	random := rand.New(rand.NewPCG(seed, 3))
	s := NewSums()
	s.Revision, s.Lost = random.Uint64N(3), random.Uint64N(5)
	for range random.IntN(4) {
		stratum := Stratum{19, 1 + random.Uint32N(3), int16(random.IntN(2)), NoEdge}
		pair := entry(s.Strata, stratum)
		for side := range pair {
			for _, n := range pair[side].scalars() {
				*n += random.Uint64N(100)
			}
			pair[side].Latency.Add(random.IntN(40)-20, random.Uint64N(9))
			pair[side].Firsts.Add(random.IntN(40)-20, random.Uint64N(9))
		}
		scope := s.scope(random.Uint32N(4))
		scope.Full = scope.Full || random.IntN(5) == 0
		tallies := entry(scope.Tallies, stratum)
		for side := range tallies {
			tallies[side][random.IntN(tallyLen)] += random.Uint64N(50)
		}
	}
	for _, stratum := range slices.SortedFunc(maps.Keys(s.Strata), compareStrata) {
		s.Slots += random.Uint64N(9)
		bursts := entry(s.Bursts, stratum)
		for range random.IntN(9) {
			bursts[random.IntN(len(bursts))].add(stratum, random.Uint64N(20), random.Uint64N(20))
		}
	}
	return s
}

func merged(all ...*Sums) *Sums {
	s := NewSums()
	for _, o := range all {
		s.Merge(o)
	}
	return s
}

func FuzzMerge(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, seed+1, seed*7)
	}
	f.Fuzz(func(t *testing.T, x, y, z uint64) {
		a, b, c := anySums(x), anySums(y), anySums(z)
		if !reflect.DeepEqual(merged(a, b), merged(b, a)) {
			t.Error("merging is not commutative")
		}
		if !reflect.DeepEqual(merged(merged(a, b), c), merged(a, merged(b, c))) {
			t.Error("merging is not associative")
		}
		if !reflect.DeepEqual(a, anySums(x)) || !reflect.DeepEqual(b, anySums(y)) {
			t.Error("merging has changed what was merged")
		}
		if !reflect.DeepEqual(merged(a), a) {
			t.Error("merging into nothing has changed something")
		}
	})
}
