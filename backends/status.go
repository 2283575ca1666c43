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
}

// Backends returns the state of every backend of the pool, the oldest first.
func (r *Registry) Backends(p *Pool) []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.SortedFunc(slices.Values(p.backends), func(a, b *Backend) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID), a.since.Compare(b.since))
	})
	out := make([]Status, 0, len(list))
	for _, b := range list {
		out = append(out, Status{
			ID: b.ID, Name: b.endpoint.Name, Host: b.Host, Addr: b.Addr,
			State: b.state, Reason: b.reason, Since: b.since, InFlight: b.InFlight(),
		})
	}
	return out
}
