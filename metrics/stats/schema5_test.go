package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestABucketHoldsWhatIsBetweenItsEnds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		x := math.Exp2(random.Float64()*31.9 - 19.9)
		if i := bucketOf(x); x <= BucketEnd(i-1) || x > BucketEnd(i) {
			t.Fatalf("%v s is in bucket %d, from %v to %v", x, i, BucketEnd(i-1), BucketEnd(i))
		}
	}
	for i := firstBucket; i <= lastBucket; i++ {
		end := BucketEnd(i)
		if got := bucketOf(end); got != i {
			t.Errorf("the end of bucket %d is in bucket %d", i, got)
		}
		if got := bucketOf(math.Nextafter(end, math.Inf(1))); got != min(i+1, lastBucket) {
			t.Errorf("just beyond the end of bucket %d is bucket %d", i, got)
		}
	}
}

func TestWhatIsOutsideOfAllBucketsIsInTheNearest(t *testing.T) {
	t.Parallel()
	f := func(x float64, want int) {
		t.Helper()
		if got := bucketOf(x); got != want {
			t.Errorf("%v s is in bucket %d, want %d", x, got, want)
		}
	}
	f(1e-9, firstBucket)
	f(math.SmallestNonzeroFloat64, firstBucket)
	f(1e6, lastBucket)
	f(math.MaxFloat64, lastBucket)
}

func TestLogarithmsFromTheTableAreGoodToFourDigits(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		x := math.Exp2(random.Float64()*32 - 20)
		got := float64(logOf(x))/(1<<logBits) + logOrigin
		if math.Abs(got-math.Log2(x)) > 1.5e-5 {
			t.Fatalf("log2(%v) is %v, want %v", x, got, math.Log2(x))
		}
	}
	if logOf(1e-9) != 0 || logOf(0x1p-20) != 0 || logOf(1e9) != 32<<logBits {
		t.Error("what is out of range has another logarithm than its end")
	}
}

func BenchmarkBucketOf(b *testing.B) {
	x := 0.0123
	for b.Loop() {
		x += 1e-9
		sink += uint64(bucketOf(x))
	}
}

func BenchmarkLogOf(b *testing.B) {
	x := 0.0123
	for b.Loop() {
		x += 1e-9
		sink += logOf(x)
	}
}

var sink uint64 // keeps the compiler from dropping what is measured
