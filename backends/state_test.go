package backends

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Each line is something that happens to a backend, and what it is after that.
func TestTheLifeOfABackend(t *testing.T) {
	t.Parallel()
	var l life
	f := func(change func(), want State, reason string) {
		t.Helper()
		change()
		if got, why := l.condition(); got != want || !strings.Contains(why, reason) || (got == StateReady) != (why == "") {
			t.Errorf("it is %s because %q, want %s because %q", got, why, want, reason)
		}
	}
	check := Check{Path: "/healthz", Method: "GET", Status: []string{"200"}, Interval: time.Second, Timeout: time.Second, Rise: 2, Fall: 2}
	note := func(err error) func() { return func() { l.checked.note(err, &check) } }
	e := &l.endpoint
	fails := errors.New("it answered 500")

	// Without any check it is the port that tells.
	f(func() {}, StateStarting, "has not accepted a connection yet")
	f(func() { l.lastErr = "connection refused" }, StateStarting, "connection refused")
	f(func() { l.accepted, l.lastErr = true, "" }, StateReady, "")
	f(func() { e.Paused = true }, StateUnhealthy, "paused")
	f(func() { e.Paused = false }, StateReady, "")
	f(func() { l.accepted, l.refused, l.lastErr = false, true, "refused now" }, StateUnhealthy, "refused now")

	// The engine's health check goes before the port.
	l = life{}
	f(func() { e.Health = HealthStarting }, StateStarting, "health check has not passed yet")
	f(func() { e.Health = HealthPassing }, StateReady, "")
	f(func() { e.Health = HealthUnhealthy }, StateUnhealthy, "health check fails")
	f(func() { e.Health = HealthPassing }, StateReady, "")
	f(func() { l.refused, l.lastErr = true, "refused now" }, StateUnhealthy, "refused now")

	// The check of the service is asked for beside both.
	l = life{}
	f(func() { e.Health, e.Care = HealthPassing, &Care{Health: check} }, StateStarting, "its check has not passed yet, GET /healthz")
	f(note(fails), StateStarting, "GET /healthz: it answered 500")
	f(note(nil), StateReady, "") // the first is enough
	f(note(fails), StateReady, "")
	f(note(nil), StateReady, "")
	f(note(fails), StateReady, "")
	f(note(fails), StateUnhealthy, "its check fails, GET /healthz: it answered 500")
	f(note(nil), StateUnhealthy, "it has to pass more often")
	f(note(nil), StateReady, "")
	f(func() { e.Health = HealthUnhealthy }, StateUnhealthy, "the container's health check fails")
	f(func() { e.Health = HealthPassing }, StateReady, "")

	// What requests saw counts for a time.
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	eject := defaultEject()
	f(func() { l.ejection.begin(&eject, "it failed", now) }, StateEjected, "it failed; out until 12:00:10Z")
	f(func() { e.Paused = true }, StateUnhealthy, "paused")
	f(func() { e.Paused = false }, StateEjected, "it failed")
	f(func() { l.ejection.over(now.Add(10 * time.Second)) }, StateEjected, "on trial")
	f(func() { l.ejection.end(now) }, StateReady, "")

	// Nothing brings it back from these.
	f(func() { e.Problem = "it exposes two ports" }, StateInvalid, "two ports")
	f(func() { l.stopping = "stop signal 15 was sent" }, StateDraining, "stop signal 15")
}

func TestAChangedCheckKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	one := Check{Path: "/a", Method: "GET", Status: []string{"200"}, Rise: 1, Fall: 2}
	other := one
	other.Path = "/b"
	f := func(name string, l life, next *Care, want State) {
		t.Helper()
		was, _ := l.condition()
		e := l.endpoint
		e.Care = next
		l.adopt(&e, was == StateReady)
		if got, why := l.condition(); got != want {
			t.Errorf("%s: %s became %s (%s), want %s", name, was, got, why, want)
		}
	}
	checked := func(v verdict) life {
		return life{endpoint: Endpoint{Care: &Care{Health: one}}, checked: v}
	}
	f("another path, passing", checked(verdict{passed: true}), &Care{Health: other}, StateReady)
	f("another path, failing", checked(verdict{passed: true, failing: true}), &Care{Health: other}, StateUnhealthy)
	f("another path, unknown", checked(verdict{}), &Care{Health: other}, StateStarting)
	f("none any more", checked(verdict{passed: true}), nil, StateReady)
	f("none any more, failing", checked(verdict{passed: true, failing: true}), nil, StateStarting)
	f("a first one", life{accepted: true}, &Care{Health: one}, StateReady)
	f("a first one, not ready", life{}, &Care{Health: one}, StateStarting)
}
