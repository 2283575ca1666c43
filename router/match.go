package router

import (
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
		prefix := p[i].prefix
		if !strings.HasPrefix(path, prefix) {
			continue
		}
		if len(path) == len(prefix) || prefix[len(prefix)-1] == '/' || path[len(prefix)] == '/' {
			return p[i].service
		}
	}
	return nil
}

// Match returns the service that answers a host (as in the Host field; a port
// is ignored) and a path (decoded, beginning with "/"), nil if none does. The
// target "*" of an OPTIONS request matches as "/".
func (t *Table) Match(host, path string) *Service {
	name := hostName(host)
	if path == "*" || path == "" {
		path = "/"
	}
	if s := t.hosts.exact[name].match(path); s != nil {
		return s
	}
	if len(t.hosts.suffix) > 0 {
		for rest := name; ; {
			i := strings.IndexByte(rest, '.')
			if i < 0 {
				break
			}
			rest = rest[i+1:]
			if s := t.hosts.suffix[rest].match(path); s != nil {
				return s
			}
		}
	}
	return t.hosts.any.match(path)
}

// hostName returns a Host field's name without port, brackets and trailing
// dot, in lower case. It allocates only for names with capitals.
func hostName(host string) string {
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
