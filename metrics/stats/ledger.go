package stats

import (
	"errors"
	"fmt"
)

// Origin is who counted: one proxy from one start to its end.
type Origin struct{ Proxy, Boot string }

// Ledger holds what every origin has counted of one comparison. Each only ever
// adds to its own sums, so the latest of each is all there is to know, and
// ledgers may be merged in any order, late and twice: a grow-only counter
// (Shapiro, Preguiça, Baquero and Zawirski, INRIA RR-7506, section 3.1.1). An
// old ledger is just an earlier look, which verdicts are made for.
type Ledger struct {
	Key     Key
	Entries map[Origin]*Sums
}

// ErrOtherKey means that sums of different versions were about to be pooled.
var ErrOtherKey = errors.New("sums of other versions")

// NewLedger returns a ledger without entries.
func NewLedger(key Key) *Ledger {
	return &Ledger{Key: key, Entries: make(map[Origin]*Sums)}
}

// Put enters the sums of an origin, unless later ones are there. The ledger
// keeps s, which must not change any more.
func (l *Ledger) Put(o Origin, s *Sums) {
	if old := l.Entries[o]; old == nil || old.Revision < s.Revision {
		l.Entries[o] = s
	}
}

// Merge takes over what other knows better.
func (l *Ledger) Merge(other *Ledger) error {
	if l.Key != other.Key {
		return fmt.Errorf("merging statistics of %s: %w", l.Key.Service, ErrOtherKey)
	}
	for o, s := range other.Entries {
		l.Put(o, s)
	}
	return nil
}

// Total returns the sums of all origins.
func (l *Ledger) Total() *Sums {
	total := NewSums()
	for _, s := range l.Entries {
		total.Merge(s)
	}
	return total
}

// Proxies returns the sums of each proxy. A split that is off in one of them
// only tells which has old weights.
func (l *Ledger) Proxies() map[string]*Sums {
	all := make(map[string]*Sums)
	for o, s := range l.Entries {
		if all[o.Proxy] == nil {
			all[o.Proxy] = NewSums()
		}
		all[o.Proxy].Merge(s)
	}
	return all
}
