package catalog

import (
	"fmt"
	"strconv"

	"divvy/backends"
)

// wireOf returns how labels want a container to be spoken to, and what is wrong
// with them.
func wireOf(all map[string]string) (backends.Wire, []error) {
	w := backends.Wire{Protocol: backends.Protocol(all["divvy.protocol"])}
	r := careReader{labels: all}
	w.BackendTLS.ServerName = all["divvy.backend_tls.server_name"]
	read(&r, "backend_tls.insecure", &w.BackendTLS.Insecure, "true or false", strconv.ParseBool)
	if joined, ok := w.Validate().(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			r.problems = append(r.problems, fmt.Errorf("label %s%w", labelPrefix, err))
		}
	}
	return w, r.problems
}

// dialectOf returns how a container is spoken to: as the service says, and by its
// own labels where that says nothing, so that a version may speak another protocol
// than the one before it. Whether its certificate counts is the file's to say, if
// there is one.
func (g *group) dialectOf(m *member) (*backends.Dialect, error) {
	w := g.service.Wire
	if w.Protocol == "" {
		w.Protocol = m.labels.wire.Protocol
	}
	if w.BackendTLS.ServerName == "" {
		w.BackendTLS.ServerName = m.labels.wire.BackendTLS.ServerName
	}
	if !g.fromFile {
		w.BackendTLS.Insecure = m.labels.wire.BackendTLS.Insecure
	}
	return w.Dialect(g.service.Hosts)
}

// dialect returns how static backends are spoken to. The file has been validated,
// so this cannot fail.
func (g *group) dialect() *backends.Dialect {
	d, _ := g.service.Dialect(g.service.Hosts)
	return d
}

// trusting says which backends of the service are taken for what they say they are,
// "" if none.
func (g *group) trusting() string {
	const warning = "certificates are not looked at, so whoever is on the way to a backend can read and change what passes: set backend_tls.ca instead"
	if g.service.BackendTLS.Insecure {
		return fmt.Sprintf("service %s: backend_tls.insecure: %s", g.service.Name, warning)
	}
	for _, m := range g.members {
		if !g.fromFile && m.err == nil && m.labels.wire.BackendTLS.Insecure {
			return fmt.Sprintf("service %s: container %s: the label divvy.backend_tls.insecure: %s", g.service.Name, m.Name, warning)
		}
	}
	return ""
}
