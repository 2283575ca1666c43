package proxy

import (
	"encoding/hex"
	"math/rand/v2"
)

// newRequestID returns 128 random bits in hexadecimal, which is also the form
// of a W3C trace identifier.
func newRequestID() string {
	var b [16]byte
	for i := range 2 {
		r := rand.Uint64()
		for j := range 8 {
			b[i*8+j] = byte(r >> (8 * j))
		}
	}
	return hex.EncodeToString(b[:])
}

// validRequestID reports whether an identifier from outside can stand in logs
// and header fields: 8 to 128 letters, digits and -_.:+/=.
func validRequestID(id string) bool {
	if len(id) < 8 || len(id) > 128 {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '+', c == '/', c == '=':
		default:
			return false
		}
	}
	return true
}
