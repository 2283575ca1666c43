package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// GRPC is how a call of gRPC ended: one more than its status, so that zero is no
// call.
type GRPC uint8

// NoGRPC is the GRPC of what is no call of gRPC.
const NoGRPC GRPC = 0

// grpcNames are the names of all statuses, by their numbers, as clients know them.
var grpcNames = [...]string{
	"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
	"ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss",
	"Unauthenticated",
}

// GRPCStatus returns the GRPC of a status. One that nobody has defined is Unknown,
// as it is to clients.
func GRPCStatus(n int) GRPC {
	if n < 0 || n >= len(grpcNames) {
		n = 2
	}
	return GRPC(n + 1)
}

// Code returns the status, -1 of what is no call.
func (g GRPC) Code() int { return int(g) - 1 }

// String returns the name of the status, "" of what is no call.
func (g GRPC) String() string {
	if g == NoGRPC || int(g) > len(grpcNames) {
		return ""
	}
	return grpcNames[g-1]
}

// Failed reports whether the status is the server's fault, like one of 5xx: those
// that OpenTelemetry counts as errors of a server.
func (g GRPC) Failed() bool {
	switch g.Code() {
	case 2, 4, 12, 13, 14, 15: // Unknown, DeadlineExceeded, Unimplemented, Internal, Unavailable, DataLoss
		return true
	}
	return false
}

// calls counts calls of gRPC by status. A counter is created when its status is
// first seen; with the first, those of failures begin at zero, as the usual codes
// of requests do.
type calls struct {
	vec  *prometheus.CounterVec // its only variable label is code
	seen [len(grpcNames) + 1]atomic.Pointer[prometheus.Counter]
}

func (c *calls) inc(g GRPC) {
	if g.String() == "" {
		return
	}
	if known := c.seen[g].Load(); known != nil {
		(*known).Inc()
		return
	}
	for n := range grpcNames {
		if other := GRPCStatus(n); n == 0 || other == g || other.Failed() {
			counter := c.vec.WithLabelValues(other.String())
			c.seen[other].Store(&counter)
		}
	}
	(*c.seen[g].Load()).Inc()
}
