package http1

import (
	"bytes"
	"encoding/binary"
	"unsafe"
)

// Classes of bytes, bits of class.
const (
	token    = 1 << iota // RFC 9110 section 5.6.2
	text                 // what a field value may contain: VCHAR, SP, HTAB, obs-text (section 5.5)
	inTarget             // what a request target may contain, see doc.go
	inName               // what a host name may contain, see doc.go
	quoted               // what a quoted string contains without a backslash (section 5.6.4)
	hex
)

var class = func() (c [256]uint8) {
	for i := range 256 {
		b := byte(i)
		alnum := '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
		if alnum || b != 0 && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), b) >= 0 {
			c[i] |= token
		}
		if b >= ' ' && b != 0x7f || b == '\t' {
			c[i] |= text
			if b != '"' && b != '\\' {
				c[i] |= quoted
			}
		}
		if b > ' ' && b != 0x7f && b != '#' {
			c[i] |= inTarget
		}
		if alnum || bytes.IndexByte([]byte("-._~"), b) >= 0 {
			c[i] |= inName
		}
		if '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'f' {
			c[i] |= hex
		}
	}
	return c
}()

var lower = func() (l [256]byte) {
	for i := range 256 {
		l[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			l[i] |= 0x20
		}
	}
	return l
}()

// all reports whether every byte of b is of a class.
func all(b []byte, of uint8) bool {
	for _, c := range b {
		if class[c]&of == 0 {
			return false
		}
	}
	return true
}

// isText reports whether b may be a field value. It looks at eight bytes at a
// time, which for the usual head takes a quarter of the time of a table.
func isText(b []byte) bool {
	for len(b) >= 8 {
		if suspicious(binary.LittleEndian.Uint64(b)) && !all(b[:8], text) {
			return false
		}
		b = b[8:]
	}
	return all(b, text)
}

// suspicious reports whether one of eight bytes is below 0x20 or is 0x7f.
func suspicious(x uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	y := x ^ 0x7f*ones
	return ((x-0x20*ones)&^x|(y-ones)&^y)&highs != 0
}

// EqualFold reports whether b and s are the same but for the case of ASCII
// letters. (That of package bytes takes the Kelvin sign for a k.)
func EqualFold(b []byte, s string) bool { return equalFold(b, view(s)) }

func equalFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if c != b[i] && lower[c] != lower[b[i]] {
			return false
		}
	}
	return true
}

// HasToken reports whether a comma-separated list of tokens contains one, in
// whatever case.
func HasToken(list []byte, token string) bool {
	for len(list) > 0 {
		var element []byte
		if element, list = cutElement(list); EqualFold(element, token) {
			return true
		}
	}
	return false
}

// cutElement returns the first element of a list, without the whitespace
// around it, and the rest of the list.
func cutElement(list []byte) (element, rest []byte) {
	if i := bytes.IndexByte(list, ','); i >= 0 {
		return trim(list[:i]), list[i+1:]
	}
	return trim(list), nil
}

// trim returns b without spaces and tabs at its ends.
func trim(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// view returns the bytes of s. They must not be changed.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
