package stats

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
)

// A ledger is stored as
//
//	"DVST" | format 1 | key: 5 texts
//	number of origins | each: proxy, boot, sums
//	checksum of all before, CRC-32C, 4 bytes, little endian
//
//	sums:      revision, lost
//	           number of strata | each: stratum, requests of stable, of candidate
//	           number of scopes | each: number, full,
//	             number of strata | each: stratum, tally of stable, of candidate
//	           slots, number of strata | each: stratum, bursts: 4 counts and 2 signed each
//	requests:  5 counts, 2 histograms
//	histogram: number of buckets in use | each: buckets since the last, count
//	tally:     number of counts, counts
//
// where a text is its length and its bytes, and a number a varint. Equal
// ledgers give equal bytes.
const (
	storedMagic  = "DVST"
	storedFormat = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged means that stored sums are not what was written.
var ErrDamaged = errors.New("damaged")

// MarshalBinary implements [encoding.BinaryMarshaler].
func (l *Ledger) MarshalBinary() ([]byte, error) {
	e := encoder{append([]byte(storedMagic), storedFormat)}
	e.texts(l.Key.Service, l.Key.Stable.Image, l.Key.Stable.Fingerprint, l.Key.Candidate.Image, l.Key.Candidate.Fingerprint)
	e.number(uint64(len(l.Entries)))
	for _, o := range slices.SortedFunc(maps.Keys(l.Entries), compareOrigins) {
		e.texts(o.Proxy, o.Boot)
		e.sums(l.Entries[o])
	}
	return binary.LittleEndian.AppendUint32(e.out, crc32.Checksum(e.out, castagnoli)), nil
}

// UnmarshalBinary implements [encoding.BinaryUnmarshaler]. If it returns an
// error, l is as it was.
func (l *Ledger) UnmarshalBinary(data []byte) error {
	const head = len(storedMagic) + 1
	switch {
	case len(data) < head+4 || string(data[:len(storedMagic)]) != storedMagic:
		return fmt.Errorf("reading statistics: %w: not a ledger", ErrDamaged)
	case data[head-1] != storedFormat:
		return fmt.Errorf("reading statistics: format %d is not known, only %d is", data[head-1], storedFormat)
	}
	body, sum := data[:len(data)-4], data[len(data)-4:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return fmt.Errorf("reading statistics: %w: the checksum is wrong", ErrDamaged)
	}
	d := decoder{in: body[head:]}
	read := d.ledger()
	if d.bad != "" {
		return fmt.Errorf("reading statistics: %w: %s, %d bytes before the end", ErrDamaged, d.bad, len(d.in))
	}
	*l = *read
	return nil
}

func compareOrigins(a, b Origin) int {
	return cmp.Or(cmp.Compare(a.Proxy, b.Proxy), cmp.Compare(a.Boot, b.Boot))
}

func compareStrata(a, b Stratum) int {
	return cmp.Or(cmp.Compare(a.Stable, b.Stable), cmp.Compare(a.Candidate, b.Candidate),
		cmp.Compare(a.Slow95, b.Slow95), cmp.Compare(a.Slow99, b.Slow99))
}

// scalars returns the counts of requests in the order in which they are stored.
func (r *Requests) scalars() []*uint64 {
	return []*uint64{&r.Silent, &r.Errors, &r.Elsewhere, &r.Bytes, &r.Nanoseconds}
}
