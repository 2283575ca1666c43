// Package metrics says what was seen: it takes the one observation that is
// made of every request, and turns it into Prometheus series and into a line
// of the access log.
//
// # How an observation travels
//
// A table is built, long before a request arrives:
//
//	m := prometheus.Meter("shop", "v1.5.0@53bff422")  // its counters, resolved once
//	prometheus.Present(keys)                          // all versions that exist now
//
// A request is decided, runs and ends:
//
//	m.Begin()                 // in flight
//	m.Assigned("unit")        // the decision and its reason
//	m.Retried()               // each further attempt
//	m.End()
//	sinks.Observe(&o)         // o.Meter = m
//	  ├─ Prometheus.Observe   // o.Meter.Observe: atomic additions; no version: unrouted
//	  ├─ AccessLog.Observe    // encode, append to the queue; full: count as dropped
//	  └─ (statistics)         // package metrics/stats
//
// All of this happens in the request's goroutine, so nothing of it blocks,
// does I/O or, once warm, allocates.
//
// What is slow happens elsewhere. [AccessLog.Run] takes the whole queue and
// writes it at once. [Prometheus.Handler] answers a scrape: it reads the
// counters, and asks the function given to [Prometheus.Watch] for what is
// state rather than history (weights, backends by state, hosts).
// [Prometheus.Run] drops the series of versions that are gone.
//
// # Files
//
//	observation.go  what is recorded, and who may receive it
//	config.go       the sections [metrics] and [access_log]
//	prometheus.go   the sink; presence and retention of versions
//	meter.go        the counters of one version
//	grpc.go         how calls of gRPC end, and their counters
//	labels.go       the two label values that come from outside: code and reason
//	handler.go      /metrics
//	snapshot.go     what is read at scrape time
//	accesslog.go    the queue and its writer
//	logline.go      one observation as a line of text
//
// The package imports nothing else of divvy and has no state of its own: two
// values of Prometheus have two registries.
package metrics
