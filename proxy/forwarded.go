package proxy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// whoIsThere finds the client's address and scheme: the peer's, or what the
// trusted proxies between it and us say.
func (ex *exchange) whoIsThere() {
	ex.client = ex.peer
	ex.trusted = isIn(ex.world.trusted, ex.peer)
	if !ex.trusted {
		return
	}
	// From our end: each hop was described by the one after it, so it can be
	// believed as long as all after it are trusted.
	for _, h := range slices.Backward(hops(ex.req.Header)) {
		if proto := strings.ToLower(h.proto); proto == "http" || proto == "https" {
			ex.scheme = proto
		}
		a, ok := parseNode(h.node)
		if !ok {
			return
		}
		ex.client = a
		if !isIn(ex.world.trusted, a) {
			return
		}
	}
}

// hop is what one proxy says of who sent the request to it.
type hop struct{ node, proto string }

// hops returns what the proxies before us say, the farthest first, by
// X-Forwarded-For or, without it, by Forwarded.
func hops(h http.Header) []hop {
	protos := elements(h["X-Forwarded-Proto"])
	nodes := elements(h["X-Forwarded-For"])
	if len(nodes) == 0 {
		if lines := h["Forwarded"]; len(lines) > 0 {
			return readForwarded(lines)
		}
		nodes = []string{""} // the protocol counts nevertheless
	}
	out := make([]hop, len(nodes))
	for i, node := range nodes {
		out[i].node = node
		switch {
		case len(protos) == len(nodes):
			out[i].proto = protos[i]
		case len(protos) > 0:
			// Not one for each: the nearest is the one whose author we know.
			out[i].proto = protos[len(protos)-1]
		}
	}
	return out
}

// elements returns the elements of a list-valued field.
func elements(lines []string) []string {
	var out []string
	for _, line := range lines {
		for e := range strings.SplitSeq(line, ",") {
			out = append(out, strings.TrimSpace(e))
		}
	}
	return out
}

// readForwarded returns what the elements of a Forwarded field say (RFC 7239).
func readForwarded(lines []string) []hop {
	var out []hop
	for _, line := range lines {
		for _, element := range splitQuoted(line, ',') {
			var h hop
			for _, pair := range splitQuoted(element, ';') {
				k, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
				switch strings.ToLower(k) {
				case "for":
					h.node = unquote(v)
				case "proto":
					h.proto = unquote(v)
				}
			}
			out = append(out, h)
		}
	}
	return out
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

// unquote returns what a quoted string stands for (RFC 9110 section 5.6.4), and
// anything else as it is.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parseNode reads an address as it stands in X-Forwarded-For or Forwarded,
// with or without a port.
func parseNode(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return plain(ap.Addr()), true
	}
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		a, err := netip.ParseAddr(s[1 : len(s)-1])
		return plain(a), err == nil && a.Is6()
	}
	a, err := netip.ParseAddr(s)
	return plain(a), err == nil
}

// plain returns an address in the form in which networks are compared with it:
// IPv4 as such, and without a zone, which no network contains.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// setForwarded sets the fields that tell the origin about the client. What a
// peer says that is not trusted is dropped, not passed on.
func (ex *exchange) setForwarded(h http.Header) {
	ex.dropClaims(h)
	peer := "unknown"
	if ex.peer.IsValid() {
		peer = ex.peer.String()
	}
	element := "for=" + forwardedNode(ex.peer)
	if ex.req.Host != "" {
		element += ";host=" + quoted(ex.req.Host)
		h["X-Forwarded-Host"] = []string{ex.req.Host}
	}
	element += ";proto=" + ex.scheme
	h["X-Forwarded-Proto"] = []string{ex.scheme}
	if !ex.trusted {
		h["X-Forwarded-For"] = []string{peer}
		h["Forwarded"] = []string{element}
		return
	}
	// Taken from the request, where no Connection field can have removed them.
	in := ex.req.Header
	h["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(in["X-Forwarded-For"]), peer), ", ")}
	h["Forwarded"] = []string{strings.Join(append(slices.Clone(in["Forwarded"]), element), ", ")}
	if in.Get("X-Forwarded-Host") != "" {
		h["X-Forwarded-Host"] = slices.Clone(in["X-Forwarded-Host"])
	}
}

// dropClaims removes what an untrusted peer says about where the request came
// from and, from any peer, what would look like it to an application behind an
// interface in the manner of CGI, for which dash and underscore are the same.
func (ex *exchange) dropClaims(h http.Header) {
	id := http.CanonicalHeaderKey(ex.world.config.RequestIDHeader)
	for name := range h {
		dashed := name
		if strings.IndexByte(name, '_') >= 0 {
			dashed = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
		}
		isClaim := dashed == "Forwarded" || dashed == "X-Real-Ip" || dashed == id || strings.HasPrefix(dashed, "X-Forwarded-")
		if isClaim && (dashed != name || !ex.trusted) {
			delete(h, name)
		}
	}
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

// quoted returns a host as a token or, where it is none, as a quoted string. A
// host may have commas and semicolons (RFC 3986 section 3.2.2), with which a
// client could add elements of its own.
func quoted(host string) string {
	if strings.IndexFunc(host, func(r rune) bool { return !httpguts.IsTokenRune(r) }) < 0 {
		return host
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(host) + `"`
}

func isIn(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
}
