package router

import (
	"iter"
	"slices"
	"strings"
)

// hosts finds the service for a host and a path: the most specific host that
// has a matching path, and of its paths the longest.
//
//	shop.example.com   exact
//	*.example.com      every name below, at any depth; longer ones first
//	*                  every host
type hosts struct {
	exact  map[string]paths
	suffix map[string]paths // "example.com" for *.example.com
	any    paths
}

// paths are path prefixes, the longest first.
type paths []route

type route struct {
	prefix  string
	service *Service
}

func (h *hosts) add(host, path string, s *Service) {
	switch name, wild := strings.CutPrefix(host, "*."); {
	case host == "*":
		h.any = h.any.with(path, s)
	case wild:
		if h.suffix == nil {
			h.suffix = map[string]paths{}
		}
		h.suffix[name] = h.suffix[name].with(path, s)
	default:
		if h.exact == nil {
			h.exact = map[string]paths{}
		}
		h.exact[host] = h.exact[host].with(path, s)
	}
}

func (p paths) with(prefix string, s *Service) paths {
	i, taken := slices.BinarySearchFunc(p, prefix, func(r route, prefix string) int {
		if len(r.prefix) != len(prefix) {
			return len(prefix) - len(r.prefix)
		}
		return strings.Compare(r.prefix, prefix)
	})
	if taken {
		return p
	}
	return slices.Insert(p, i, route{prefix, s})
}

// match returns the service of the longest prefix of path that ends where a
// segment does: /shop matches /shop and /shop/cart, not /shopping.
func (p paths) match(path string) *Service {
	for i := range p {
		if hasPathPrefix(path, p[i].prefix) {
			return p[i].service
		}
	}
	return nil
}

// hasPathPrefix reports whether a path has a prefix that ends where a segment
// does.
func hasPathPrefix(path, prefix string) bool {
	return strings.HasPrefix(path, prefix) &&
		(len(path) == len(prefix) || prefix[len(prefix)-1] == '/' || path[len(prefix)] == '/')
}

// Match returns the service that answers a host (as in the Host field; a port
// is ignored) and a path (decoded, beginning with "/"), nil if none does. The
// target "*" of an OPTIONS request matches as "/".
func (t *Table) Match(host, path string) *Service {
	name := HostName(host)
	if path == "*" || path == "" {
		path = "/"
	}
	if s := t.hosts.exact[name].match(path); s != nil {
		return s
	}
	if len(t.hosts.suffix) > 0 {
		for domain := range domains(name) {
			if s := t.hosts.suffix[domain].match(path); s != nil {
				return s
			}
		}
	}
	return t.hosts.any.match(path)
}

// domains yields what a name is below, the longest first: b.c and c for a.b.c.
func domains(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := name; ; {
			i := strings.IndexByte(rest, '.')
			if i < 0 {
				return
			}
			if rest = rest[i+1:]; !yield(rest) {
				return
			}
		}
	}
}

// at yields the services that may answer for a host, some more than once.
func (t *Table) at(name string) iter.Seq[*Service] {
	return func(yield func(*Service) bool) {
		all := slices.Concat(t.hosts.exact[name], t.hosts.any)
		for domain := range domains(name) {
			all = append(all, t.hosts.suffix[domain]...)
		}
		for i := range all {
			if !yield(all[i].service) {
				return
			}
		}
	}
}

// HostName returns a Host field's name without port, brackets and trailing
// dot, in lower case. It allocates only for names with capitals.
func HostName(host string) string {
	if strings.HasPrefix(host, "[") {
		if i := strings.IndexByte(host, ']'); i > 0 {
			return strings.ToLower(host[1:i])
		}
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
