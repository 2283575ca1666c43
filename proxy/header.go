package proxy

import (
	"net/http"
	"strings"
)

// hopByHop are the fields that concern one connection only (RFC 9110 section
// 7.6.1), and those that older software sends although they never were fields.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
}

// endToEnd returns the fields of h that are meant for the other end.
func endToEnd(h http.Header) http.Header {
	out := h.Clone()
	if out == nil {
		out = http.Header{}
	}
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				out.Del(name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(out, name)
	}
	return out
}

// dropHopByHop removes from trailer fields what has no meaning after a body or
// could be taken for framing by whoever merges them with the others (RFC 9110
// section 6.5.1).
func dropHopByHop(trailer http.Header) {
	for _, name := range hopByHop {
		delete(trailer, name)
	}
	delete(trailer, "Content-Length")
	delete(trailer, "Host")
}

// hasToken reports whether a list-valued field contains a token.
func hasToken(h http.Header, field, token string) bool {
	for _, line := range h[field] {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// upgradeType returns the protocol that h asks to change to, or changes to; ""
// for none. A change to HTTP/2 is never passed on: what came after it would
// reach the origin past every rule (h2c smuggling).
func upgradeType(h http.Header) string {
	protocol := strings.ToLower(h.Get("Upgrade"))
	if !hasToken(h, "Connection", "upgrade") || strings.Contains(protocol, "h2") || strings.Contains(protocol, "http") {
		return ""
	}
	return h.Get("Upgrade")
}

// cdnCacheControl are the fields that some shared caches read instead of
// Cache-Control (RFC 9213).
var cdnCacheControl = []string{"Cdn-Cache-Control", "Surrogate-Control"}

// private marks an answer that carries one user's cookie, so that no shared
// cache hands it to another (RFC 9111 section 5.2.2.7).
func private(h http.Header) {
	var keep []string
	for _, line := range h["Cache-Control"] {
		for _, directive := range splitQuoted(line, ',') {
			directive = strings.TrimSpace(directive)
			name, _, _ := strings.Cut(strings.ToLower(directive), "=")
			switch name {
			case "", "public", "private", "s-maxage":
			case "no-store":
				return // nobody keeps it anyway
			default:
				keep = append(keep, directive)
			}
		}
	}
	h["Cache-Control"] = []string{strings.Join(append([]string{"private"}, keep...), ", ")}
	for _, name := range cdnCacheControl {
		delete(h, name)
	}
}
