package backends

import "time"

// Health is what the engine's own health check (HEALTHCHECK) says.
type Health string

// The values of Health.
const (
	HealthNone      Health = ""          // the container has no health check
	HealthStarting  Health = "starting"  // it has not passed yet
	HealthPassing   Health = "healthy"   // the last one passed
	HealthUnhealthy Health = "unhealthy" // it failed as often as is allowed
)

// Endpoint is what a source says about one backend of one service. It is a
// plain value: the registry turns it into a Backend.
type Endpoint struct {
	Service string
	Version Version

	// ID is the container's ID, or the address of a static backend. Within a
	// service it is the backend's identity.
	ID string

	// Name is the container's name, for people.
	Name string

	// Host is the name of the Docker host, "" for a static backend.
	Host string

	// Addr is where it answers, "host:port".
	Addr string

	// Created orders versions by age. Started changes when the container is
	// restarted, which makes a new Backend of it.
	Created time.Time
	Started time.Time

	Health Health
	Paused bool

	// Problem says why the endpoint cannot be used and what to set to change
	// that; empty if it can. An endpoint with a problem may lack an address.
	Problem string
}

// key identifies a backend: one container may serve several services.
type key struct{ service, id string }

func (e *Endpoint) key() key { return key{e.Service, e.ID} }

// sameLife reports whether o describes the same life of the same backend, so
// that all that is known of the one holds for the other.
func (e *Endpoint) sameLife(o *Endpoint) bool {
	return e.Addr == o.Addr && e.Started.Equal(o.Started) &&
		e.Version.Key() == o.Version.Key() && e.Problem == o.Problem
}
