package admin

import (
	"context"
	"net/http"
	"time"

	"divvy/backends"
)

// Audit says whether what runs of a service is what was built.
type Audit struct {
	Service   string    `json:"service"`
	Immutable string    `json:"immutable"` // what follows if not: "warn", "require" or "off"
	At        time.Time `json:"at"`

	// EventsSince is when divvy began to listen: what was done by hand before
	// then is not known.
	EventsSince time.Time `json:"events_since"`

	// Clean means that everything could be looked at, and nothing was found.
	Clean    bool           `json:"clean"`
	Versions []AuditVersion `json:"versions"` // all that run, the oldest first
}

// AuditVersion is what an audit says of a version.
type AuditVersion struct {
	Version   string              `json:"version"`
	ImageID   string              `json:"image_id,omitempty"`
	Share     float64             `json:"share"` // of all units, now; 0 to 1
	Clean     bool                `json:"clean"`
	Mutations []backends.Mutation `json:"mutations,omitempty"` // of all its backends together
	Backends  []AuditBackend      `json:"backends"`
}

// AuditBackend is what an audit says of a backend.
type AuditBackend struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Host        string              `json:"host,omitempty"`
	State       backends.State      `json:"state"`
	Started     time.Time           `json:"started,omitzero"`
	Fingerprint string              `json:"fingerprint,omitempty"` // the same for backends that are configured alike
	ReadOnly    bool                `json:"read_only"`             // it can write nothing but into its mounts
	Static      bool                `json:"static,omitempty"`      // it is no container, so there is nothing to audit
	Mutations   []backends.Mutation `json:"mutations,omitempty"`
	Unknown     string              `json:"unknown,omitempty"` // what could not be found out
}

// lookInto answers with an audit. (The method audit writes the log.)
func (s *Server) lookInto(w http.ResponseWriter, r *http.Request) {
	a, err := s.Control.Audit(r.Context(), r.PathValue("service"))
	s.answerOr(w, r, a, err)
}

// Audit asks whether what runs of a service is what was built.
func (c Client) Audit(ctx context.Context, service string) (*Audit, error) {
	return ask[Audit](ctx, c, http.MethodGet, pathOf(service, "/audit"), nil)
}
