package stats

import (
	"fmt"
	"time"
)

// Action is what a rollout should do next.
type Action string

// The actions.
const (
	Advance  Action = "advance"   // give the candidate its next share
	Wait     Action = "wait"      // there is not enough evidence yet
	Hold     Action = "hold"      // the comparison is not to be trusted: no way up, but back if it must be
	RollBack Action = "roll_back" // the candidate is worse; this is final, whatever later reports say
	Ask      Action = "ask"       // time is over: a person has to decide
)

// Stage is where a rollout stands.
type Stage struct {
	Next   float64       // the candidate's share of all traffic in the next step, up to 1
	InStep time.Duration // how long the present one has lasted
}

// Patience bounds how long a step lasts.
type Patience struct{ Shortest, Longest time.Duration }

// DefaultPatience returns the bounds that suit most services.
func DefaultPatience() Patience {
	return Patience{Shortest: 2 * time.Minute, Longest: 3 * time.Hour}
}

// Decision is an action, and why.
type Decision struct {
	Action Action
	Metric string // the metric that decided; "" if none did
	Reason string
}

// Decide says what a rollout should do. The error it makes in rolling back a
// candidate that is not worse is at most α/(2−α) for each metric and scope, at
// all looks together; in promoting one that is worse than tolerated, at most α.
func (r *Report) Decide(s Stage, p Patience) Decision {
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Guard && f.Worse() {
			return Decision{RollBack, f.Metric, "worse on " + f.label()}
		}
	}
	if r.Split.Off {
		return Decision{Hold, "", "the traffic split is off"}
	}
	if s.InStep < p.Shortest {
		return Decision{Wait, "", fmt.Sprintf("the step lasts at least %v", p.Shortest)}
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if !f.Guard || f.Allows(s.Next) {
			continue
		}
		if s.InStep >= p.Longest {
			return Decision{Ask, f.Metric, fmt.Sprintf("%s: undecided after %v", f.label(), p.Longest)}
		}
		return Decision{Wait, f.Metric, fmt.Sprintf("%s may still be too bad for %s of the traffic", f.label(), percent(s.Next))}
	}
	return Decision{Advance, "", fmt.Sprintf("no metric can be too bad for %s of the traffic", percent(s.Next))}
}
