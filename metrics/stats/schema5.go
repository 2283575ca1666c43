package stats

import "math"

// Latencies are counted in buckets that grow by 2^(1/32), 2.2 %: schema 5 of
// Prometheus' native histograms. A ratio of latencies is therefore a shift of
// the bucket index. Bucket i ends at 2^(i/32) seconds, inclusively:
//
//	index   -639 ... -32 ... -1  0   1 ... 32 ... 384
//	ends at  1µs     500ms       1s        2s      68min
const (
	Schema = 5 // of Prometheus

	bucketsPerOctave = 1 << Schema
	firstBucket      = -639
	lastBucket       = 384
	buckets          = lastBucket - firstBucket + 1 // 1024
)

// BucketEnd returns the upper end of a bucket in seconds.
func BucketEnd(index int) float64 { return math.Exp2(float64(index) / bucketsPerOctave) }

// A float64 holds its logarithm almost ready: the exponent is the octave, and
// the top bits of the mantissa, one of 128 cells, say where in the octave it
// is. A cell is narrower than a bucket, so at most one bucket ends in it.
//
//	sign | exponent 11 bits | cell 7 bits | rest 45 bits
const (
	mantissaBits = 52
	cellBits     = 7
	restBits     = mantissaBits - cellBits
	mantissaMask = 1<<mantissaBits - 1
	restMask     = 1<<restBits - 1

	// logBits is how many binary digits of a logarithm to base 2 are kept.
	logBits = 20
)

// ruler says where the buckets of an octave end, and what the logarithm is at
// the start of each cell.
var ruler = newRuler()

type rulerTable struct {
	ends    [bucketsPerOctave + 1]uint64 // mantissa at the end of bucket k of the octave
	buckets [1 << cellBits]uint8         // the bucket that the cell starts in
	logs    [1<<cellBits + 1]uint32      // log2 at the start of the cell, with logBits digits
}

func newRuler() (r rulerTable) {
	for k := range r.ends {
		r.ends[k] = math.Float64bits(math.Exp2(float64(k)/bucketsPerOctave)) & mantissaMask
	}
	r.ends[bucketsPerOctave] = 1 << mantissaBits
	k := 0
	for c := range r.logs {
		start := uint64(c) << restBits
		for k < bucketsPerOctave && start > r.ends[k] {
			k++
		}
		if c < len(r.buckets) {
			r.buckets[c] = uint8(k)
		}
		r.logs[c] = uint32(math.Round(math.Log2(1+float64(c)/(1<<cellBits)) * (1 << logBits)))
	}
	return r
}

// bucketOf returns the index of the bucket of x > 0 seconds. What is below the
// first bucket is counted there, and what is above the last in that.
func bucketOf(x float64) int {
	bits := math.Float64bits(x)
	mantissa := bits & mantissaMask
	k := int(ruler.buckets[mantissa>>restBits])
	if mantissa > ruler.ends[k] {
		k++
	}
	octave := int(bits>>mantissaBits&0x7ff) - 1023
	return min(max(octave*bucketsPerOctave+k, firstBucket), lastBucket)
}

// Logarithms are summed as integers, for integers add up to the same in any
// order. They count from 2^-20 seconds, so that none is negative.
const logOrigin = -20

// logOf returns log2(x) − logOrigin with logBits binary digits, good to 1e-5:
// the table gives the start of the cell, a straight line the rest.
func logOf(x float64) uint64 {
	bits := math.Float64bits(min(max(x, 0x1p-20), 0x1p12))
	mantissa := bits & mantissaMask
	cell := mantissa >> restBits
	from, to := uint64(ruler.logs[cell]), uint64(ruler.logs[cell+1])
	within := mantissa & restMask >> (restBits - logBits)
	octave := bits>>mantissaBits - (1023 + logOrigin)
	return octave<<logBits + from + (to-from)*within>>logBits
}
