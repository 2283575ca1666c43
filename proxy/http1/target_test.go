package http1

import (
	"net/url"
	"testing"
)

func TestTarget(t *testing.T) {
	const none = "-"
	f := func(method, target, host, wantTarget, wantPath, wantQuery string) {
		t.Helper()
		r := requestOf(t, method+" "+target+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		if got := string(r.AppendTarget(nil)); got != wantTarget {
			t.Errorf("%s %s: the origin gets %q, want %q", method, target, got, wantTarget)
		}
		path, query := none, none
		p := r.Path()
		if p != nil {
			path = string(p)
		}
		if q, ok := r.Query(); ok {
			query = string(q)
		}
		if got, err := url.PathUnescape(path); p != nil && (err != nil || string(r.AppendDecodedPath(nil)) != got) {
			t.Errorf("%s %s: the path is decoded as %q, want %q", method, target, r.AppendDecodedPath(nil), got)
		}
		if path != wantPath || query != wantQuery {
			t.Errorf("%s %s: got %q and %q, want %q and %q", method, target, path, query, wantPath, wantQuery)
		}
	}
	// RFC 9112 section 3.2.1
	for _, path := range []string{"/", "//", "/a", "//a/b", "/a/../b", "/;a=b", "/%2f", "/%E4%f6+%00/%41", "/a|b", "/:80", "/http://x/", "/\xe4", "/*"} {
		f("GET", path, "h", path, path, none)
		f("GET", path+"?", "h", path+"?", path, "")
		f("GET", path+"?a?/b%", "h", path+"?a?/b%", path, "a?/b%")
		f("GET", "http://h:1"+path+"?b", "h:1", path+"?b", path, "b")
	}
	// RFC 9112 section 3.2.2
	f("GET", "http://h", "h", "/", "/", none)
	f("GET", "HTTP://h?a", "h", "/?a", "/", "a")
	f("GET", "https://h/", "h", "/", "/", none)
	f("OPTIONS", "http://h/", "h", "/", "/", none)
	f("OPTIONS", "http://h?", "h", "/?", "/", "")
	// RFC 9112 section 3.2.3
	f("CONNECT", "h:443", "h:443", "h:443", none, none)
	// RFC 9112 section 3.2.4
	f("OPTIONS", "*", "h", "*", none, none)
	f("OPTIONS", "http://h", "h", "*", none, none)
}
