package catalog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"divvy/backends"
)

// careOf returns how labels want backends to be looked after, and what is wrong
// with them.
func careOf(all map[string]string) (backends.Care, []error) {
	c := backends.DefaultCare()
	r := careReader{labels: all}
	c.Health.Path, c.Health.Text, c.Health.GRPCService = all["divvy.health.path"], all["divvy.health.text"], all["divvy.health.grpc_service"]
	if status := list(all["divvy.health.status"]); status != nil {
		c.Health.Status = status
	}
	r.duration("health.interval", &c.Health.Interval)
	r.duration("health.timeout", &c.Health.Timeout)
	r.duration("slow_start", &c.SlowStart)
	r.duration("drain_timeout", &c.DrainTimeout)
	read(&r, "health.port", &c.Health.Port, "a port", strconv.Atoi)
	read(&r, "health.tcp", &c.Health.TCP, "true or false", strconv.ParseBool)
	read(&r, "health.grpc", &c.Health.GRPC, "true or false", strconv.ParseBool)
	switch e := all["divvy.eject"]; e {
	case "", "on":
	case "off":
		c.Eject = backends.Eject{}
	default:
		r.problems = append(r.problems, fmt.Errorf("label divvy.eject: %q is none of its values: use on or off", e))
	}
	if joined, ok := c.Validate().(interface{ Unwrap() []error }); ok && r.problems == nil {
		for _, err := range joined.Unwrap() {
			r.problems = append(r.problems, fmt.Errorf("label %s%w", labelPrefix, err))
		}
	}
	return c, r.problems
}

// careReader reads labels that are not text.
type careReader struct {
	labels   map[string]string
	problems []error
}

func (r *careReader) duration(key string, to *time.Duration) {
	read(r, key, to, `a duration such as "30s"`, time.ParseDuration)
}

// read reads a label, if it is there, into what it stands for.
func read[T any](r *careReader, key string, to *T, want string, parse func(string) (T, error)) {
	text, ok := r.labels[labelPrefix+key]
	if !ok {
		return
	}
	v, err := parse(strings.TrimSpace(text))
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("label %s%s: %q does not fit here: use %s", labelPrefix, key, text, want))
		return
	}
	*to = v
}
