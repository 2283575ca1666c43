package http1

import "bytes"

// form is one of the four forms of a request target (RFC 9112 section 3.2).
type form uint8

const (
	origin    form = iota // /path?query
	absolute              // http://host/path?query
	authority             // host:port, with CONNECT only
	asterisk              // *, with OPTIONS only
)

// target is a request target taken apart; offsets in it.
type target struct {
	form      form
	secure    bool // https://
	authority int  // where the authority begins, for absolute
	path      int  // where it ends and the path begins
	query     int  // where the path ends: a question mark or the end
}

// parseTarget takes apart the target of a request with a method.
func parseTarget(method, b []byte) (t target, err error) {
	switch {
	case string(method) == "CONNECT":
		t.form, t.path, t.query = authority, len(b), len(b)
		if host, port, ok := splitHost(b); !ok || len(host) == 0 || len(port) == 0 {
			return t, malformedAt("the target of CONNECT is not host:port but", b)
		}
		return t, nil
	case b[0] == '/':
		// The usual.
	case string(b) == "*":
		if string(method) != "OPTIONS" {
			return t, malformed("the target is * and the method not OPTIONS")
		}
		t.form, t.query = asterisk, 1
		return t, nil
	case hasScheme(b, "http://"):
		t.form, t.authority = absolute, len("http://")
	case hasScheme(b, "https://"):
		t.form, t.authority, t.secure = absolute, len("https://"), true
	default:
		return t, malformedAt("not a request target:", b)
	}
	if t.form == absolute {
		rest := b[t.authority:]
		t.path = len(b)
		if i := bytes.IndexAny(rest, "/?#"); i >= 0 {
			t.path = t.authority + i
		}
		if host, _, ok := splitHost(b[t.authority:t.path]); !ok || len(host) == 0 {
			return t, malformedAt("invalid authority in the target:", b[t.authority:t.path])
		}
	}
	t.query, err = checkPath(b, t.path)
	return t, err
}

func hasScheme(b []byte, scheme string) bool {
	return len(b) > len(scheme) && EqualFold(b[:len(scheme)], scheme)
}

// checkPath checks path and query, which begin at i, and returns where the
// path ends.
func checkPath(b []byte, i int) (query int, err error) {
	for ; i < len(b) && b[i] != '?'; i++ {
		if class[b[i]]&inTarget == 0 {
			return 0, badTarget(b[i])
		}
		if b[i] == '%' && (len(b)-i < 3 || class[b[i+1]]&class[b[i+2]]&hex == 0) {
			return 0, malformed("percent sign without two digits in the path") // RFC 3986 section 2.1
		}
	}
	query = i
	for _, c := range b[i:] {
		if class[c]&inTarget == 0 {
			return 0, badTarget(c)
		}
	}
	return query, nil
}

func badTarget(c byte) error {
	if c == '#' {
		return malformed("fragment in the target") // RFC 9112 section 3.2.1
	}
	return malformed("whitespace or control character in the target")
}

// Path returns the path of the target as it came, "/" if the target leaves it
// out, and nil for CONNECT and OPTIONS *.
func (r *Request) Path() []byte {
	switch t := &r.target; {
	case t.form == authority || r.serverWide():
		return nil
	case t.path == t.query:
		return slash
	default:
		return r.Target[t.path:t.query:t.query]
	}
}

var slash = []byte("/")

// AppendDecodedPath appends [Request.Path] with what its percent signs stand for.
func (r *Request) AppendDecodedPath(dst []byte) []byte {
	path := r.Path()
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' { // two digits follow, or the request was refused
			c = hexValue(path[i+1])<<4 | hexValue(path[i+2])
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

// Query returns what stands behind the question mark of the target, and
// whether there is one.
func (r *Request) Query() (query []byte, ok bool) {
	if r.target.query == len(r.Target) {
		return nil, false
	}
	return r.Target[r.target.query+1:], true
}

// SetQuery replaces what stands behind the question mark of the target; an empty
// query takes the question mark away. It uses dst as memory, which must stay as
// it is for as long as the request is used.
func (r *Request) SetQuery(dst, query []byte) []byte {
	dst = append(dst[:0], r.Target[:r.target.query]...)
	if len(query) > 0 {
		dst = append(append(dst, '?'), query...)
	}
	r.Target = dst
	return dst
}

// serverWide reports whether the target is * or stands for it (RFC 9112
// section 3.2.4).
func (r *Request) serverWide() bool {
	t := &r.target
	return t.form == asterisk || t.form == absolute && t.path == len(r.Target) && string(r.Method) == "OPTIONS"
}

// AppendTarget appends the target that the origin gets: the bytes that came,
// without scheme and host.
func (r *Request) AppendTarget(dst []byte) []byte {
	switch t := &r.target; {
	case t.form == authority:
		return append(dst, r.Target...)
	case r.serverWide():
		return append(dst, '*')
	case t.path == t.query:
		dst = append(dst, '/') // no path, but perhaps a query
	}
	return append(dst, r.Target[r.target.path:]...)
}
