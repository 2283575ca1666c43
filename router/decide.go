package router

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Reason says why a request got its version.
type Reason string

// The reasons of a decision.
const (
	ByOverride Reason = "override" // the request named it and may do so
	ByRule     Reason = "rule"     // an audience rule matched
	ByPin      Reason = "pin"      // its unit was assigned to it before, and stays
	ByUnit     Reason = "unit"     // the hash of its unit
	ByRequest  Reason = "request"  // it has no unit: chance
	ByFailover Reason = "failover" // the version that it belongs to has no usable backend
	ByNone     Reason = "none"     // no version with weight has a usable backend
)

// Query is all that a decision depends on, besides the table.
type Query struct {
	Request

	// Random is a number drawn for this request alone. It stands in for the
	// unit of a request that has none.
	Random uint64

	// Now is when the request came.
	Now time.Time
}

// Decision is which version answers a request, and why.
type Decision struct {
	// Version is nil if no version can answer.
	Version *Version
	Reason  Reason

	// Rule is the index of the rule in Config.Rules that matched, if the reason
	// is ByRule, and its name.
	Rule     int
	RuleName string

	// By is what the unit was recognised by, as it is configured; "" if the
	// request has no unit, or it was not looked for.
	By string

	// Assigned is what is counted, see [Assignment].
	Assigned Assignment

	new   bool   // the unit was issued for this request
	issue string // the value that the service's cookie is to have, "" as it is
	grant string // the same of the cookie for overrides; noVersion: none
}

// Decide returns the version that answers a request. It does not block, and
// the same query gives the same decision for as long as the same versions are
// usable.
func (s *Service) Decide(q Query) Decision {
	var grant string
	if s.override.on {
		var v *Version
		if v, grant = s.overridden(&q); v != nil {
			return Decision{Version: v, Reason: ByOverride, grant: grant}
		}
	}
	if len(s.rules) > 0 {
		if r, v := s.ruled(&q); v != nil {
			return Decision{Version: v, Reason: ByRule, Rule: r.index, RuleName: r.name, grant: grant}
		}
	}
	u := s.unit(&q)
	d := s.assign(&q, &u)
	d.By, d.grant, d.new = u.by, grant, u.new
	return d
}

// unit is what a request was recognised by.
type unit struct {
	hash uint64
	by   string // "" if it has no unit
	text string // what stands for it in the cookie, "" if it is never written
	new  bool   // it was issued for this request
	pin  pin
}

// unit finds the request's unit by the first rule that has one.
func (s *Service) unit(q *Query) unit {
	for _, k := range s.sticky {
		if k.kind == "issued" {
			return s.issuedUnit(k, q)
		}
		var u unit
		if k.kind == "ip" {
			part, ok := address(q.Client())
			if !ok {
				continue
			}
			u = unit{hash: mix(s.salt, xxhash.Sum64(part[:])), by: k.text}
		} else if v := k.value(q.Request); v != "" {
			u = unit{hash: hashUnit(s.salt, v), by: k.text}
		} else {
			continue
		}
		if s.pins {
			u.pin = s.hashedPin(q.Cookie(s.cookie.name), u.hash)
		}
		return u
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], q.Random)
	return unit{hash: mix(s.salt, xxhash.Sum64(b[:]))}
}

// issuedUnit returns the unit in the service's cookie, or a new one.
func (s *Service) issuedUnit(k key, q *Query) unit {
	value := q.Cookie(k.name)
	if text, ok := unitIn(value); ok {
		u := unit{hash: hashUnit(s.salt, text), by: k.text, text: text}
		if s.pins {
			u.pin = s.readPin(value, text)
		}
		return u
	}
	text := newUnit(q.Random)
	return unit{hash: hashUnit(s.salt, text), by: k.text, text: text, new: true}
}

// hashedPin returns the pin of a unit that the cookie has the hash of.
func (s *Service) hashedPin(value string, hash uint64) pin {
	text, ok := unitIn(value)
	if !ok {
		return pin{}
	}
	if n, _ := hexNumber(text); n != hash {
		return pin{}
	}
	return s.readPin(value, text)
}

// assign finds the version of a unit: the one that it is pinned to, or else the
// one that the hash says.
func (s *Service) assign(q *Query, u *unit) Decision {
	pinned := s.pinnedTo(u.pin, q)
	if pinned != nil && pinned.Pool.Usable() {
		d := Decision{Version: pinned, Reason: ByPin, Assigned: u.assigned(pinned, u.pin.split)}
		if !u.pin.newest {
			d.issue = s.cookieOf(u, pinned, u.pin.since, u.pin.split)
		}
		return d
	}
	v, first, steady := pick(s.shares, u.hash)
	var assigned Assignment
	switch {
	case pinned != nil:
		assigned = u.assigned(pinned, u.pin.split)
	case steady:
		assigned = u.assigned(first, s.splitID)
	}
	switch {
	case v == nil:
		return Decision{Reason: ByNone, Assigned: assigned}
	case v != first || pinned != nil:
		// For as long as it lasts: the cookie stays as it is.
		d := Decision{Version: v, Reason: ByFailover, Assigned: assigned}
		if u.new {
			d.issue = u.text
		}
		return d
	}
	d := Decision{Version: v, Reason: ByRequest, Assigned: assigned}
	if u.by != "" {
		d.Reason = ByUnit
	}
	switch {
	case s.pins && u.by != "" && !s.pinHolds(u.pin, v, q):
		since := q.Now
		if s.keep == 0 && u.pin.ok && u.pin.version == v.hash {
			since = u.pin.since // only the key has changed
		}
		d.issue = s.cookieOf(u, v, since, s.splitID)
	case u.new:
		d.issue = u.text
	}
	return d
}

// pinHolds reports whether a pin says what is so, for some time to come. Where units
// move on some requests only, it also says which weights were in force at the last of
// them: those that stayed then were decided about as well as those that moved.
func (s *Service) pinHolds(p pin, v *Version, q *Query) bool {
	return p.ok && p.newest && p.version == v.hash && (s.keep == 0 || s.fresh(p, q.Now)) &&
		(len(s.rebalance) == 0 || p.split == s.splitID)
}

// cookieOf returns the value of the cookie that pins a unit or, without a key,
// just keeps it.
func (s *Service) cookieOf(u *unit, v *Version, since time.Time, split uint32) string {
	text := u.text
	if text == "" {
		text = fmt.Sprintf("%016x", u.hash)
	}
	if signed := s.writePin(text, v, since, split); signed != "" {
		return signed
	}
	if u.new {
		return u.text
	}
	return ""
}

// find returns the usable version of this name: a tag, a tag and a prefix of its
// digest, or the prefix alone, in this order. Of several it is the one that has
// the name's weight, or else the oldest.
func (s *Service) find(name string) *Version {
	for i := range s.shares {
		sh := &s.shares[i]
		if len(sh.candidates) > 1 && slices.Contains(sh.names, name) {
			if v := sh.holder(); v != nil && v.Pool.Usable() {
				return v
			}
		}
	}
	for _, v := range s.Versions {
		if v.Is(name) && v.Pool.Usable() {
			return v
		}
	}
	for _, v := range s.Versions {
		if v.hasDigest(name) && v.Pool.Usable() {
			return v
		}
	}
	return nil
}
