package router

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"divvy/backends"
)

// First is what the split of a service without weights names: the version whose
// containers came first.
const First = "*"

// share is one entry of a split: a weight, and who may hold it. A tag can name
// several images when it was moved. The weight is then that of the image which
// is recorded for it, or else of the oldest, until that is gone.
type share struct {
	names      []string // of the split; several tags may mean one image
	weight     float64
	candidates []*Version // in the order in which they come into question
	follow     bool       // the first that can answer has it, not the first that runs
	seen       *Version   // the holder when the table was built
}

// holder returns the version that has the share now, nil if none runs.
func (s *share) holder() *Version {
	if s.follow {
		for _, v := range s.candidates {
			if v.Pool.Usable() {
				return v
			}
		}
	}
	for _, v := range s.candidates {
		if v.Pool.Present() {
			return v
		}
	}
	return nil
}

// newSplit turns weights into shares of the versions that they name. Versions
// are ordered by age; what was rolled back comes into question for nothing.
func newSplit(in Input, versions []*Version) []share {
	var eligible []*Version
	for _, v := range versions {
		if !v.RolledBack {
			eligible = append(eligible, v)
		}
	}
	if len(in.Weights) == 0 {
		return []share{{names: []string{First}, weight: 1, candidates: recordedFirst(eligible, in.Holders[First])}}
	}
	var shares []share
	for _, name := range sorted(in.Weights) {
		if in.Weights[name] == 0 {
			continue
		}
		s := share{names: []string{name}, weight: float64(in.Weights[name])}
		s.candidates = meant(in.Weights, name, eligible)
		if in.OnTagMove == Follow {
			slices.Reverse(s.candidates)
			s.follow = true
		} else {
			s.candidates = recordedFirst(s.candidates, in.Holders[name])
		}
		shares = addShare(shares, s)
	}
	return shares
}

// meant returns the versions that a name of a split means, in their order: those
// that it fits, but for those that another name speaks of more exactly.
func meant(weights map[string]int, name string, versions []*Version) []*Version {
	_, _, exact := strings.Cut(name, "@")
	var all []*Version
	for _, v := range versions {
		if v.Is(name) && (exact || !v.spokenOf(weights)) {
			all = append(all, v)
		}
	}
	return all
}

// spokenOf reports whether a name with a digest speaks of v.
func (v *Version) spokenOf(weights map[string]int) bool {
	for name := range weights {
		if strings.Contains(name, "@") && v.Is(name) {
			return true
		}
	}
	return false
}

// recordedFirst puts the version with an image in front.
func recordedFirst(versions []*Version, image string) []*Version {
	for i, v := range versions {
		if v.Key() == image {
			return slices.Concat(versions[i:i+1], versions[:i], versions[i+1:])
		}
	}
	return versions
}

// addShare appends s, or adds its weight to that of a share with the same
// candidates: two tags of one image.
func addShare(shares []share, s share) []share {
	if len(s.candidates) == 0 {
		return shares
	}
	for i := range shares {
		if slices.Equal(shares[i].candidates, s.candidates) {
			shares[i].weight += s.weight
			shares[i].names = append(shares[i].names, s.names...)
			return shares
		}
	}
	return append(shares, s)
}

// pick returns the version that the unit with this hash gets, nil if no version
// with weight has a usable backend, and the hash's first choice, which is another
// if it has no usable backend. It reports whether those have the weights who had
// them when the table was built.
func pick(shares []share, unit uint64) (chosen, first *Version, steady bool) {
	firstScore, chosenScore := math.Inf(1), math.Inf(1)
	steady = true
	for i := range shares {
		v := shares[i].holder()
		steady = steady && v == shares[i].seen
		if v == nil {
			continue
		}
		// The least -ln(h)/w is the greatest -w/ln(h), and an exponential
		// variable of rate w: the first of them to "arrive" is v with
		// probability w/Σw.
		score := -math.Log(unitInterval(mix(unit, v.hash))) / held(shares[i:], v)
		if score < firstScore {
			first, firstScore = v, score
		}
		if score < chosenScore && v.Pool.Usable() {
			chosen, chosenScore = v, score
		}
	}
	return chosen, first, steady
}

// held returns the weight of those shares that are held by v, the holder of the
// first: two tags may have one holder, and differ in who comes after it.
func held(shares []share, v *Version) float64 {
	weight := shares[0].weight
	for i := 1; i < len(shares); i++ {
		if len(shares[0].candidates)+len(shares[i].candidates) > 2 && shares[i].holder() == v {
			weight += shares[i].weight
		}
	}
	return weight
}

// unitInterval maps a hash to the middle of one of 2^53 equal parts of (0,1):
// neither end can come out, so its logarithm is finite and not zero.
func unitInterval(h uint64) float64 { return (float64(h>>11) + 0.5) / (1 << 53) }

// Share is what one version gets of its service's ordinary traffic at one
// moment.
type Share struct {
	// Weight is the version's weight as set, 0 if it is dark.
	Weight float64

	// Share is the effective part of all units, from 0 to 1, after versions
	// that cannot answer have passed theirs on.
	Share float64
}

// Shares returns the share of each version, in the order of s.Versions.
func (s *Service) Shares() []Share {
	out := make([]Share, len(s.Versions))
	total := 0.0
	for i := range s.shares {
		if v := s.shares[i].holder(); v != nil {
			out[v.Index].Weight += s.shares[i].weight
			if v.Pool.Usable() {
				out[v.Index].Share += s.shares[i].weight
				total += s.shares[i].weight
			}
		}
	}
	for i := range out {
		if total > 0 {
			out[i].Share /= total
		}
	}
	return out
}

// Is reports whether a name of a split, or an override, names the version: a
// tag, a tag and the first digits of the image ID.
func (v *Version) Is(name string) bool { return Fits(name, v.Tags, v.Pool.Version.Digest()) }

// Fits reports whether a name is that of a version with these tags and this
// digest; see [Version.Is].
func Fits(name string, tags []string, digest string) bool {
	tag, prefix, exact := strings.Cut(name, "@")
	return slices.Contains(tags, tag) && (!exact || beginsWith(digest, prefix))
}

func (v *Version) hasDigest(prefix string) bool { return beginsWith(v.Pool.Version.Digest(), prefix) }

// beginsWith reports whether a prefix is long enough to name a digest, and does.
func beginsWith(digest, prefix string) bool {
	prefix = strings.ToLower(strings.TrimPrefix(prefix, "sha256:"))
	return len(prefix) >= minDigest && strings.HasPrefix(digest, prefix)
}

// minDigest is the number of digits below which a prefix of a digest is no
// name.
const minDigest = 4

func sorted[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// newVersion makes the i-th version of a service.
func newVersion(i int, m backends.Member) *Version {
	v := m.Pool.Version
	return &Version{Index: i, Pool: m.Pool, Name: v.String(), Tags: m.Tags, hash: hashUnit(0, v.Key())}
}

// Key returns the identity of the version: its image ID, or the tag of a static
// one.
func (v *Version) Key() string { return v.Pool.Version.Key() }

// Holder is who has the weight of a name of the split.
type Holder struct {
	Image     string // Version.Key
	Contested bool   // others could have it, too
}

// Holders returns who has the weight of each name of the split that stays where
// it is when a tag moves, and that anybody can have.
func (s *Service) Holders() map[string]Holder {
	all := map[string]Holder{}
	for i := range s.shares {
		sh := &s.shares[i]
		v := sh.holder()
		if v == nil || sh.follow {
			continue
		}
		for _, name := range sh.names {
			all[name] = Holder{v.Key(), len(sh.candidates) > 1}
		}
	}
	return all
}

// Idle returns the names of the split that have weight and mean no version.
func (s *Service) Idle() []string { return s.idle }
