package backends

import (
	"errors"
	"fmt"
	"time"
)

// Care is how the backends of a service are looked after. The zero value is to
// let them be: no check, no ejection, no slow start and no bound for a drain.
type Care struct {
	// Health is what a backend is asked before it gets requests, and while it
	// does.
	Health Check `toml:"health"`

	// Eject takes out of rotation what requests see fail.
	Eject Eject `toml:"eject"`

	// SlowStart is how long a backend takes to come to its whole share when it
	// joins others that have been there for longer; 0: it has it at once.
	SlowStart time.Duration `toml:"slow_start"`

	// DrainTimeout is how long what is in flight may go on after a drain began,
	// streams and upgraded connections too; 0 for no bound.
	DrainTimeout time.Duration `toml:"drain_timeout"`
}

// DefaultCare returns the care of a service that says nothing of it.
func DefaultCare() Care {
	return Care{Health: defaultCheck(), Eject: defaultEject(), DrainTimeout: 30 * time.Second}
}

// Validate returns all that is wrong with c, joined. Each problem begins with
// the key that it is about.
func (c *Care) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	c.Health.validate(bad)
	c.Eject.validate(bad)
	if c.SlowStart < 0 || c.SlowStart > time.Hour {
		bad("slow_start: %v is out of range: use up to 1h, or 0s for none", c.SlowStart)
	}
	if c.DrainTimeout < 0 {
		bad("drain_timeout: %v is negative: use a duration such as \"30s\", or 0s for no bound", c.DrainTimeout)
	}
	return errors.Join(problems...)
}

// reporter takes a problem, which begins with the key that it is about.
type reporter func(format string, args ...any)

// noCare is that of an endpoint without.
var noCare Care

// care returns how the endpoint is to be looked after.
func (e *Endpoint) care() *Care {
	if e.Care == nil {
		return &noCare
	}
	return e.Care
}
