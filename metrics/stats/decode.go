package stats

import (
	"encoding/binary"
	"math"
)

// decoder reads what codec.go draws. After the first thing that is wrong, bad
// says what it was, and everything reads as zero.
type decoder struct {
	in  []byte
	bad string
}

func (d *decoder) fail(what string) {
	if d.bad == "" {
		d.bad = what
	}
}

// number reads a number of at most limit.
func (d *decoder) number(limit uint64) uint64 {
	n, size := binary.Uvarint(d.in)
	switch {
	case d.bad != "":
		return 0
	case size <= 0:
		d.fail("a number is cut off or too long")
		return 0
	case n > limit:
		d.fail("a number is out of its range")
		return 0
	}
	d.in = d.in[size:]
	return n
}

func (d *decoder) count() uint64 { return d.number(math.MaxUint64) }

func (d *decoder) text() string {
	n := d.count()
	if n > uint64(len(d.in)) {
		d.fail("a text is cut off")
		return ""
	}
	s := string(d.in[:n])
	d.in = d.in[n:]
	return s
}

// repeat reads a number and calls f so often. Nothing is stored in less than a
// byte, so a number above what is left is wrong.
func (d *decoder) repeat(f func()) {
	for n := d.number(uint64(len(d.in))); n > 0 && d.bad == ""; n-- {
		f()
	}
}

func (d *decoder) ledger() *Ledger {
	l := NewLedger(Key{d.text(), Version{d.text(), d.text()}, Version{d.text(), d.text()}})
	d.repeat(func() {
		o := Origin{d.text(), d.text()}
		l.Entries[o] = d.sums()
	})
	if len(d.in) > 0 {
		d.fail("something follows")
	}
	return l
}

func (d *decoder) sums() *Sums {
	s := NewSums()
	s.Revision, s.Lost = d.count(), d.count()
	d.repeat(func() {
		pair := new(Pair[Requests])
		s.Strata[d.stratum()] = pair
		for side := range pair {
			d.requests(&pair[side])
		}
	})
	d.repeat(func() {
		d.scope(s.scope(uint32(d.number(math.MaxUint32))))
	})
	s.Slots = d.count()
	d.repeat(func() {
		bursts := entry(s.Bursts, d.stratum())
		for i := range bursts {
			bursts[i] = Burst{d.count(), d.count(), d.count(), d.count(), d.signed(), d.signed()}
		}
	})
	return s
}

func (d *decoder) signed() int64 {
	n, size := binary.Varint(d.in)
	if d.bad == "" && size <= 0 {
		d.fail("a number is cut off or too long")
	}
	if d.bad != "" {
		return 0
	}
	d.in = d.in[size:]
	return n
}

func (d *decoder) scope(s *ScopeSums) {
	s.Full = d.number(1) == 1
	d.repeat(func() {
		pair := entry(s.Tallies, d.stratum())
		for side := range pair {
			d.tally(&pair[side])
		}
	})
}

func (d *decoder) tally(t *Tally) {
	if d.number(tallyLen) != tallyLen {
		d.fail("a tally is too short")
	}
	for i := range t {
		t[i] = d.count()
	}
}

func (d *decoder) stratum() Stratum {
	return Stratum{
		uint32(d.number(math.MaxUint32)), uint32(d.number(math.MaxUint32)),
		int16(uint16(d.number(math.MaxUint16))), int16(uint16(d.number(math.MaxUint16))),
	}
}

func (d *decoder) requests(r *Requests) {
	for _, n := range r.scalars() {
		*n = d.count()
	}
	d.histogram(&r.Latency)
	d.histogram(&r.Firsts)
}

func (d *decoder) histogram(h *Histogram) {
	index := firstBucket
	d.repeat(func() {
		index += int(d.number(uint64(lastBucket - index)))
		h.Add(index, d.count())
	})
}
