package stats

import "math"

// Version is what ran: the image and the fingerprint of what else shapes its
// behaviour. A name is no identity, for it can be moved.
type Version struct{ Image, Fingerprint string }

// Key says what is compared. Results of different keys are never added up.
type Key struct {
	Service           string
	Stable, Candidate Version
}

// Side is one of the two versions of a comparison.
type Side int

// The sides.
const (
	Stable Side = iota
	Candidate
)

// Pair has something for each side.
type Pair[T any] [2]T

// Stratum is what was in force for a request: the weights that decided where
// it went, and what was called slow. Requests are compared with requests of
// the same stratum only. It is a value, not a time: proxies that change their
// weights two seconds apart fill two strata, and the comparison stays exact.
type Stratum struct {
	Stable, Candidate uint32 // weights, without common divisor
	Slow95, Slow99    int16  // bucket edges that 5 % and 1 % of stable's latencies were beyond; or NoEdge
}

// NoEdge stands for an edge that is not known.
const NoEdge = math.MinInt16

// minBaseline is how many latencies of stable it takes to say what is slow.
const minBaseline = 1000

func newStratum(w weights, past *Histogram) Stratum {
	s := Stratum{w.stable, w.candidate, NoEdge, NoEdge}
	if past.Total() >= minBaseline {
		p95, _ := past.Edge(0.95)
		p99, _ := past.Edge(0.99)
		s.Slow95, s.Slow99 = int16(p95), int16(p99)
	}
	return s
}

// Odds returns the probability of the candidate over that of stable.
func (s Stratum) Odds() float64 { return float64(s.Candidate) / float64(s.Stable) }

// Share returns the candidate's share of what the two get together.
func (s Stratum) Share() float64 {
	return float64(s.Candidate) / (float64(s.Candidate) + float64(s.Stable))
}

// edge returns the bucket beyond which a latency counts as what.
func (s Stratum) edge(what int) int {
	if what == countSlow95 {
		return int(s.Slow95)
	}
	return int(s.Slow99)
}

// weights is a split between two versions in lowest terms: 95 to 5 and 19 to 1
// are the same.
type weights struct{ stable, candidate uint32 }

func reduce(stable, candidate uint32) weights {
	a, b := stable, candidate
	for b != 0 {
		a, b = b, a%b
	}
	return weights{stable / max(a, 1), candidate / max(a, 1)}
}
