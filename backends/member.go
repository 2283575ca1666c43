package backends

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Member is a version of a service as the registry knows it at one moment.
type Member struct {
	*Pool

	// Tags is every tag that a container of the version was started with.
	Tags []string

	// First is when the first container was created that the version had since
	// it was last without any.
	First time.Time
}

// Members returns the versions of a service, those whose containers came first
// first.
func (r *Registry) Members(service string) []Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ms []Member
	for _, p := range r.pools[service] {
		ms = append(ms, Member{p, p.tags(), p.first})
	}
	slices.SortFunc(ms, func(a, b Member) int {
		return cmp.Or(a.First.Compare(b.First), strings.Compare(a.Version.Key(), b.Version.Key()))
	})
	return ms
}

// tags returns the tags that its containers were started with, those of the
// oldest first.
func (p *Pool) tags() []string {
	var all []string
	for _, b := range p.backends {
		if tag := b.endpoint.Version.Tag; !slices.Contains(all, tag) {
			all = append(all, tag)
		}
	}
	return all
}
