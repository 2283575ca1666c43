package stats

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Counters that all processors add to are torn back and forth between their
// caches. So each counter exists several times, in lines of the cache of its
// own: a request adds to one of these stripes, and who reads adds them up.
// A stripe is made when it is first used, so that a quiet service stays small.
type striped[T any] struct {
	stripes [maxStripes]atomic.Pointer[T]
}

const maxStripes = 8 // a power of two

// stripeMask bounds the number of stripes by that of processors.
func stripeMask() uint32 {
	n := uint32(1)
	for n < maxStripes && int(n) < runtime.GOMAXPROCS(0) {
		n *= 2
	}
	return n - 1
}

// stripeOf returns a number to choose stripes by. Go does not tell which
// processor a goroutine runs on. But a connection keeps its memory, so where x
// is says whose request it is, and those that run at the same time differ.
// (1 ns, where a random number takes 6.)
func stripeOf(x *Sample) uint32 {
	const golden = 0x9e3779b97f4a7c15 // Fibonacci hashing: the top bits depend on all
	return uint32(uint64(uintptr(unsafe.Pointer(x))) * golden >> 56)
}

// at returns a stripe.
func (s *striped[T]) at(i uint32) *T {
	if t := s.stripes[i].Load(); t != nil {
		return t
	}
	s.stripes[i].CompareAndSwap(nil, new(T))
	return s.stripes[i].Load()
}

// all calls yield with each stripe that exists.
func (s *striped[T]) all(yield func(*T) bool) {
	for i := range s.stripes {
		if t := s.stripes[i].Load(); t != nil && !yield(t) {
			return
		}
	}
}
