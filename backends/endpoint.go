package backends

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

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

	// CheckAddr is where its check asks; empty for Addr, at the port of the check
	// if that has one. They differ by more than the port where ports are published.
	CheckAddr string

	// IPs are the container's own addresses at present. When Addr's is among them
	// no more, whoever is connected to it hears nothing any more.
	IPs []netip.Addr

	// Created orders versions by age. Started changes when the container is
	// restarted, which makes a new Backend of it.
	Created time.Time
	Started time.Time

	Health Health
	Paused bool

	// Care is how it is looked after; nil for not at all. It is not changed
	// after it was handed over.
	Care *Care

	// Dialect is how it is spoken to; nil for HTTP/1.1 in clear.
	Dialect *Dialect

	// Problem says why the endpoint cannot be used and what to set to change
	// that; empty if it can. An endpoint with a problem may lack an address.
	Problem string

	// Mutations are what speaks against it being what its image says.
	Mutations []Mutation

	// Barred says why it gets no traffic though it could; empty if it may have
	// some. Unlike a problem it may come and go in the life of a backend.
	Barred string

	// Fingerprint is the same for backends that are configured alike; empty if
	// that is not known.
	Fingerprint string
}

// key identifies a backend: one container may serve several services.
type key struct{ service, id string }

func (e *Endpoint) key() key { return key{e.Service, e.ID} }

// checkAddr returns where its check asks.
func (e *Endpoint) checkAddr() string {
	port := e.care().Health.Port
	if host, _, err := net.SplitHostPort(e.Addr); err == nil && port != 0 && e.CheckAddr == "" {
		return net.JoinHostPort(host, strconv.Itoa(port))
	}
	return cmp.Or(e.CheckAddr, e.Addr)
}

// lost reports whether the address that an endpoint had was its container's own,
// and is not any more.
func (e *Endpoint) lost(now *Endpoint) bool {
	addr, err := netip.ParseAddrPort(e.Addr)
	return err == nil && slices.Contains(e.IPs, addr.Addr()) && !slices.Contains(now.IPs, addr.Addr())
}

// sameLife reports whether o describes the same life of the same backend, so
// that all that is known of the one holds for the other.
func (e *Endpoint) sameLife(o *Endpoint) bool {
	return e.Addr == o.Addr && e.Started.Equal(o.Started) &&
		e.Version.Key() == o.Version.Key() && e.Problem == o.Problem
}
