package http1

import "bytes"

// splitHost splits a host and port, and reports whether they are valid. Both
// may be empty: Host is if the target has no authority (RFC 9112 section 3.2),
// and what is called a port may be nothing behind a colon (RFC 3986 section
// 3.2.3). A port without a host is invalid.
func splitHost(b []byte) (host, port []byte, ok bool) {
	host = b
	if len(b) > 0 && b[0] == '[' {
		i := bytes.IndexByte(b, ']')
		if i < 0 || !isIPv6(b[1:i]) {
			return nil, nil, false
		}
		host, b = b[:i+1], b[i+1:]
	} else {
		i := 0
		for i < len(b) && class[b[i]]&inName != 0 {
			i++
		}
		host, b = b[:i], b[i:]
	}
	if len(b) == 0 {
		return host, nil, true
	}
	port = b[1:]
	return host, port, b[0] == ':' && len(host) > 0 && isPort(port)
}

// isIPv6 tells addresses from what is none; it does not count their groups.
func isIPv6(b []byte) bool {
	colons := 0
	for _, c := range b {
		switch {
		case c == ':':
			colons++
		case c != '.' && class[c]&hex == 0:
			return false // zones, too: they have no meaning elsewhere
		}
	}
	return colons >= 2 && len(b) <= len("0000:0000:0000:0000:0000:ffff:255.255.255.255")
}

// isPort reports whether b is empty or a number up to 65535.
func isPort(b []byte) bool {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return len(b) <= len("65535") && n <= 65535
}

// host returns whom the request is for (RFC 9112 section 3.2): the authority
// of the target if it has one, else the value of Host. Two that do not agree
// are refused, because whoever reads the other one is at another host.
func (r *Request) host() ([]byte, error) {
	count := r.count[host]
	if count > 1 {
		return nil, malformed("more than one Host")
	}
	if count == 0 && r.Minor > 0 {
		return nil, malformed("no Host")
	}
	var value, name, port []byte
	if count == 1 {
		value = r.Value(int(r.first[host]))
		var ok bool
		if name, port, ok = splitHost(value); !ok {
			return nil, malformedAt("invalid Host:", value)
		}
	}
	t := &r.target
	if t.form != absolute && t.form != authority {
		return value, nil
	}
	target := r.Target[t.authority:t.path]
	if count == 0 {
		return target, nil
	}
	implied := ""
	switch {
	case t.form == authority:
	case t.secure:
		implied = "443"
	default:
		implied = "80"
	}
	theName, thePort, _ := splitHost(target)
	if !equalFold(name, theName) || !samePort(port, thePort, implied) {
		return nil, malformedAt("Host is not that of the target but", value)
	}
	return target, nil
}

// samePort reports whether two ports are the same, where none means another.
func samePort(a, b []byte, none string) bool {
	if len(a) == 0 {
		a = view(none)
	}
	if len(b) == 0 {
		b = view(none)
	}
	return bytes.Equal(a, b)
}
