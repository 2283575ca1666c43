package stats

import "sync/atomic"

// filter remembers which units were seen, in 1 MiB and for good. It is a
// blocked Bloom filter (Putze, Sanders and Singler, JEA 14, 2009): all bits of
// a key are in one line of the cache.
//
//	hash: line 14 bits | 4 × (word 3 bits, bit 6 bits)
//	line: 8 words of 64 bits
//
// A new unit that is taken for an old one is not counted, in whichever version
// it is. That costs a little data (one in 2,500 at 300,000 units, one in 50 at
// a million) and no validity. When half of the bits are set the filter is
// full: a test that stops then is still valid.
type filter struct {
	lines [filterLines]filterLine
	set   atomic.Int64 // bits
}

type filterLine [8]atomic.Uint64

const (
	filterLines = 1 << 14
	filterProbe = 4
	filterFull  = filterLines * 512 / 2
)

// first reports whether key is new, and remembers it. Of calls with one key
// within the same few nanoseconds several may be told that it is new.
func (f *filter) first(key uint64) bool {
	line := &f.lines[key>>50]
	added := 0
	for range filterProbe {
		word, bit := &line[key>>6&7], uint64(1)<<(key&63)
		if word.Load()&bit == 0 && word.Or(bit)&bit == 0 {
			added++
		}
		key >>= 9
	}
	if added > 0 {
		f.set.Add(int64(added))
	}
	return added > 0
}

func (f *filter) full() bool { return f.set.Load() >= filterFull }

// filterKey mixes the hash of a unit with what is asked about it, so that each
// has bits of its own. It is the finaliser of splitmix64 (Steele, Lea and
// Flood, OOPSLA 2014): hashes that were good stay good, and others become so.
func filterKey(unit uint64, about uint64) uint64 {
	x := unit + (about+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
