package proxy

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"divvy/proxy/http1"

	"golang.org/x/net/http/httpguts"
)

// whoIsThere finds the client's address and scheme: the peer's, or what the
// trusted proxies between it and us say.
func (ex *exchange) whoIsThere() {
	ex.addr, ex.scheme = ex.peer, "http"
	if ex.secure {
		ex.scheme = "https"
	}
	ex.trusted = ex.world.trusted.has(ex.peer)
	if !ex.trusted {
		return
	}
	// From our end: each hop was described by the one after it, so it can be
	// believed as long as all after it are trusted.
	for _, h := range slices.Backward(hops(&ex.req.Fields)) {
		if proto := strings.ToLower(h.proto); proto == "http" || proto == "https" {
			ex.scheme = proto
		}
		a, ok := parseNode(h.node)
		if !ok {
			return
		}
		ex.addr = a
		if !ex.world.trusted.has(a) {
			return
		}
	}
}

// hop is what one proxy says of who sent the request to it.
type hop struct{ node, proto string }

// hops returns what the proxies before us say, the farthest first, by
// X-Forwarded-For or, without it, by Forwarded.
func hops(f *http1.Fields) []hop {
	protos := elements(values(f, "X-Forwarded-Proto"))
	nodes := elements(values(f, "X-Forwarded-For"))
	if len(nodes) == 0 {
		if lines := values(f, "Forwarded"); len(lines) > 0 {
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

// values returns copies of the values of a field.
func values(f *http1.Fields, name string) (lines []string) {
	for v := range f.Values(name) {
		lines = append(lines, string(v))
	}
	return lines
}

// appendForwarded appends the fields that tell the origin about the client.
// What a peer says that is not trusted is dropped, not passed on.
func (ex *exchange) appendForwarded(dst []byte) []byte {
	f, host := &ex.req.Fields, ex.record.Host
	own := f
	if !ex.trusted {
		own = nil
	}
	dst = appendList(dst, "X-Forwarded-For", own)
	dst = append(append(dst, ex.peerText...), "\r\n"...)
	dst = appendList(dst, "Forwarded", own)
	dst = append(dst, "for="...)
	if ex.peer.Is6() {
		dst = append(append(append(dst, `"[`...), ex.peerText...), `]"`...)
	} else {
		dst = append(dst, ex.peerText...)
	}
	if host != "" {
		dst = appendQuoted(append(dst, ";host="...), host)
	}
	dst = append(append(append(dst, ";proto="...), ex.scheme...), "\r\n"...)
	dst = http1.AppendField(dst, "X-Forwarded-Proto", ex.scheme)
	theirs := 0
	if ex.trusted {
		for v := range f.Values("X-Forwarded-Host") {
			dst = http1.AppendFieldBytes(dst, "X-Forwarded-Host", v)
			theirs++
		}
	}
	if theirs == 0 && host != "" {
		dst = http1.AppendField(dst, "X-Forwarded-Host", host)
	}
	return dst
}

// appendList appends the beginning of a field, and what the field has in f so
// far; nil is none. They are taken from the request as it came, where no
// Connection field can have removed them.
func appendList(dst []byte, name string, f *http1.Fields) []byte {
	dst = append(append(dst, name...), ": "...)
	if f == nil {
		return dst
	}
	for v := range f.Values(name) {
		dst = append(append(dst, v...), ", "...)
	}
	return dst
}

// dropClaims removes what an untrusted peer says about where the request came
// from, what is written anew and, from any peer, what would look like it to an
// application behind an interface in the manner of CGI, for which dash and
// underscore are the same.
func (ex *exchange) dropClaims() {
	f := &ex.req.Fields
	for i := range f.Len() {
		name := f.Name(i)
		if underscored := bytes.IndexByte(name, '_') >= 0; ex.isClaim(name, underscored) {
			f.OmitAt(i)
		}
	}
}

// isClaim reports whether a field with this name is not to be passed on as it
// came.
func (ex *exchange) isClaim(name []byte, underscored bool) bool {
	is := func(known string) bool { return len(name) == len(known) && sameDashed(name, known) }
	const prefix = "X-Forwarded-"
	switch {
	case is(ex.world.config.RequestIDHeader), is("Forwarded"), is("X-Forwarded-For"), is("X-Forwarded-Host"), is("X-Forwarded-Proto"):
		return true // ours replaces it
	case is(clientCert), is(clientCertChain):
		return !ex.trusted || underscored || ex.certificate != nil
	case len(name) > len(prefix) && sameDashed(name[:len(prefix)], prefix), is("X-Real-IP"):
		return !ex.trusted || underscored
	}
	return false
}

// sameDashed reports whether two names of the same length are the same but for
// the case of letters and for dashes that are underscores in the first.
func sameDashed(name []byte, known string) bool {
	for i, c := range name {
		if c == '_' {
			c = '-'
		}
		k := known[i]
		if c != k && (c|0x20 != k|0x20 || k|0x20 < 'a' || k|0x20 > 'z') {
			return false
		}
	}
	return true
}

// appendQuoted appends a host as a token or, where it is none, as a quoted
// string. A host may have colons and brackets.
func appendQuoted(dst []byte, host string) []byte {
	for _, r := range host {
		if !httpguts.IsTokenRune(r) {
			dst = append(append(dst, '"'), host...) // which has no quotes and backslashes
			return append(dst, '"')
		}
	}
	return append(dst, host...)
}
