// Package backends knows what exists: the versions of each service, the
// backends that run them, and whether each may take a request.
//
// # How it is fed
//
// Sources (the Docker watcher, the configuration's static addresses) are
// combined by the program into one list of Endpoints, the whole state, and
// handed to [Registry.Replace]. The registry compares it with what it has:
//
//	endpoint known   keep the Backend with its counters, connections, checks
//	endpoint new     make a Backend, check it, then let it into its Pool
//	endpoint gone    drain its Backend: no new request, those in flight finish
//
// One thing does not wait for a list: [Registry.Stopping] drains a container
// the moment that its stop signal is sent.
//
// # What it finds out
//
// Whether a backend is ready follows from what is known of it, by one pure
// function in state.go: what the engine says, whether its port accepts
// (probe.go), what it answers to the check of its service (check.go,
// checking.go), both in turns so that those that hang delay no others (turns.go),
// and what requests saw of it (sight.go, eject.go, ejecting.go).
// Requests tell that without locks; only enough of them that failed, beside
// siblings that did better, take one.
//
// How a backend is spoken to, by checks as by requests, is its [Dialect]: wire.go is
// what the configuration says of it, dialect.go what follows.
//
// # How it is read
//
// A [Pool] is the set of backends of one version of one service. Requests see
// only the pool's immutable rotation, behind an atomic pointer: those with their
// whole share, and those that come to it slowly.
//
//	Registry ── mutex ──> Backend states ── rebuild ──> Pool.rotation (atomic)
//	    ^                                                    │
//	    └───── rarely ──── Saw <── request <── Acquire ──────┘
//
// so that a change to one backend costs its own pool and nobody else, and a
// request never waits for a change.
package backends
