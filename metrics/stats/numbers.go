package stats

import (
	"math"
	"strconv"
	"strings"
)

// Numbers for people: two digits that count, no exponents, and no more.

// digits writes x with n digits that count.
func digits(x float64, n int) string {
	if x == 0 {
		return "0"
	}
	return strconv.FormatFloat(round(x, n), 'f', decimals(x, n), 64)
}

// decimals returns how many decimals n digits of x have; none for zero.
func decimals(x float64, n int) int {
	if x == 0 {
		return 0
	}
	return min(max(n-1-int(math.Floor(math.Log10(math.Abs(round(x, n))))), 0), 12)
}

// percent writes a fraction: 0.0042 is "0.42 %".
func percent(x float64) string { return digits(100*x, 2) + " %" }

// share writes a share that small differences matter in: "4.70 %".
func share(x float64) string { return strconv.FormatFloat(100*x, 'f', 2, 64) + " %" }

// points writes the difference of two fractions with its sign: "+0.31".
func points(x float64) string {
	switch {
	case math.IsInf(x, 1):
		return "any"
	case x >= 0:
		return "+" + digits(100*x, 2)
	default:
		return "−" + digits(-100*x, 2)
	}
}

// milliseconds writes seconds: "520 ms".
func milliseconds(x float64) string {
	if x >= 10 {
		return digits(x, 3) + " s"
	}
	return digits(1000*x, 3) + " ms"
}

// ratio writes a ratio: "7.0", but "1.04" near one, where two digits tell
// nothing.
func ratio(x float64) string {
	if 0.5 <= x && x < 1.5 {
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return digits(x, 2)
}

// times writes a range of ratios: "1.9 to 7.0 times v1".
func times(i Interval, of string) string {
	whose := " times"
	if of != "" {
		whose += " " + of
	}
	switch {
	case math.IsInf(i.Upper, 1) && i.Lower == 0:
		return "any number of" + whose
	case math.IsInf(i.Upper, 1):
		return "at least " + ratio(i.Lower) + whose
	case i.Lower == 0:
		return "at most " + ratio(i.Upper) + whose
	default:
		return ratio(i.Lower) + " to " + ratio(i.Upper) + whose
	}
}

// sure writes the confidence of an interval: "99 % sure".
func sure(alpha float64) string {
	return strconv.FormatFloat(100*(1-alpha), 'g', 5, 64) + " % sure"
}

// whole writes a count with commas: "5,000".
func whole(n float64) string {
	s := strconv.FormatFloat(math.Round(n), 'f', 0, 64)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// rough writes a number that is only an estimate: two digits and noughts.
func rough(n float64) string { return whole(round(math.Ceil(n), 2)) }

// round leaves n digits that count.
func round(x float64, n int) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', n-1, 64), 64)
	return rounded
}
