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
// # How it is read
//
// A [Pool] is the set of backends of one version of one service. Requests see
// only the pool's immutable list of ready backends, behind an atomic pointer:
//
//	Registry ── mutex ──> Backend states ── rebuild ──> Pool.ready (atomic)
//	                                                        │
//	request ────────────────────────────── Acquire ────────┘
//
// so that a change to one backend costs its own pool and nobody else, and a
// request never waits for a change.
package backends
