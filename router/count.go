package router

import (
	"cmp"
	"encoding/binary"
	"slices"

	"divvy/metrics/stats"

	"github.com/cespare/xxhash/v2"
)

// Arm is where the requests of a version are counted in one comparison.
type Arm struct {
	Split *stats.Split
	Side  stats.Side
}

// Counting says where requests are counted that chance gave to a version. It is made
// when a table is built, so that a request looks nothing up.
type Counting struct {
	// Now has the arms of each version, by its Index: those of units that the
	// weights in force decide about.
	Now [][]Arm

	// Then has them by an earlier split that units were pinned under, see
	// [Service.SplitID]. What was decided by any other is not counted.
	Then map[uint32][][]Arm
}

// Assignment is what chance gave to a request, and is to be counted. There is none
// if chance had no part in it: an override, an audience rule.
type Assignment struct {
	Version *Version // nil for none; another one may answer
	Arms    []Arm    // at most MaxCandidates
	Unit    uint64   // a hash, 0 if the request is its own unit
}

// Count has the requests of the service counted. It is called before the table is
// used.
func (s *Service) Count(c Counting) { s.counting = c }

// Holding is a version that has weight.
type Holding struct {
	Version *Version
	Weight  uint32
}

// Holdings returns the versions that had weight when the service was built, in the
// order of s.Versions.
func (s *Service) Holdings() []Holding {
	var all []Holding
	for _, v := range s.Versions {
		if w := s.weightOf(v); w > 0 {
			all = append(all, Holding{v, w})
		}
	}
	return all
}

func (s *Service) weightOf(v *Version) (weight uint32) {
	for i := range s.shares {
		if s.shares[i].seen == v {
			weight += uint32(s.shares[i].weight)
		}
	}
	return weight
}

// SplitID stands for who had which weight when the service was built: the same for
// the same versions and weights, on every proxy.
func (s *Service) SplitID() uint32 { return s.splitID }

// splitIDOf makes the identifier of a split.
func splitIDOf(all []Holding) uint32 {
	var b []byte
	slices.SortFunc(all, func(a, b Holding) int { return cmp.Compare(a.Version.hash, b.Version.hash) })
	for _, h := range all {
		b = binary.LittleEndian.AppendUint64(b, h.Version.hash)
		b = binary.LittleEndian.AppendUint32(b, h.Weight)
	}
	return uint32(xxhash.Sum64(b))
}

// assigned returns what is counted of a unit that the hash gave to v by the weights
// in force. Steady says that they are those that the table was built for.
func (s *Service) assigned(v *Version, steady bool, u *unit) Assignment {
	if !steady {
		return Assignment{}
	}
	return s.counts(s.counting.Now, v, u)
}

// pinned returns what is counted of a unit that was given to v before.
func (s *Service) pinned(v *Version, u *unit) Assignment {
	if u.pin.split == s.splitID {
		return s.counts(s.counting.Now, v, u)
	}
	return s.counts(s.counting.Then[u.pin.split], v, u)
}

func (s *Service) counts(arms [][]Arm, v *Version, u *unit) Assignment {
	if v == nil {
		return Assignment{}
	}
	a := Assignment{Version: v}
	if v.Index < len(arms) {
		a.Arms = arms[v.Index]
	}
	if u.by != "" {
		a.Unit = u.hash
	}
	return a
}
