package metrics

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Config is the section [metrics]. A change takes effect when divvy starts
// again: series that exist keep their buckets.
type Config struct {
	// Retention is how long the series of a version that is gone are still
	// exported: at least a second, and in practice several scrapes.
	Retention time.Duration `toml:"retention"`

	// NativeHistograms exports the latency histograms as native ones too.
	// Prometheus takes them if it has been told to; others see the classic
	// buckets.
	NativeHistograms bool `toml:"native_histograms"`

	// Buckets are the upper bounds of the classic buckets in seconds,
	// ascending, at most 50. None at all is possible with native histograms.
	Buckets []float64 `toml:"buckets"`
}

const (
	minRetention = time.Second
	maxBuckets   = 50 // each is a series per version and histogram
)

// DefaultConfig returns what is used when the file says nothing.
func DefaultConfig() Config {
	return Config{
		Retention:        15 * time.Minute,
		NativeHistograms: true,
		Buckets:          []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}
}

// Validate reports everything that is wrong with c, joined. Each problem begins
// with the key that it is about.
func (c Config) Validate() error {
	var problems []error
	if c.Retention < minRetention {
		problems = append(problems, fmt.Errorf("retention: %v is too short; give at least %v", c.Retention, minRetention))
	}
	if len(c.Buckets) == 0 && !c.NativeHistograms {
		problems = append(problems, errors.New("buckets: none given; give at least one or set native_histograms = true"))
	}
	if len(c.Buckets) > maxBuckets {
		problems = append(problems, fmt.Errorf("buckets: %d given; give at most %d", len(c.Buckets), maxBuckets))
	}
	below := 0.0
	for _, b := range c.Buckets {
		if math.IsNaN(b) || math.IsInf(b, 0) || b <= below {
			problems = append(problems, fmt.Errorf("buckets: %v after %v; give finite seconds above zero in ascending order", b, below))
			break
		}
		below = b
	}
	return errors.Join(problems...)
}

// LogConfig is the section [access_log].
//
// A line holds the request target with its query. If a service takes secrets
// in the query, they are in the log, so a file is created for its owner and
// group only.
type LogConfig struct {
	Format string `toml:"format"` // "json", "common" (NCSA common log format) or "off"
	Output string `toml:"output"` // "stdout", "stderr" or the path of a file
}

// DefaultLogConfig returns what is used when the file says nothing.
func DefaultLogConfig() LogConfig {
	return LogConfig{Format: "json", Output: "stdout"}
}

// Validate reports everything that is wrong with c, joined. Each problem begins
// with the key that it is about. Whether the file
// can be opened is seen by [NewAccessLog].
func (c LogConfig) Validate() error {
	var problems []error
	switch c.Format {
	case "json", "common", "off":
	default:
		problems = append(problems, fmt.Errorf(`format: %q is no format; write "json", "common" or "off"`, c.Format))
	}
	if c.Output == "" && c.Format != "off" {
		problems = append(problems, errors.New(`output: it is empty; write "stdout", "stderr" or the path of a file`))
	}
	return errors.Join(problems...)
}
