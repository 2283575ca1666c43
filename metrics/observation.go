package metrics

import (
	"net/netip"
	"strings"
	"time"
)

// Observation is what is recorded of one request when it ends. Strings are as
// they came from the wire, hostile ones included: every sink escapes for its
// own format. They may be in memory that is used again when Observe has
// returned; see [Observation.Clone].
type Observation struct {
	Start     time.Time
	Service   string // "" if no service matched
	Version   string // name of the version, "v1.5.0@53bff422"; "" if none was decided
	ImageID   string // the digest that Docker runs
	Container string // container ID; "" for a static backend
	Backend   string // address "ip:port" that was tried last
	Reason    string // why this version: "request", "unit", "failover", "override", ...
	Attempts  int    // backends that were tried, 0 if none

	Method string
	Host   string
	Target string // the request target as received, query included
	Proto  string // "HTTP/1.1"
	Scheme string // "http" or "https"

	Status        int   // as sent to the client; 499 if the client went away before an answer; of a call of gRPC that was refused, as it would have been sent to others
	GRPC          GRPC  // how a call of gRPC ended
	RequestBytes  int64 // of the body
	ResponseBytes int64 // of the body

	Duration  time.Duration // first byte read to last byte written
	FirstByte time.Duration // start until the answer's head came from the backend; 0: no answer from a backend

	Client    netip.Addr // invalid if not known
	RequestID string
	UserAgent string
	Referer   string
	Err       string // the cause, for the log; "" if there was none

	// Upgraded says that the exchange became a tunnel. It is counted, but how
	// long it lasted is no latency and stays out of the histograms.
	Upgraded bool

	// Meter is where the request is counted: the counters of its version,
	// resolved beforehand. Nil: no service was decided.
	Meter *Meter
}

// Clone returns a copy that can be kept.
func (o *Observation) Clone() Observation {
	c := *o
	for _, s := range []*string{&c.Method, &c.Host, &c.Target, &c.RequestID, &c.UserAgent, &c.Referer} {
		*s = strings.Clone(*s)
	}
	return c
}

// Failed reports whether the answer was the server's failure.
func (o *Observation) Failed() bool { return o.Status >= 500 || o.GRPC.Failed() }

// Sink receives observations. Observe is called from the request's goroutine,
// from many at once: it must not block and must not keep o.
type Sink interface {
	Observe(o *Observation)
}

// Sinks hands each observation to every one of its elements, in order.
type Sinks []Sink

// Observe implements [Sink].
func (s Sinks) Observe(o *Observation) {
	for _, sink := range s {
		sink.Observe(o)
	}
}
