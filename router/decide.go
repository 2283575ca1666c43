package router

import (
	"encoding/binary"
	"net/netip"

	"github.com/cespare/xxhash/v2"
)

// OverrideHeader is the field by which a request names its version.
const OverrideHeader = "Divvy-Version"

// Reason says why a request got its version.
type Reason string

// The reasons of a decision.
const (
	ByOverride Reason = "override" // the request named it and may do so
	ByUnit     Reason = "unit"     // the hash of its unit
	ByRequest  Reason = "request"  // it has no unit: chance
	ByFailover Reason = "failover" // the hash's choice has no usable backend
	ByNone     Reason = "none"     // no version with weight has a usable backend
)

// Query is all that a decision depends on, besides the table.
type Query struct {
	Request

	// Random is a number drawn for this request alone. It stands in for the
	// unit of a request that has none.
	Random uint64
}

// Decision is which version answers a request, and why.
type Decision struct {
	// Version is nil if no version can answer.
	Version *Version
	Reason  Reason

	// Issue is a new unit to be set as the service's cookie, "" for none.
	Issue string
}

// Decide returns the version that answers a request. It does not block, and
// the same query gives the same decision for as long as the same versions are
// usable.
func (s *Service) Decide(q Query) Decision {
	if len(s.override) > 0 {
		if v := s.overridden(q); v != nil {
			return Decision{Version: v, Reason: ByOverride}
		}
	}
	unit, issue, known := s.unit(q)
	v, failover := pick(s.shares, unit)
	d := Decision{Version: v, Issue: issue}
	switch {
	case v == nil:
		d.Reason, d.Issue = ByNone, ""
	case failover:
		d.Reason = ByFailover
	case known:
		d.Reason = ByUnit
	default:
		d.Reason = ByRequest
	}
	return d
}

// unit returns the hash of the request's unit by the first rule that finds
// one, the unit to issue if there is to be a new one, and whether the request
// has a unit at all.
func (s *Service) unit(q Query) (hash uint64, issue string, known bool) {
	for _, k := range s.sticky {
		if k.kind == "ip" {
			if part, ok := address(q.Client()); ok {
				return mix(s.salt, xxhash.Sum64(part[:])), "", true
			}
			continue
		}
		if v := k.value(q.Request); v != "" {
			return hashUnit(s.salt, v), "", true
		}
		if k.kind == "issued" {
			issue = newUnit(q.Random)
			return hashUnit(s.salt, issue), issue, true
		}
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], q.Random)
	return mix(s.salt, xxhash.Sum64(b[:])), "", false
}

// overridden returns the usable version that the request names, nil if it
// names none or may not.
func (s *Service) overridden(q Query) *Version {
	name := q.Header(OverrideHeader)
	if name == "" || !contains(s.override, q.Client()) {
		return nil
	}
	return s.find(name)
}

// find returns the usable version of this name: a tag, a tag and a prefix of
// its digest, or the prefix alone, in this order. Of several the oldest.
func (s *Service) find(name string) *Version {
	for _, v := range s.Versions {
		if v.is(name) && v.Pool.Usable() {
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

func contains(networks []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap()
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
