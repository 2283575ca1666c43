package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// originTarget returns the request target as the origin gets it: the bytes that
// the client sent, without scheme and host (RFC 9112 section 3.2). It reports
// whether the target is one that can be passed on.
func originTarget(r *http.Request) (target string, ok bool) {
	sent := r.RequestURI
	switch {
	case strings.IndexByte(sent, '#') >= 0:
		// A fragment is no part of a target. Servers disagree about where the
		// path of such a one ends, so that rules for paths could be evaded.
		return "", false
	case sent == "*":
		return sent, r.Method == http.MethodOptions
	case strings.HasPrefix(sent, "/"):
		return sent, true
	case r.URL.Scheme != "http" && r.URL.Scheme != "https", r.URL.Opaque != "", r.URL.Host == "":
		return "", false
	}
	_, rest, _ := strings.Cut(sent, "://")
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0 && r.Method == http.MethodOptions:
		return "*", true // section 3.2.4
	case i < 0:
		return "/", true
	case rest[i] == '?':
		return "/" + rest[i:], true
	default:
		return rest[i:], true
	}
}

// targetURL returns a URL that net/http writes as target, whose decoded path is
// path.
//
// Opaque is written as it is, but with the scheme before it if it begins with
// two slashes. Such a path is left to net/url, which keeps the escapes that it
// has and adds those that it lacks: "//a|b" arrives as "//a%7Cb".
func targetURL(target, path string) *url.URL {
	raw, query, asked := strings.Cut(target, "?")
	u := &url.URL{Scheme: "http", RawQuery: query, ForceQuery: asked}
	if strings.HasPrefix(raw, "//") {
		u.Path, u.RawPath = path, raw
	} else {
		u.Opaque = raw
	}
	return u
}
