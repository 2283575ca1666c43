package backends

// State is where a backend stands in its life.
type State string

// The states of a backend.
const (
	StateStarting  State = "starting"  // not yet known to be able to answer
	StateReady     State = "ready"     // in rotation
	StateUnhealthy State = "unhealthy" // out of rotation, may come back by itself
	StateDraining  State = "draining"  // no new requests; those in flight finish
	StateInvalid   State = "invalid"   // cannot be used before somebody changes something
)

// States lists all states in the order of a backend's life.
func States() []State {
	return []State{StateStarting, StateReady, StateUnhealthy, StateDraining, StateInvalid}
}

// condition returns the state that follows from what is known, and why it is
// not ready if it is not. It is the only place that decides this.
func (l *life) condition() (State, string) {
	e := &l.endpoint
	switch {
	case l.stopping != "":
		return StateDraining, l.stopping
	case e.Problem != "":
		return StateInvalid, e.Problem
	case e.Paused:
		return StateUnhealthy, "the container is paused"
	case e.Health == HealthUnhealthy:
		return StateUnhealthy, "the container's health check fails"
	case e.Health == HealthStarting:
		return StateStarting, "the container's health check has not passed yet"
	case l.refused:
		return StateUnhealthy, l.lastErr
	case e.Health == HealthPassing, l.accepted:
		return StateReady, ""
	case l.lastErr != "":
		return StateStarting, l.lastErr
	default:
		return StateStarting, "its port has not accepted a connection yet"
	}
}

// wantsProbe reports whether only a connection attempt can tell how the
// backend is.
func (l *life) wantsProbe() bool {
	e := &l.endpoint
	if l.stopping != "" || e.Problem != "" || e.Paused || l.accepted {
		return false
	}
	return l.refused || e.Health == HealthNone
}
