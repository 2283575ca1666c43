package config

import (
	"errors"
	"fmt"
	"time"

	"divvy/backends/docker"
)

// Immutable says how it is checked that what runs is what was built.
type Immutable struct {
	// Every is how often it is looked at what containers have written into their
	// own layers; zero for when somebody asks.
	Every time.Duration `toml:"every"`
}

// minEvery is how often containers may be looked at.
const minEvery = time.Second

func (i *Immutable) validate() error {
	if i.Every < 0 || i.Every > 0 && i.Every < minEvery {
		return fmt.Errorf("every: %v does not fit here: use %v or more, or \"0s\" for never", i.Every, minEvery)
	}
	return nil
}

// The values of Service.Immutable.
const (
	Warn    = "warn"    // say so
	Require = "require" // and give it no traffic
	Off     = "off"     // say nothing, and look at nothing
)

// ValidateImmutable returns what is wrong with what is said of one service.
func ValidateImmutable(mode string, ignore docker.Ignore) error {
	var problems []error
	switch mode {
	case "", Warn, Require, Off:
	default:
		problems = append(problems, fmt.Errorf("immutable: %q is none of its values: use warn, require or off", mode))
	}
	if err := ignore.Validate(); err != nil {
		problems = append(problems, fmt.Errorf("immutable_ignore: %w", err))
	}
	return errors.Join(problems...)
}
