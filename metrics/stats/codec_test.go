package stats

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"reflect"
	"testing"
	"time"
)

// filled returns a ledger of two proxies with something in every field.
func filled() *Ledger {
	l := NewLedger(shop)
	for i, proxy := range []string{"a", "b"} {
		r := NewRecorder(shop, true, nil)
		for unit := range uint64(3000) {
			x := Sample{
				Unit: unit + 1, Latency: time.Duration(unit) * 20 * time.Microsecond, Bytes: 10,
				Failed: unit%7 == 0, Canceled: unit%11 == 0, Elsewhere: unit%13 == 0, Goals: uint8(unit % 4),
			}
			request(r.Split(95, uint32(5+i)), Side(unit&1), &x)
			if unit%1000 == 999 {
				r.Sums()
				r.Restart(uint32(unit/1000) + 1)
			}
		}
		l.Put(Origin{proxy, "1"}, r.Sums())
	}
	return l
}

func TestALedgerIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	l, read := filled(), new(Ledger)
	data, err := l.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if err := read.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(read, l) {
		t.Error("what was read is not what was written")
	}
	again, _ := read.MarshalBinary()
	if !bytes.Equal(again, data) {
		t.Error("equal ledgers are written differently")
	}
	if len(data) > 16<<10 {
		t.Errorf("%d bytes for four strata", len(data))
	}
}

// What an older divvy has stored stays readable. If the format changes, so does
// its number, and this file stays as it is.
func TestTheFirstFormatStaysReadable(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/ledger.v1")
	if err != nil {
		t.Fatal(err)
	}
	got, want := new(Ledger), NewLedger(shop)
	want.Put(Origin{"a", "boot"}, anySums(2))
	want.Put(Origin{"b", "boot"}, anySums(5))
	if err := got.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got.Total(), want.Total())
	}
}

func TestADamagedLedgerIsRefused(t *testing.T) {
	t.Parallel()
	good, _ := filled().MarshalBinary()
	f := func(what string, data []byte, want string) {
		t.Helper()
		l := NewLedger(shop)
		err := l.UnmarshalBinary(data)
		if err == nil || err.Error() != "reading statistics: "+want {
			t.Errorf("%s: got %v, want %s", what, err, want)
		}
		if l.Key != shop {
			t.Errorf("%s: the ledger was changed", what)
		}
	}
	f("nothing", nil, "damaged: not a ledger")
	f("a text", []byte("{\"format\": 1}"), "damaged: not a ledger")
	f("half", good[:len(good)/2], "damaged: the checksum is wrong")
	f("of tomorrow", append([]byte("DVST\x02"), good[5:]...), "format 2 is not known, only 1 is")
	f("empty", sealed(nil), "damaged: a number is cut off or too long, 0 bytes before the end")
	f("half a text", sealed([]byte{4, 'a', 'b', 'c'}), "damaged: a text is cut off, 3 bytes before the end")
	f("too many origins", sealed([]byte{0, 0, 0, 0, 0, 99}), "damaged: a number is out of its range, 1 bytes before the end")
	f("longer", sealed([]byte{0, 0, 0, 0, 0, 0, 1}), "damaged: something follows, 1 bytes before the end")
	for i := range good {
		flipped := bytes.Clone(good)
		flipped[i] ^= 4
		if err := new(Ledger).UnmarshalBinary(flipped); err == nil {
			t.Fatalf("byte %d was flipped and nobody noticed", i)
		}
	}
}

// sealed makes a file of a body, with the right checksum.
func sealed(body []byte) []byte {
	out := append([]byte("DVST\x01"), body...)
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// Whatever has a good checksum is read without harm, and what is read can be
// written and read again.
func FuzzLedger(f *testing.F) {
	good, _ := filled().MarshalBinary()
	empty, _ := NewLedger(shop).MarshalBinary()
	for _, seed := range [][]byte{good, empty} {
		f.Add(seed[5 : len(seed)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		l := new(Ledger)
		if err := l.UnmarshalBinary(sealed(body)); err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%v is no damage", err)
			}
			return
		}
		data, _ := l.MarshalBinary()
		again := new(Ledger)
		if err := again.UnmarshalBinary(data); err != nil || !reflect.DeepEqual(again, l) {
			t.Errorf("it reads differently the second time: %v", err)
		}
	})
}
