package proxy

import "sync"

// Sizes of the buffers that bytes pass through. A small one holds the usual
// head of a request, a large one as much of a body as is worth a system call.
const (
	smallSize = 4 << 10
	largeSize = 64 << 10
)

// memory lends buffers. Connections hold one only while there are bytes in it,
// so that those that are idle cost next to nothing.
type memory struct {
	small, large sync.Pool // of *[smallSize]byte and *[largeSize]byte
}

// get returns a buffer of at least this size.
func (m *memory) get(size int) []byte {
	switch {
	case size <= smallSize:
		if b, ok := m.small.Get().(*[smallSize]byte); ok {
			return b[:]
		}
		return make([]byte, smallSize)
	case size <= largeSize:
		if b, ok := m.large.Get().(*[largeSize]byte); ok {
			return b[:]
		}
		return make([]byte, largeSize)
	default:
		return make([]byte, size)
	}
}

// put takes a buffer back.
func (m *memory) put(b []byte) {
	switch cap(b) {
	case smallSize:
		m.small.Put((*[smallSize]byte)(b[:smallSize]))
	case largeSize:
		m.large.Put((*[largeSize]byte)(b[:largeSize]))
	}
}

// buffer is bytes that have come and were not used yet.
//
//	data  ........[ bytes ].........
//	              r        w
type buffer struct {
	data []byte
	r, w int

	// lent says that somebody else still needs what stands before r, and gives
	// the memory back: nothing may be moved or written there.
	lent bool
}

func (b *buffer) bytes() []byte { return b.data[b.r:b.w] }
func (b *buffer) len() int      { return b.w - b.r }
func (b *buffer) skip(n int)    { b.r += n }

// lend gives the memory before r away. What is behind r stays.
func (b *buffer) lend() []byte {
	m := b.data
	if b.lent = true; b.r == b.w {
		*b = buffer{}
	}
	return m
}

// regain takes memory back that was lent, and moves to its beginning what is
// left of the bytes in it. It reports whether the buffer has use for it.
func (b *buffer) regain(m []byte) bool {
	if !b.lent || b.r == b.w {
		if b.lent {
			*b = buffer{}
		}
		return false
	}
	n := copy(m, b.bytes())
	*b = buffer{data: m, w: n}
	return true
}

// release gives the memory of a buffer without bytes back.
func (b *buffer) release(m *memory) {
	if b.r != b.w {
		return
	}
	if b.data != nil && !b.lent {
		m.put(b.data)
	}
	*b = buffer{}
}

// room makes room for more bytes behind w: in memory of this size or, if that
// is full, of twice the present size.
func (b *buffer) room(m *memory, size int) {
	switch {
	case b.data == nil:
		b.data = m.get(size)
	case !b.lent && b.r == b.w:
		b.r, b.w = 0, 0
	case !b.lent && b.w < len(b.data):
	case !b.lent && b.r > 0:
		b.w = copy(b.data, b.bytes())
		b.r = 0
	default:
		if !b.lent {
			size = 2 * len(b.data)
		}
		old := *b
		b.data, b.lent = m.get(max(size, old.len()+1)), false
		b.r, b.w = 0, copy(b.data, old.bytes())
		if !old.lent {
			m.put(old.data)
		}
	}
}
