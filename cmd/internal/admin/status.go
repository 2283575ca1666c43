package admin

import (
	"time"

	"divvy/backends"
	"divvy/proxy/certs"
)

// Status is divvy as it is at one moment, for people and scripts.
type Status struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Config   Config    `json:"config"`
	Docker   []Host    `json:"docker"`
	Services []Service `json:"services"`

	Certificates []certs.Status `json:"certificates"`

	// Problems are sentences about what cannot be used as it is, and what else
	// people should know.
	Problems []string `json:"problems"`
}

// Config is the state of the configuration file.
type Config struct {
	Path   string    `json:"path"` // "" if divvy runs without a file
	Loaded time.Time `json:"loaded"`
	Error  string    `json:"error,omitempty"` // why a later edit was refused
}

// Host is a Docker host.
type Host struct {
	Name   string    `json:"name"`
	Up     bool      `json:"up"`
	Since  time.Time `json:"since"`
	Errors uint64    `json:"errors"`
	Error  string    `json:"error,omitempty"`
}

// Service is a service and its versions, the oldest first.
type Service struct {
	Name     string    `json:"name"`
	Hosts    []string  `json:"hosts"`
	Paths    []string  `json:"paths"`
	Sticky   []string  `json:"sticky"`
	Rules    []string  `json:"rules,omitempty"` // the names of its audience rules
	Revision uint64    `json:"revision"`        // of the last edit of its split; 0: there was none
	Versions []Version `json:"versions"`
}

// Version is a version and its backends.
type Version struct {
	Name     string            `json:"name"` // as in logs and metrics
	Tags     []string          `json:"tags"`
	ImageID  string            `json:"image_id,omitempty"`
	Revision string            `json:"revision,omitempty"`
	Created  string            `json:"created,omitempty"`
	Weight   float64           `json:"weight"` // as set; 0 is dark
	Share    float64           `json:"share"`  // of all units, now; 0 to 1
	Backends []backends.Status `json:"backends"`

	// RolledBack says that the image gets no weight until an edit says so.
	RolledBack bool `json:"rolled_back,omitempty"`

	// Mutations are what speaks against all its backends being the same; those
	// of one backend are said of it.
	Mutations []backends.Mutation `json:"mutations,omitempty"`
}

// VersionBackend is a backend with the name of its version.
type VersionBackend struct {
	Version string `json:"version"`
	backends.Status
}

// backends returns all backends of a service.
func (s *Service) backends() []VersionBackend {
	all := []VersionBackend{}
	for _, v := range s.Versions {
		for _, b := range v.Backends {
			all = append(all, VersionBackend{v.Name, b})
		}
	}
	return all
}
