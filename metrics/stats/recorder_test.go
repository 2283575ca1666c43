package stats

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

var shop = Key{"shop", Version{"sha256:aa", "f1"}, Version{"sha256:bb", "f1"}}

// request is what the proxy does with each of them.
func request(s *Split, side Side, x *Sample) {
	s.Arrive(side, x)
	s.Record(side, x)
}

// stratum returns the sums of the only stratum with the given weights that has
// requests or, if none has, of the only one.
func stratum(t *testing.T, s *Sums, stable, candidate uint32) (Stratum, *Pair[Requests], *Pair[Tally]) {
	t.Helper()
	var found []Stratum
	for key, pair := range s.Strata {
		if key.Stable == stable && key.Candidate == candidate {
			if pair[Stable].Count()+pair[Candidate].Count() > 0 {
				found = append([]Stratum{key}, found...)
			} else {
				found = append(found, key)
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("nothing was recorded at %d to %d", stable, candidate)
	}
	tallies := s.Scopes[0].Tallies[found[0]]
	if tallies == nil {
		tallies = new(Pair[Tally])
	}
	return found[0], s.Strata[found[0]], tallies
}

func TestARequestIsCountedWhereItWasAssigned(t *testing.T) {
	t.Parallel()
	r := NewRecorder(shop, false, nil)
	split := r.Split(95, 5)
	f := func(side Side, x Sample) { request(split, side, &x) }
	f(Stable, Sample{Latency: time.Second, Bytes: 100})
	f(Stable, Sample{Latency: 3 * time.Second, Bytes: 10})
	f(Candidate, Sample{Latency: time.Second, Failed: true, Elsewhere: true, Goals: 0b101})
	f(Candidate, Sample{Failed: true})
	f(Candidate, Sample{Latency: time.Second, Canceled: true})

	_, requests, tallies := stratum(t, r.Sums(), 19, 1)
	if s := &requests[Stable]; s.Count() != 2 || s.Bytes != 110 || s.Nanoseconds != 4e9 || s.Errors != 0 {
		t.Errorf("stable has %d requests, %d bytes, %d ns, %d errors", s.Count(), s.Bytes, s.Nanoseconds, s.Errors)
	}
	if c := &requests[Candidate]; c.Count() != 3 || c.Errors != 2 || c.Silent != 1 || c.Elsewhere != 1 || c.Latency.Above(-1) != 2 {
		t.Errorf("the candidate has %d requests, %d errors, %d silent, %d elsewhere", c.Count(), c.Errors, c.Silent, c.Elsewhere)
	}
	want := Tally{countUnits: 3, countMeasured: 1, countFailed: 2, countCanceled: 1, countGoals: 1, countGoals + 2: 1}
	want[countLogs] = 20 << logBits
	want[countSquares] = 400 << logBits
	if got := tallies[Candidate]; got != want {
		t.Errorf("the tally of the candidate is %v, want %v", got, want)
	}
}

func TestAUnitCountsOnce(t *testing.T) {
	t.Parallel()
	r := NewRecorder(shop, true, nil)
	split := r.Split(1, 1)
	for range 5 {
		for unit := range uint64(3) {
			request(split, Stable, &Sample{Unit: unit + 1, Latency: time.Second, Failed: unit == 1, Goals: 1})
		}
		request(split, Stable, &Sample{Latency: time.Second}) // without a unit it is its own
	}
	_, requests, tallies := stratum(t, r.Sums(), 1, 1)
	got, n := tallies[Stable], &requests[Stable]
	if n.Count() != 20 || n.Errors != 5 || n.Firsts.Total() != 8 {
		t.Errorf("%d requests, %d errors, %d first ones; want 20, 5, 8", n.Count(), n.Errors, n.Firsts.Total())
	}
	if got.Units() != 8 || got.Errors() != 1 || got.Goal(0) != 3 {
		t.Errorf("%d units, %d with errors, %d at the goal; want 8, 1, 3", got.Units(), got.Errors(), got.Goal(0))
	}
}

// The candidate takes for ever, but it got its share.
func TestWhatIsUnderWayBelongsToTheSplit(t *testing.T) {
	t.Parallel()
	r := NewRecorder(shop, false, nil)
	split := r.Split(1, 1)
	for range 2000 {
		request(split, Stable, &Sample{Latency: time.Millisecond})
		split.Arrive(Candidate, new(Sample))
	}
	if f := DefaultJudge().Split(r.Sums()); f.Off || f.Observed != 0.5 {
		t.Error(f.Sentence(v2v1))
	}
}

func TestEqualWeightsAreOneStratum(t *testing.T) {
	t.Parallel()
	r := NewRecorder(shop, false, nil)
	if r.Split(95, 5) != r.Split(19, 1) {
		t.Error("95 to 5 and 19 to 1 are two")
	}
	if r.Split(95, 5) == r.Split(90, 10) {
		t.Error("95 to 5 and 90 to 10 are one")
	}
	nothing := r.Split(100, 0)
	request(nothing, Stable, &Sample{Latency: time.Second})
	if nothing != nil || r.Split(0, 1) != nil {
		t.Error("a version without weight is compared")
	}
}

func TestStrataAreBounded(t *testing.T) {
	t.Parallel()
	r := NewRecorder(shop, false, nil)
	for w := range uint32(maxStrata + 3) {
		request(r.Split(1000, w+1), Candidate, &Sample{})
	}
	s := r.Sums()
	if len(s.Strata) != maxStrata || s.Lost != 3 {
		t.Errorf("%d strata and %d requests lost, want %d and 3", len(s.Strata), s.Lost, maxStrata)
	}
}

func TestWhatIsSlowIsFixedBeforehand(t *testing.T) {
	t.Parallel()
	r := NewRecorder(shop, false, nil)
	split := r.Split(1, 1)
	send := func(n int) {
		for i := range n {
			x := Sample{Latency: time.Duration(i%100+1) * 10 * time.Millisecond}
			request(split, Stable, &x)
			request(split, Candidate, &x)
		}
	}
	send(minBaseline)
	if key, _, _ := stratum(t, r.Sums(), 1, 1); key.Slow95 != NoEdge {
		t.Errorf("the first stratum has edge %d, which came after its requests", key.Slow95)
	}
	send(500)
	s := r.Sums()
	delete(s.Strata, Stratum{1, 1, NoEdge, NoEdge})
	key, requests, tallies := stratum(t, s, 1, 1)
	if got := BucketEnd(int(key.Slow95)); got < 0.95 || got > 0.98 {
		t.Errorf("slow is what takes more than %v s, want 0.95 or a bucket more", got)
	}
	for side := range requests {
		if got, want := tallies[side][countSlow95], requests[side].Latency.Above(int(key.Slow95)); got != want || want == 0 {
			t.Errorf("%d slow units, and %d latencies beyond the edge", got, want)
		}
	}
	past := requests[Stable].Latency
	for range 3 {
		past.Merge(&past)
	}
	later := NewRecorder(shop, false, &past)
	later.Split(1, 1)
	if key, _, _ := stratum(t, later.Sums(), 1, 1); key.Slow95 == NoEdge {
		t.Error("latencies from before were not used")
	}
}

func TestARestartCountsAfresh(t *testing.T) {
	t.Parallel()
	r := NewRecorder(shop, true, nil)
	split := r.Split(1, 1)
	f := func(ordinal uint32, want map[uint32]uint64) {
		t.Helper()
		r.Restart(ordinal)
		for unit := range uint64(10) {
			request(split, Stable, &Sample{Unit: unit + 1})
		}
		got := make(map[uint32]uint64)
		for number, scope := range r.Sums().Scopes {
			for _, pair := range scope.Tallies {
				got[number] += pair[Stable].Units()
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("after restart %d units by scope are %v, want %v", ordinal, got, want)
		}
	}
	f(0, map[uint32]uint64{0: 10})
	f(1, map[uint32]uint64{0: 10, 1: 10})
	f(1, map[uint32]uint64{0: 10, 1: 10})
	f(2, map[uint32]uint64{0: 10, 1: 10, 2: 10})
	f(5, map[uint32]uint64{0: 10, 1: 10, 2: 10, 5: 10})
	f(6, map[uint32]uint64{0: 10, 2: 10, 5: 10, 6: 10})
	f(3, map[uint32]uint64{0: 10, 2: 10, 5: 10, 6: 10})
}

func TestAFullScopeCountsNoMore(t *testing.T) {
	t.Parallel()
	r := NewRecorder(shop, true, nil)
	split := r.Split(1, 1)
	request(split, Stable, &Sample{Unit: 1})
	(*r.scopes.Load())[0].filter.set.Store(filterFull)
	r.Restart(1)
	request(split, Stable, &Sample{Unit: 2})
	s := r.Sums()
	for number, want := range map[uint32]uint64{0: 1, 1: 1} {
		for _, pair := range s.Scopes[number].Tallies {
			if got := pair[Stable].Units(); got != want || s.Scopes[number].Full != (number == 0) {
				t.Errorf("scope %d has %d units, full: %v", number, got, s.Scopes[number].Full)
			}
		}
	}
}

// Nothing that is recorded gets lost, whatever happens beside it.
func TestManyMayRecordAtOnce(t *testing.T) {
	t.Parallel()
	const goroutines, each = 8, 2000
	r := NewRecorder(shop, false, nil)
	var recording, beside sync.WaitGroup
	done := make(chan struct{})
	beside.Go(func() {
		for i := uint32(1); ; i++ {
			select {
			case <-done:
				return
			default:
				r.Restart(i)
				r.Sums()
			}
		}
	})
	for g := range goroutines {
		recording.Go(func() {
			for i := range each {
				request(r.Split(uint32(i%3)+1, 1), Side(g%2), &Sample{Latency: time.Duration(i+1) * time.Millisecond, Failed: i%2 == 0})
			}
		})
	}
	recording.Wait()
	close(done)
	beside.Wait()
	var requests, errors, units, failed uint64
	s := r.Sums()
	for _, pair := range s.Strata {
		for side := range pair {
			requests += pair[side].Count()
			errors += pair[side].Errors
		}
	}
	for _, pair := range s.Scopes[0].Tallies {
		for side := range pair {
			units += pair[side].Units()
			failed += pair[side].Errors()
		}
	}
	const all = goroutines * each
	if got, want := []uint64{requests, errors, units, failed}, []uint64{all, all / 2, all, all / 2}; !slices.Equal(got, want) {
		t.Errorf("requests, errors, units, units with errors: got %v, want %v", got, want)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	for _, byUnit := range []bool{false, true} {
		r := NewRecorder(shop, byUnit, nil)
		for i := range uint32(keptRestarts) {
			r.Restart(i + 1)
		}
		split := r.Split(95, 5)
		x := &Sample{Latency: 42 * time.Millisecond, Bytes: 10, Failed: true, Goals: 3}
		got := testing.AllocsPerRun(1000, func() {
			x.Unit += 0x9e3779b97f4a7c15
			request(split, Candidate, x)
		})
		if got != 0 && !raceDetector {
			t.Errorf("by unit %v: %v allocations, want 0", byUnit, got)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	f := func(name string, byUnit bool, restarts uint32, failed bool) {
		r := NewRecorder(shop, byUnit, nil)
		for i := range restarts {
			r.Restart(i + 1)
		}
		split := r.Split(95, 5)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				x := Sample{Latency: 40 * time.Millisecond, Bytes: 2000, Failed: failed}
				random := rand.Uint64()
				for i := uint64(0); pb.Next(); i++ {
					x.Latency = time.Duration(20+i&63) * time.Millisecond
					x.Unit = (random + i&1023) | 1
					request(split, Stable, &x)
				}
			})
		})
	}
	f("requests", false, 0, false)
	f("requests-restarted", false, keptRestarts, false)
	f("units", true, 0, false)
	f("units-restarted", true, keptRestarts, false)
	f("units-restarted-failing", true, keptRestarts, true)
}

func BenchmarkSums(b *testing.B) {
	r := filledRecorder()
	for b.Loop() {
		r.Sums()
	}
}

func filledRecorder() *Recorder {
	r := NewRecorder(shop, false, nil)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range uint32(4) {
		split := r.Split(100-i*10, 1+i*10)
		for range 5000 {
			side := Side(0)
			if random.Float64() < float64(1+i*10)/101 {
				side = Candidate
			}
			ms := 50 + 200*random.ExpFloat64()
			request(split, side, &Sample{Latency: time.Duration(ms * 1e6), Failed: random.Float64() < 0.01})
		}
		r.Sums()
		r.Restart(i + 1)
	}
	return r
}
