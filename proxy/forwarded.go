package proxy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// whoIsThere finds the client's address and scheme: the peer's, or what the
// trusted proxies between it and us say.
func (ex *exchange) whoIsThere() {
	ex.client = ex.peer
	ex.trusted = isIn(ex.world.trusted, ex.peer)
	if !ex.trusted {
		return
	}
	h := ex.req.Header
	hops, proto := h["X-Forwarded-For"], h.Get("X-Forwarded-Proto")
	addresses := strings.Split(strings.Join(hops, ","), ",")
	if len(hops) == 0 {
		addresses, proto = readForwarded(h["Forwarded"], proto)
	}
	if proto = strings.ToLower(proto); proto == "http" || proto == "https" {
		ex.scheme = proto
	}
	// From our end: each entry was written by the one after it, so it can be
	// believed as long as all after it are trusted.
	for _, text := range slices.Backward(addresses) {
		a, ok := parseNode(text)
		if !ok {
			return
		}
		ex.client = a
		if !isIn(ex.world.trusted, a) {
			return
		}
	}
}

// readForwarded returns the for= addresses of a Forwarded field (RFC 7239),
// and the proto= of its last element.
func readForwarded(lines []string, proto string) (addresses []string, _ string) {
	for _, line := range lines {
		for _, element := range splitQuoted(line, ',') {
			node := ""
			for _, pair := range splitQuoted(element, ';') {
				k, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
				switch strings.ToLower(k) {
				case "for":
					node = strings.Trim(v, `"`)
				case "proto":
					proto = strings.Trim(v, `"`)
				}
			}
			addresses = append(addresses, node)
		}
	}
	return addresses, proto
}

// splitQuoted splits s at sep, but not inside quotes.
func splitQuoted(s string, sep byte) []string {
	var parts []string
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// parseNode reads an address as it stands in X-Forwarded-For or Forwarded,
// with or without a port.
func parseNode(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap(), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap(), true
	}
	return netip.Addr{}, false
}

// setForwarded sets the fields that tell the origin about the client. What a peer
// says that is not trusted is dropped, not passed on.
func (ex *exchange) setForwarded(h http.Header) {
	peer := "unknown"
	if ex.peer.IsValid() {
		peer = ex.peer.String()
	}
	element := "for=" + forwardedNode(ex.peer) + ";host=" + quoted(ex.req.Host) + ";proto=" + ex.scheme
	if !ex.trusted {
		h["X-Forwarded-For"] = []string{peer}
		h["X-Forwarded-Host"] = []string{ex.req.Host}
		h["X-Forwarded-Proto"] = []string{ex.scheme}
		h["Forwarded"] = []string{element}
		return
	}
	h["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(h["X-Forwarded-For"]), peer), ", ")}
	h["Forwarded"] = []string{strings.Join(append(slices.Clone(h["Forwarded"]), element), ", ")}
	if h.Get("X-Forwarded-Host") == "" {
		h["X-Forwarded-Host"] = []string{ex.req.Host}
	}
	h["X-Forwarded-Proto"] = []string{ex.scheme}
}

// forwardedNode returns an address as RFC 7239 section 6 writes it.
func forwardedNode(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "unknown"
	case a.Is6():
		return `"[` + a.String() + `]"`
	default:
		return a.String()
	}
}

// quoted returns a host as a token or, with a port, as a quoted string.
func quoted(host string) string {
	if strings.ContainsAny(host, `:"\`) {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(host) + `"`
	}
	return host
}

func isIn(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
}
