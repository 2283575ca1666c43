package report

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// nothing stands where nothing is known.
const nothing = "–"

// moment writes a time. It is in UTC, because who reads a ticket is anywhere.
func moment(t time.Time) string {
	if t.IsZero() {
		return nothing
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// long writes a length of time: "2 hours 5 minutes".
func long(d time.Duration) string {
	units := []struct {
		is   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}}
	var parts []string
	for _, u := range units {
		n := d / u.is
		d -= n * u.is
		if n > 0 {
			parts = append(parts, count(float64(n), u.name))
		}
		if len(parts) == 2 || n > 0 && u.is <= time.Minute {
			break
		}
	}
	if len(parts) == 0 {
		return "no time"
	}
	return strings.Join(parts, " ")
}

// count writes a number of things.
func count(n float64, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return whole(n) + " " + of + "s"
}

// whole writes a count with commas: "5,000".
func whole(n float64) string {
	text := strconv.FormatFloat(math.Round(n), 'f', 0, 64)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// digits writes x with n digits that count, and no noughts after them.
func digits(x float64, n int) string {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return map[bool]string{true: "0", false: nothing}[x == 0]
	}
	text := strconv.FormatFloat(x, 'e', n-1, 64)
	x, _ = strconv.ParseFloat(text, 64)
	return strings.Replace(strconv.FormatFloat(x, 'f', -1, 64), "-", "−", 1)
}

func percent(part float64) string { return digits(100*part, 3) + " %" }

// rate writes how many of all were something, and which part that is.
func rate(some, all uint64) string {
	if all == 0 {
		return nothing
	}
	return whole(float64(some)) + " (" + percent(float64(some)/float64(all)) + ")"
}

// latency writes seconds: "12.3 ms"; 0 is not known.
func latency(seconds float64) string {
	switch {
	case seconds <= 0:
		return nothing
	case seconds >= 1:
		return digits(seconds, 3) + " s"
	default:
		return digits(1000*seconds, 3) + " ms"
	}
}
