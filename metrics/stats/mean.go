package stats

import "math"

// Moments are the sums of some values: how many, their sum and that of their
// squares.
type Moments struct{ N, Sum, Squares float64 }

func (m Moments) mean() float64 { return m.Sum / m.N }

func (m Moments) variance() float64 {
	return max(0, m.Squares-m.Sum*m.Sum/m.N) / (m.N - 1)
}

func (m Moments) plus(o Moments) Moments {
	return Moments{m.N + o.N, m.Sum + o.Sum, m.Squares + o.Squares}
}

// MeanStratum holds the values of both versions in one stratum.
type MeanStratum struct{ Candidate, Stable Moments }

func (s MeanStratum) enough() bool { return s.Candidate.N >= minValues && s.Stable.N >= minValues }

const (
	minValues   = 100  // of each version: below that the normal approximation is a guess
	tunedValues = 2000 // the effective number at which the interval is as narrow as can be
)

// MeanDifference is the difference of the means of two versions, candidate
// less stable, compared within strata only.
type MeanDifference struct {
	Difference float64
	Error      float64 // its standard error
	N          float64 // effective number of values
	Tuned      float64 // the N at which the interval is narrowest; 0: 2000
}

// CompareMeans returns the difference of the means, strata weighted by how
// much they can tell. It is the one part that is not exact: an asymptotic
// confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
// arXiv:2103.06476, theorem 2.2), stratified.
//
// A small arm must not be trusted when its variance is small by luck, so the
// variance is at least what all values of the stratum together suggest.
func CompareMeans(strata []MeanStratum) MeanDifference {
	var n, sum, variance float64
	for _, s := range strata {
		if !s.enough() {
			continue
		}
		c, t := s.Candidate, s.Stable
		q := c.N * t.N / (c.N + t.N)
		own := c.variance()/c.N + t.variance()/t.N
		pooled := c.plus(t).variance() / q
		n += q
		sum += q * (c.mean() - t.mean())
		variance += q * q * max(own, pooled)
	}
	if n == 0 {
		return MeanDifference{Difference: math.NaN(), Error: math.Inf(1)}
	}
	return MeanDifference{Difference: sum / n, Error: math.Sqrt(variance) / n, N: n}
}

// Interval returns the difference with its interval of confidence 1−α.
func (d MeanDifference) Interval(alpha float64) Interval {
	if d.N == 0 {
		return Interval{math.Inf(-1), math.NaN(), math.Inf(1)}
	}
	h := d.halfWidth(alpha)
	return Interval{d.Difference - h, d.Difference, d.Difference + h}
}

func (d MeanDifference) halfWidth(alpha float64) float64 {
	k := d.rho(alpha)
	return d.Error * math.Sqrt((d.N+k)/d.N*(math.Log((d.N+k)/k)-2*math.Log(alpha)))
}

// LogE returns the log e-value against "no difference"; α says what it was
// tuned for.
func (d MeanDifference) LogE(alpha float64) float64 {
	if d.N == 0 || d.Error == 0 {
		return 0
	}
	k, z := d.rho(alpha), d.Difference/d.Error
	return math.Log(k/(d.N+k))/2 + z*z*d.N/(d.N+k)/2
}

// rho returns the parameter that makes the interval narrowest after the tuned
// number of values (Howard, Ramdas, McAuliffe and Sekhon, arXiv:1810.08240,
// section 3.5, in their approximation).
func (d MeanDifference) rho(alpha float64) float64 {
	tuned := d.Tuned
	if tuned == 0 {
		tuned = tunedValues
	}
	x := -2 * math.Log(alpha)
	return tuned / (x + math.Log1p(x))
}
