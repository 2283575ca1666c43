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
	Unit    uint64   // a hash, 0 if the request is its own unit

	split uint32 // whose weights decided, see Service.SplitID
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

// Arms returns where an assignment is counted: nowhere if its split is not remembered,
// at most in MaxCandidates comparisons otherwise.
func (s *Service) Arms(a Assignment) []Arm {
	arms := s.counting.Now
	if a.split != s.splitID {
		arms = s.counting.Then[a.split]
	}
	if a.Version == nil || a.Version.Index >= len(arms) {
		return nil
	}
	return arms[a.Version.Index]
}

// assigned returns the assignment of a unit to v by a split.
func (u *unit) assigned(v *Version, split uint32) Assignment {
	a := Assignment{Version: v, split: split}
	if u.by != "" {
		a.Unit = u.hash
	}
	return a
}
