package http1

// kind says what a field is to this package.
type kind uint8

const (
	ordinary kind = iota
	hopByHop      // concerns one connection, and nobody here asks what it says
	host
	contentLength
	transferEncoding
	connection
	expect
	upgrade
	te
	kinds
)

// kindOf returns what a name stands for. Hop-by-hop are those of RFC 9110
// section 7.6.1, those of RFC 2616 section 13.5.1, and two that software sends
// although they never became fields of that sort.
func kindOf(name []byte) kind {
	switch len(name) {
	case 2:
		return named(name, "te", te)
	case 4:
		return named(name, "host", host)
	case 6:
		return named(name, "expect", expect)
	case 7:
		if lower[name[0]] == 'u' {
			return named(name, "upgrade", upgrade)
		}
		return named(name, "trailer", hopByHop)
	case 10:
		if lower[name[0]] == 'c' {
			return named(name, "connection", connection)
		}
		return named(name, "keep-alive", hopByHop)
	case 14:
		if lower[name[0]] == 'c' {
			return named(name, "content-length", contentLength)
		}
		return named(name, "http2-settings", hopByHop)
	case 16:
		return named(name, "proxy-connection", hopByHop)
	case 17:
		return named(name, "transfer-encoding", transferEncoding)
	case 18:
		return named(name, "proxy-authenticate", hopByHop)
	case 19:
		return named(name, "proxy-authorization", hopByHop)
	}
	return ordinary
}

func named(name []byte, known string, k kind) kind {
	if EqualFold(name, known) {
		return k
	}
	return ordinary
}

// omitted reports whether a field of this kind is never copied: hop-by-hop
// fields, and the framing, which is written anew.
func (k kind) omitted() bool {
	switch k {
	case hopByHop, contentLength, transferEncoding, connection, upgrade, te:
		return true
	}
	return false
}
