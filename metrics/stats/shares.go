package stats

import "math"

// SharesLogE returns the log e-value against "each arrival went to version i
// with probability shares[i]", for any number of versions. It is the
// Dirichlet-multinomial bet of Lindon and Malek, arXiv:2011.03567, section 3:
//
//	ln B(κρ + n) − ln B(κρ) − Σ nᵢ·ln ρᵢ
//
// κ says how close to the shares a deviation is looked for; 100 suits splits.
func SharesLogE(counts []uint64, shares []float64, kappa float64) float64 {
	logE, arrivals := 0.0, 0.0
	for i, rho := range shares {
		n := float64(counts[i])
		switch {
		case rho > 0:
			logE += logGamma(kappa*rho+n) - logGamma(kappa*rho) - n*math.Log(rho)
		case n > 0:
			return math.Inf(1) // what cannot happen has happened
		}
		arrivals += n
	}
	return logE - logGamma(kappa+arrivals) + logGamma(kappa)
}
