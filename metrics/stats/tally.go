package stats

import "math"

// Tally counts units of one version in one stratum and scope. A unit counts
// once for each of the following, whatever it does after that: requests of one
// user are not independent, and every method that treats them as if they were
// raises false alarms.
type Tally [tallyLen]uint64

// What is counted, as indices of a Tally. They are written to storage: append
// only, and count the version of the format up.
const (
	countUnits    = iota
	countMeasured // units whose first request has a latency
	countFailed   // units that met an error
	countSlow95   // units that met a latency beyond stable's 95th percentile
	countSlow99   // ... 99th percentile
	countCanceled // units that went away before an answer
	countLogs     // sum of the logarithms of first latencies, see logOf
	countSquares  // sum of their squares, likewise with logBits digits
	countGoals    // units that reached the first goal; the others follow
	tallyLen      = countGoals + MaxGoals
)

// MaxGoals is how many goals can be counted.
const MaxGoals = 8

// Units returns how many units there were.
func (t *Tally) Units() uint64 { return t[countUnits] }

// Errors returns how many units met an error.
func (t *Tally) Errors() uint64 { return t[countFailed] }

// Canceled returns how many units went away before an answer.
func (t *Tally) Canceled() uint64 { return t[countCanceled] }

// Goal returns how many units reached goal i.
func (t *Tally) Goal(i int) uint64 { return t[countGoals+i] }

func (t *Tally) merge(o *Tally) {
	for i, n := range o {
		t[i] += n
	}
}

// logs returns the moments of the natural logarithm of the first latencies, in
// units of 2^-20 seconds.
func (t *Tally) logs() Moments {
	const digit = math.Ln2 / (1 << logBits)
	return Moments{float64(t[countMeasured]), float64(t[countLogs]) * digit, float64(t[countSquares]) * digit * math.Ln2}
}

// squareOf returns the square of a logarithm, with as many digits.
func squareOf(log uint64) uint64 { return (log*log + 1<<(logBits-1)) >> logBits }
