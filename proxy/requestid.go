package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// writeRequestID writes 128 random bits in hexadecimal, which is also the form
// of a W3C trace identifier.
func writeRequestID(id *[32]byte) {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(b[8:], rand.Uint64())
	hex.Encode(id[:], b[:])
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
