package timeline

import (
	"encoding/binary"

	"divvy/metrics"
)

// histogram is [metrics.Latencies] in few bytes, as most buckets are empty: for each
// that is not, how many lie between it and the one before, and what it has counted,
// both as varints. A minute of a version takes about a hundred bytes.
type histogram []byte

func pack(l *metrics.Latencies) (h histogram) {
	next := 0
	for i, n := range l {
		if n > 0 {
			h = binary.AppendUvarint(h, uint64(i-next))
			h = binary.AppendUvarint(h, n)
			next = i + 1
		}
	}
	return h
}

// addTo adds it to others. What is damaged ends it.
func (h histogram) addTo(all *metrics.Latencies) {
	for i := uint64(0); len(h) > 0; i++ {
		gap, n := binary.Uvarint(h)
		if n <= 0 {
			return
		}
		count, m := binary.Uvarint(h[n:])
		if i += gap; m <= 0 || gap >= uint64(len(all)) || i >= uint64(len(all)) {
			return
		}
		all[i] += count
		h = h[n+m:]
	}
}
