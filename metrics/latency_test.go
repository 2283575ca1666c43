package metrics

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestABucketHoldsWhatIsBetweenItsBounds(t *testing.T) {
	t.Parallel()
	for i := range latencyBuckets {
		from, to := latencyBound(i), latencyBound(i+1)
		if latencyBucket(from) != i || latencyBucket(to-1) != i {
			t.Errorf("bucket %d, %v to %v: they are in %d and %d", i, from, to, latencyBucket(from), latencyBucket(to-1))
		}
		if float64(to) > 1.126*float64(from) {
			t.Errorf("bucket %d is too wide: %v to %v", i, from, to)
		}
	}
	if latencyBucket(-1) != 0 || latencyBucket(0) != 0 || latencyBucket(time.Hour) != latencyBuckets-1 {
		t.Error("what is out of bounds is not in the last bucket on its side")
	}
}

func TestAQuantileIsCloseToThatOfTheDurations(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 1))
	var c latencyCounters
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(rnd.ExpFloat64() * float64(30*time.Millisecond))
		all = append(all, d)
		c.observe(d)
	}
	slices.Sort(all)
	l := c.read()
	f := func(q, within float64) {
		t.Helper()
		want := all[int(q*float64(len(all)-1))]
		if got := l.Quantile(q); float64(got) < float64(want)/(1+within) || float64(got) > float64(want)*(1+within) {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	f(0.01, 0.03)
	f(0.5, 0.03)
	f(0.95, 0.03)
	f(0.99, 0.03)
	f(1, 0.13) // the end of its bucket
	if l.Total() != uint64(len(all)) || new(Latencies).Quantile(0.5) != 0 {
		t.Errorf("there are %d", l.Total())
	}
}

func TestWhatAMeterHasCountedCanBeRead(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	m := p.Meter("shop", "v1")
	p.Meter("shop", "").Observe(&Observation{Status: 503})
	for _, o := range []Observation{
		{Status: 200, FirstByte: time.Millisecond}, {Status: 404, FirstByte: time.Second}, {Status: 502}, {Status: 499},
		{Status: 200, GRPC: GRPCStatus(13), FirstByte: time.Millisecond},
	} {
		m.Observe(&o)
	}
	all := p.Counts()
	got := all[Key{"shop", "v1"}]
	if len(all) != 1 || got.Requests != 5 || got.Failures != 2 || got.Canceled != 1 || got.FirstByte.Total() != 3 {
		t.Errorf("got %d of them, %d requests, %d failures, %d canceled, %d with a first byte", len(all), got.Requests, got.Failures, got.Canceled, got.FirstByte.Total())
	}
}
