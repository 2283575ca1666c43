package router

import (
	"fmt"
	"time"
)

// pin remembers which version a unit was assigned to, and when. It is written in
// the cookie of the service behind the unit, signed:
//
//	0123456789abcdef.89abcdef01234567.65a0c3f1.0a1b2c3d.k3y1.MTIzNDU2Nzg5MDEyMzQ1Ng
//	unit             version          time     split    key  signature
//
// The split is the one that it was assigned by, see [Service.SplitID]: the unit is
// counted with its weights for as long as it stays.
//
// The unit is a random one that divvy issued or, where the unit is something
// else of the request, its hash: so a pin is good for nobody but its unit. What
// is not signed is no pin, and its unit is assigned by the hash alone, so that
// it is the same on proxies that do not share a key.
type pin struct {
	version uint64 // Version.hash
	since   time.Time
	split   uint32
	newest  bool // it was signed by the key that signs now
	ok      bool
}

const (
	pinPurpose = "pin"
	pinLen     = unitLen + 1 + 16 + 1 + 8 + 1 + 8
)

// readPin returns the pin of a unit, whose text stands in front of it.
func (s *Service) readPin(value, unit string) pin {
	if len(value) == unitLen {
		return pin{}
	}
	text, newest, ok := s.keys.verify(pinPurpose, s.Name, value)
	if !ok || len(text) != pinLen || text[:unitLen] != unit {
		return pin{}
	}
	version, ok1 := hexNumber(text[unitLen+1 : unitLen+17])
	since, ok2 := hexNumber(text[unitLen+18 : unitLen+26])
	split, ok3 := hexNumber(text[unitLen+27:])
	return pin{version, time.Unix(int64(since), 0), uint32(split), newest, ok1 && ok2 && ok3}
}

// writePin returns the value of the cookie that pins a unit.
func (s *Service) writePin(unit string, v *Version, since time.Time, split uint32) string {
	if !s.keys.can() {
		return ""
	}
	return s.keys.sign(pinPurpose, s.Name, fmt.Sprintf("%s.%016x.%08x.%08x", unit, v.hash, uint32(since.Unix()), split))
}

// pinnedTo returns the version that a unit stays with, nil if it is to be
// assigned anew.
func (s *Service) pinnedTo(p pin, q *Query) *Version {
	if !p.ok {
		return nil
	}
	for _, v := range s.Versions {
		if v.hash == p.version && s.stays(v, p, q) {
			return v
		}
	}
	return nil
}

// stays reports whether a unit that was assigned to v stays there.
func (s *Service) stays(v *Version, p pin, q *Query) bool {
	weighs := s.weighs(v)
	switch {
	case !weighs && !v.atZero:
		return false // drained, rolled back, or its tag is another's now
	case !weighs && s.keepAtZero:
		return true
	case len(s.rebalance) > 0 && !s.rebalances(q.Path()):
		return true
	case !weighs:
		return false
	}
	return s.fresh(p, q.Now)
}

// fresh reports whether the time to keep a version is not over.
func (s *Service) fresh(p pin, now time.Time) bool {
	return s.keep < 0 || now.Before(p.since.Add(s.keep))
}

// rebalances reports whether units may move with a request for this path.
func (s *Service) rebalances(path string) bool {
	for _, prefix := range s.rebalance {
		if hasPathPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// weighs reports whether a version has weight now.
func (s *Service) weighs(v *Version) bool {
	for i := range s.shares {
		if s.shares[i].holder() == v {
			return true
		}
	}
	return false
}
