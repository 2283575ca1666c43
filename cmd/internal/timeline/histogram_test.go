package timeline

import (
	"math"
	"testing"

	"divvy/metrics"
)

func TestLatenciesAreKeptInFewBytes(t *testing.T) {
	t.Parallel()
	f := func(want metrics.Latencies, most int) {
		t.Helper()
		h := pack(&want)
		if len(h) > most {
			t.Errorf("%d bytes, want at most %d", len(h), most)
		}
		var got metrics.Latencies
		h.addTo(&got)
		h.addTo(&got)
		for i := range want {
			want[i] *= 2
		}
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	f(metrics.Latencies{}, 0)
	f(metrics.Latencies{1}, 2)
	f(metrics.Latencies{0, 5, 0, 7, 300}, 8)
	var usual, worst metrics.Latencies
	for i := 90; i < 130; i++ {
		usual[i] = uint64(i)
	}
	for i := range worst {
		worst[i] = math.MaxInt64 / 4
	}
	f(usual, 100)
	f(worst, 224*10)
}

func FuzzADamagedHistogramDoesNoHarm(f *testing.F) {
	whole := pack(&metrics.Latencies{0, 5, 0, 7, 300})
	f.Add([]byte(whole))
	f.Add([]byte(whole[:3]))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1})
	f.Add([]byte{223, 1, 1, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		var all metrics.Latencies
		histogram(data).addTo(&all)
	})
}
