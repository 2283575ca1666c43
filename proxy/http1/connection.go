package http1

// options are what Connection says (RFC 9110 section 7.6.1).
type options struct {
	close, keepAlive, upgrade bool
}

// maxNamed bounds the fields that Connection may name, because each is
// compared with all of them.
const maxNamed = 32

// options reads all Connection fields and marks the fields that they name as
// not to be passed on. Framing and Host are not theirs to strip: they are
// written anew.
func (f *Fields) options() (o options, err error) {
	named, left := 0, int(f.count[connection])
	for i := int(f.first[connection]); left > 0; i++ {
		if f.lines[i].kind != connection {
			continue
		}
		left--
		for rest := f.Value(i); len(rest) > 0; {
			var option []byte
			option, rest = cutElement(rest)
			switch {
			case len(option) == 0:
			case EqualFold(option, "close"):
				o.close = true
			case EqualFold(option, "keep-alive"):
				o.keepAlive = true
			case EqualFold(option, "upgrade"):
				o.upgrade = true
			case !all(option, token):
				o.close = true // who knows what was meant
			case named == maxNamed:
				return o, malformed("Connection names too many fields")
			default:
				named++
				f.strip(option)
			}
		}
	}
	return o, nil
}

// strip marks the fields that Connection names.
func (f *Fields) strip(name []byte) {
	if kindOf(name) == host {
		return
	}
	for i := range f.lines {
		l := &f.lines[i]
		if int(l.colon-l.start) == len(name) && equalFold(f.buf[l.start:l.colon], name) {
			l.omit = true
		}
	}
}

// persists reports whether the connection may be used again after this message
// (RFC 9112 section 9.3).
func (o options) persists(minor int) bool {
	return !o.close && (minor > 0 || o.keepAlive)
}

// upgrade returns the protocols to change to, nil for none. HTTP/1.0 knows
// nothing of it (RFC 9110 section 7.8), and more than one field is ignored.
func (f *Fields) upgrade(o options, minor int) []byte {
	if !o.upgrade || minor == 0 || f.count[upgrade] != 1 {
		return nil
	}
	if v := f.Value(int(f.first[upgrade])); len(v) > 0 {
		return v
	}
	return nil
}

// has reports whether a field of a kind, which is a list, contains a token.
func (f *Fields) has(k kind, token string) bool {
	if f.count[k] == 0 {
		return false
	}
	for i := int(f.first[k]); i < len(f.lines); i++ {
		if f.lines[i].kind == k && HasToken(f.Value(i), token) {
			return true
		}
	}
	return false
}
