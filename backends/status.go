package backends

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Status is a backend as it is at one moment, for people and metrics.
type Status struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Host     string    `json:"host,omitempty"`
	Addr     string    `json:"addr"`
	State    State     `json:"state"`
	Reason   string    `json:"reason,omitempty"`
	Since    time.Time `json:"since"`
	InFlight int       `json:"in_flight"`

	Fingerprint string     `json:"fingerprint,omitempty"` // the same for backends that are configured alike
	Mutations   []Mutation `json:"mutations,omitempty"`   // what speaks against it being what its image says
}

// Unheard returns how many backends are out of rotation only because nobody has
// tried them yet.
func (r *Registry) Unheard() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.backends {
		if b.unheard() {
			n++
		}
	}
	return n
}

// Backends returns the state of every backend of the pool, the oldest first.
func (r *Registry) Backends(p *Pool) []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.SortedFunc(slices.Values(p.backends), byAge)
	out := make([]Status, 0, len(list))
	for _, b := range list {
		reason := b.reason
		if b.state == StateEjected && p.panicking {
			reason += "; it gets requests all the same, since too few others are left"
		}
		out = append(out, Status{
			ID: b.ID, Name: b.endpoint.Name, Host: b.endpoint.Host, Addr: b.Addr,
			State: b.state, Reason: reason, Since: b.since, InFlight: b.InFlight(),
			Fingerprint: b.endpoint.Fingerprint, Mutations: b.endpoint.Mutations,
		})
	}
	return out
}

// Fingerprint returns what the oldest backend of the pool is configured by of which
// that is known; "" if it is known of none, as of static ones.
func (r *Registry) Fingerprint(p *Pool) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var oldest *Backend
	for _, b := range p.backends {
		if b.endpoint.Fingerprint != "" && (oldest == nil || byAge(b, oldest) < 0) {
			oldest = b
		}
	}
	if oldest == nil {
		return ""
	}
	return oldest.endpoint.Fingerprint
}

// byAge orders backends, the oldest first.
func byAge(a, b *Backend) int {
	return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID), a.since.Compare(b.since))
}
