package backends

import (
	"fmt"
	"math"
	"time"
)

// Eject says when a backend is taken out of rotation because of what requests
// see of it, and for how long.
type Eject struct {
	// ConnectFailures is how many connections in a row cannot be opened; 0 for
	// never. A port that refuses leaves the rotation at once, and is back as
	// soon as it accepts.
	ConnectFailures int `toml:"connect_failures"`

	// Failures is how many requests in a row fail, by a status of 5xx, a broken
	// connection or no answer in time, while the other backends of the version
	// do better; 0 for never.
	Failures int `toml:"failures"`

	// Slow is how many times as long as the others a backend takes to begin its
	// answers; 0 for never.
	Slow float64 `toml:"slow"`

	// Time is how long the first ejection lasts. Each further one lasts that
	// much longer, up to MaxTime; MaxTime in rotation makes up for one.
	Time    time.Duration `toml:"time"`
	MaxTime time.Duration `toml:"max_time"`

	// MaxShare is the largest part of a version's backends that is out at a
	// time, in percent. If fewer of the others are left for other reasons, those
	// that are out get requests all the same.
	MaxShare int `toml:"max_share"`
}

func defaultEject() Eject {
	return Eject{ConnectFailures: 3, Failures: 5, Time: 10 * time.Second, MaxTime: 5 * time.Minute, MaxShare: 50}
}

// Enabled reports whether anything is a reason.
func (e *Eject) Enabled() bool { return e.ConnectFailures > 0 || e.Failures > 0 || e.Slow > 0 }

func (e *Eject) validate(bad reporter) {
	if e.ConnectFailures < 0 {
		bad("eject.connect_failures: %d is negative: use 1 or more, or 0 for never", e.ConnectFailures)
	}
	if e.Failures < 0 {
		bad("eject.failures: %d is negative: use 1 or more, or 0 for never", e.Failures)
	}
	if e.Slow != 0 && !(e.Slow > 1) {
		bad("eject.slow: %v is out of range: use a number above 1, or 0 for never", e.Slow)
	}
	if e.MaxShare < 0 || e.MaxShare > 100 {
		bad("eject.max_share: %d is out of range: use 0 to 100", e.MaxShare)
	}
	if !e.Enabled() {
		return
	}
	if e.Time <= 0 {
		bad("eject.time: %v is no time: use a duration such as \"10s\"", e.Time)
	}
	if e.MaxTime < e.Time {
		bad("eject.max_time: %v is less than eject.time (%v)", e.MaxTime, e.Time)
	}
}

// allows reports whether one more of total may be ejected, where ejected are.
func (e *Eject) allows(ejected, total int) bool { return 100*(ejected+1) <= e.MaxShare*total }

// panics reports whether so few of total are left that the ejected ones are
// needed.
func (e *Eject) panics(left, total int) bool { return 100*left < (100-e.MaxShare)*total }

// Cause is why a backend was ejected, as metrics name it.
type Cause string

// The causes of ejections.
const (
	CauseConnect  Cause = "connect"  // connections could not be opened
	CauseFailures Cause = "failures" // requests failed
	CauseSlow     Cause = "slow"     // answers began late
)

// Causes lists all causes.
func Causes() []Cause { return []Cause{CauseConnect, CauseFailures, CauseSlow} }

// ejection is where a backend stands with being ejected:
//
//	in rotation ──begin──> out ──its time is over──> on trial ──enough answers──> in rotation
//	                        ^                           │
//	                        └──────────begin────────────┘
type ejection struct {
	out   bool
	trial bool      // its time is over, and a few requests show whether it is well
	why   string    // what requests saw
	times int       // how many ejections count for the length of the next
	until time.Time // when its trial begins
	since time.Time // when it came back the last time
}

// trialAnswers is how many answers in a row a backend on trial has to give.
const trialAnswers = 3

// begin ejects the backend, and returns for how long.
func (j *ejection) begin(e *Eject, why string, now time.Time) time.Duration {
	if !j.out && e.MaxTime > 0 {
		j.times = max(0, j.times-int(now.Sub(j.since)/e.MaxTime))
	}
	// The count stays where it makes no difference, so that it can decay.
	if time.Duration(j.times)*e.Time < e.MaxTime {
		j.times++
	}
	d := min(time.Duration(j.times)*e.Time, e.MaxTime)
	j.out, j.trial, j.why, j.until = true, false, why, now.Add(d)
	return d
}

// over begins the trial if it is time for that, and reports whether it does.
func (j *ejection) over(now time.Time) bool {
	if !j.out || j.trial || now.Before(j.until) {
		return false
	}
	j.trial = true
	return true
}

// end lets the backend back in.
func (j *ejection) end(now time.Time) { j.out, j.trial, j.since = false, false, now }

func (j *ejection) String() string {
	if j.trial {
		return j.why + "; on trial, with one request at a time"
	}
	return fmt.Sprintf("%s; out until %s", j.why, j.until.UTC().Format(time.TimeOnly+"Z"))
}

// coincidence is the probability below which a row of failures is not taken for
// chance. With a thousand failures a second, chance ejects once in ten days.
const coincidence = 1e-9

// outlier reports whether a backend of which row requests failed in a row is
// worse than its siblings. Since the row began, those gave good answers and
// failed bad ones; usual is the share of theirs that fail usually. A version of
// which every tenth request fails has rows of five everywhere, and that is the
// version's.
func outlier(row, least int, good, bad int64, usual float64) bool {
	if row < least || good < int64(least) {
		return false
	}
	share := max(float64(max(bad, 0))/float64(good+max(bad, 0)), usual)
	return math.Pow(share, float64(row)) < coincidence
}

// laggard reports whether answers that take mean to begin are late where those
// of the siblings take median. Below a hundredth of a second nobody is.
func laggard(mean, median time.Duration, slow float64) bool {
	return mean > median+10*time.Millisecond && float64(mean) > slow*float64(median)
}

func failuresText(n int) string {
	return fmt.Sprintf("%d requests in a row failed, while the others of its version answered", n)
}

func connectText(n int) string {
	return fmt.Sprintf("%d connections in a row could not be opened", n)
}

func slowText(mean, median time.Duration) string {
	return fmt.Sprintf("its answers begin after %v, those of the others of its version after %v",
		mean.Round(time.Millisecond), median.Round(time.Millisecond))
}
