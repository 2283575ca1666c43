package stats

import (
	"errors"
	"reflect"
	"testing"
)

// revised returns sums with a revision.
func revised(seed, revision uint64) *Sums {
	s := anySums(seed)
	s.Revision = revision
	return s
}

func TestOnlyTheLatestOfEachOriginCounts(t *testing.T) {
	t.Parallel()
	a1, a2, b := revised(1, 1), revised(2, 2), revised(3, 1)
	l := NewLedger(shop)
	for _, s := range []*Sums{a2, a1, a2} { // late and twice
		l.Put(Origin{"a", "boot"}, s)
	}
	l.Put(Origin{"b", "boot"}, b)
	if got, want := l.Total(), merged(a2, b); !reflect.DeepEqual(got, want) {
		t.Errorf("the total is %v, want %v", got, want)
	}
}

func TestARestartedProxyKeepsWhatItHadCounted(t *testing.T) {
	t.Parallel()
	before, after, other := revised(1, 9), revised(2, 1), revised(3, 1)
	l := NewLedger(shop)
	l.Put(Origin{"a", "first"}, before)
	l.Put(Origin{"a", "second"}, after)
	l.Put(Origin{"b", "first"}, other)
	if got, want := l.Proxies()["a"], merged(before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("proxy a has %v, want %v", got, want)
	}
}

func TestLedgersMergeInAnyOrder(t *testing.T) {
	t.Parallel()
	ledger := func(seed, a, b uint64) *Ledger {
		l := NewLedger(shop)
		l.Put(Origin{"a", "boot"}, revised(a, a))
		l.Put(Origin{"b", "boot"}, revised(b, b))
		l.Put(Origin{"c", string(rune('0' + seed))}, revised(seed, 1))
		return l
	}
	all := func(order ...int) *Ledger {
		given := []*Ledger{ledger(0, 1, 5), ledger(1, 3, 2), ledger(2, 2, 3)}
		l := NewLedger(shop)
		for _, i := range order {
			if err := l.Merge(given[i]); err != nil {
				t.Fatal(err)
			}
		}
		return l
	}
	want := all(0, 1, 2)
	for _, order := range [][]int{{2, 1, 0}, {1, 0, 2}, {0, 0, 1, 2, 1}, {2, 2, 0, 1, 0}} {
		if !reflect.DeepEqual(all(order...), want) {
			t.Errorf("merged in the order %v it is another ledger", order)
		}
	}
}

func TestDifferentImagesAreNeverPooled(t *testing.T) {
	t.Parallel()
	moved := shop
	moved.Candidate.Image = "sha256:cc"
	drifted := shop
	drifted.Stable.Fingerprint = "f2"
	for _, key := range []Key{moved, drifted} {
		l, other := NewLedger(shop), NewLedger(key)
		other.Put(Origin{"a", "boot"}, revised(1, 1))
		if err := l.Merge(other); !errors.Is(err, ErrOtherKey) || len(l.Entries) > 0 {
			t.Errorf("merging %v into %v: %v", key, shop, err)
		}
	}
}
