package router

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"divvy/backends"
)

// share is one entry of a split: a weight, and who may hold it. A tag can name
// several images when it was moved; the weight is then the oldest one's until
// that is gone.
type share struct {
	weight     float64
	candidates []*Version // the oldest first
}

// holder returns the version that has the share now, nil if none runs.
func (s *share) holder() *Version {
	for _, v := range s.candidates {
		if v.Pool.Present() {
			return v
		}
	}
	return nil
}

// newSplit turns weights into shares of the versions that they name. Versions
// are ordered by age.
func newSplit(weights map[string]int, versions []*Version) []share {
	if len(weights) == 0 {
		return []share{{weight: 1, candidates: versions}}
	}
	named := map[*Version]bool{} // versions that a key with a digest speaks of
	for key := range weights {
		if _, _, exact := strings.Cut(key, "@"); exact {
			for _, v := range versions {
				named[v] = named[v] || v.is(key)
			}
		}
	}
	var shares []share
	for _, key := range sorted(weights) {
		_, _, exact := strings.Cut(key, "@")
		var candidates []*Version
		for _, v := range versions {
			if v.is(key) && (exact || !named[v]) {
				candidates = append(candidates, v)
			}
		}
		shares = addShare(shares, share{float64(weights[key]), candidates})
	}
	return shares
}

// addShare appends s, or adds its weight to that of a share with the same
// candidates: two tags of one image.
func addShare(shares []share, s share) []share {
	if s.weight == 0 || len(s.candidates) == 0 {
		return shares
	}
	for i := range shares {
		if slices.Equal(shares[i].candidates, s.candidates) {
			shares[i].weight += s.weight
			return shares
		}
	}
	return append(shares, s)
}

// pick returns the version that the unit with this hash gets, nil if no version
// with weight has a usable backend. It reports whether that is another than
// the hash's first choice because the first choice has no usable backend.
func pick(shares []share, unit uint64) (chosen *Version, failover bool) {
	var first *Version
	firstScore, chosenScore := math.Inf(1), math.Inf(1)
	for i := range shares {
		v := shares[i].holder()
		if v == nil {
			continue
		}
		// The least -ln(h)/w is the greatest -w/ln(h), and an exponential
		// variable of rate w: the first of them to "arrive" is v with
		// probability w/Σw.
		score := -math.Log(unitInterval(mix(unit, v.hash))) / shares[i].weight
		if score < firstScore {
			first, firstScore = v, score
		}
		if score < chosenScore && v.Pool.Usable() {
			chosen, chosenScore = v, score
		}
	}
	return chosen, chosen != first
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

// is reports whether a key of the weights, or an override, names the version:
// a tag, a tag and a prefix of the digest.
func (v *Version) is(key string) bool {
	tag, digest, exact := strings.Cut(key, "@")
	return slices.Contains(v.Tags, tag) && (!exact || v.hasDigest(digest))
}

func (v *Version) hasDigest(prefix string) bool {
	prefix = strings.ToLower(strings.TrimPrefix(prefix, "sha256:"))
	return len(prefix) >= minDigest && strings.HasPrefix(v.Pool.Version.Digest(), prefix)
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
