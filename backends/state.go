package backends

import (
	"cmp"
	"fmt"
)

// State is where a backend stands in its life.
type State string

// The states of a backend.
const (
	StateStarting  State = "starting"  // not yet known to be able to answer
	StateReady     State = "ready"     // in rotation
	StateEjected   State = "ejected"   // out of rotation by what requests saw, for a time
	StateUnhealthy State = "unhealthy" // out of rotation, may come back by itself
	StateDraining  State = "draining"  // no new requests; those in flight finish
	StateInvalid   State = "invalid"   // cannot be used before somebody changes something
)

// States lists all states in the order of a backend's life.
func States() []State {
	return []State{StateStarting, StateReady, StateEjected, StateUnhealthy, StateDraining, StateInvalid}
}

// life is what is known of a backend, from which its state follows:
//
//	            ┌──────────> unhealthy <─────────┐
//	            │                │               │
//	starting ───┴──────────> ready <────────> ejected
//	   │                         │               │
//	   └─────────────> draining <┴───────────────┘ ──> gone
//
// An endpoint that cannot be used is invalid until it is listed otherwise.
type life struct {
	endpoint Endpoint
	stopping string   // why it drains, "" if it does not
	accepted bool     // its port has accepted a connection since it was last refused
	refused  bool     // a request found its port closed after that
	lastErr  string   // why the last connection attempt failed
	checked  verdict  // of the check of its service
	ejection ejection // by what requests saw
}

// condition returns the state that follows from what is known, and why it is
// not ready if it is not. It is the only place that decides this.
func (l *life) condition() (State, string) {
	e := &l.endpoint
	check := &e.care().Health
	switch {
	case l.stopping != "":
		return StateDraining, l.stopping
	case e.Problem != "":
		return StateInvalid, e.Problem
	case e.Barred != "":
		return StateInvalid, e.Barred
	case e.Paused:
		return StateUnhealthy, "the container is paused"
	case e.Health == HealthUnhealthy:
		return StateUnhealthy, "the container's health check fails"
	case e.Health == HealthStarting:
		return StateStarting, "the container's health check has not passed yet"
	case check.Enabled() && l.checked.failing:
		return StateUnhealthy, fmt.Sprintf("its check fails, %s: %s", check, cmp.Or(l.checked.why, "it has to pass more often"))
	case check.Enabled() && !l.checked.passed && l.checked.why != "":
		return StateStarting, fmt.Sprintf("its check has not passed yet, %s: %s", check, l.checked.why)
	case check.Enabled() && !l.checked.passed:
		return StateStarting, fmt.Sprintf("its check has not passed yet, %s", check)
	case l.refused:
		return StateUnhealthy, l.lastErr
	case l.ejection.out:
		return StateEjected, l.ejection.String()
	case check.Enabled(), e.Health == HealthPassing, l.accepted:
		return StateReady, ""
	case l.lastErr != "":
		return StateStarting, l.lastErr
	default:
		return StateStarting, "its port has not accepted a connection yet"
	}
}

// unheard reports whether the backend is out of rotation only because nobody has
// tried it yet.
func (l *life) unheard() bool {
	state, _ := l.condition()
	switch check := &l.endpoint.care().Health; {
	case state != StateStarting || l.endpoint.Health == HealthStarting:
		return false
	case check.Enabled():
		return l.checked.why == ""
	default:
		return l.lastErr == ""
	}
}

// usable reports whether anything can be asked of the backend.
func (l *life) usable() bool {
	return l.stopping == "" && l.endpoint.Problem == "" && !l.endpoint.Paused
}

// wantsProbe reports whether only a connection attempt can tell how the
// backend is.
func (l *life) wantsProbe() bool {
	if !l.usable() || l.accepted {
		return false
	}
	return l.refused || l.endpoint.Health == HealthNone && !l.endpoint.care().Health.Enabled()
}

// wantsCheck returns the check that the backend is to be asked, nil if none.
func (l *life) wantsCheck() *Check {
	if check := &l.endpoint.care().Health; l.usable() && check.Enabled() {
		return check
	}
	return nil
}

// adopt takes over what the endpoint is listed as now. A check that is new, or no
// more, does not by itself put out what is in.
func (l *life) adopt(e *Endpoint, ready bool) {
	had, has := &l.endpoint.care().Health, &e.care().Health
	switch {
	case !had.Enabled() && has.Enabled():
		l.checked = verdict{passed: ready}
	case had.Enabled() && !has.Enabled():
		l.accepted = l.accepted || ready
	case had.Enabled() && !had.equal(has):
		l.checked.row = 0
	}
	l.endpoint = *e
}
