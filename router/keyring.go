package router

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strings"
	"sync"
)

// Key is one that cookies are signed with.
type Key struct {
	ID     string // 4 letters or digits
	Secret []byte
}

// Keyring signs what divvy hands to a browser and wants to know again. It does
// not change; a rotation makes another. A nil Keyring signs and knows nothing.
type Keyring struct{ signers []*signer }

// NewKeyring returns a ring of keys. The first signs; what any of them signed is
// known.
func NewKeyring(keys []Key) *Keyring {
	r := &Keyring{}
	for _, k := range keys {
		s := &signer{id: k.ID, secret: k.Secret}
		s.memory.New = func() any { return &mac{hash: hmac.New(sha256.New, s.secret)} }
		r.signers = append(r.signers, s)
	}
	return r
}

// signer is one key and what it is computed with, which is used again and again.
type signer struct {
	id     string
	secret []byte
	memory sync.Pool // of *mac
}

type mac struct {
	hash  hash.Hash
	input []byte
	sum   []byte
	text  [macLen]byte
}

// The length of a signature: 128 bits of HMAC-SHA256 (RFC 2104 section 5 allows
// half of it), in base64url.
const (
	macBytes = 16
	macLen   = 22
	keyIDLen = 4
)

// sum computes the signature of text for a purpose into m.text.
func (m *mac) compute(purpose, service, text string) {
	m.input = append(append(append(m.input[:0], purpose...), 0), service...)
	m.input = append(append(m.input, 0), text...)
	m.hash.Reset()
	m.hash.Write(m.input)
	m.sum = m.hash.Sum(m.sum[:0])
	base64.RawURLEncoding.Encode(m.text[:], m.sum[:macBytes])
}

// can reports whether there is a key to sign with.
func (r *Keyring) can() bool { return r != nil && len(r.signers) > 0 }

// sign returns text with a signature that is good for one purpose and service:
//
//	text.keyid.signature
func (r *Keyring) sign(purpose, service, text string) string {
	s := r.signers[0]
	text += "." + s.id
	m := s.memory.Get().(*mac)
	defer s.memory.Put(m)
	m.compute(purpose, service, text)
	return text + "." + string(m.text[:])
}

// verify returns the text that was signed, and whether by the key that signs
// now. It allocates nothing.
func (r *Keyring) verify(purpose, service, value string) (text string, newest, ok bool) {
	const tail = 1 + keyIDLen + 1 + macLen
	if r == nil || len(value) <= tail || len(value) > maxCookie {
		return "", false, false
	}
	end := len(value) - tail
	id, given := value[end+1:end+1+keyIDLen], value[len(value)-macLen:]
	if value[end] != '.' || value[len(value)-macLen-1] != '.' {
		return "", false, false
	}
	for i, s := range r.signers {
		if s.id != id {
			continue
		}
		m := s.memory.Get().(*mac)
		m.compute(purpose, service, value[:end+1+keyIDLen])
		same := subtle.ConstantTimeCompare(m.text[:], []byte(given)) == 1 // so short a copy stays on the stack
		s.memory.Put(m)
		if same {
			return value[:end], i == 0, true
		}
	}
	return "", false, false
}

// maxCookie is the length above which a cookie is none of ours.
const maxCookie = 256

// hexNumber reads exactly 16 or 8 lower-case digits.
func hexNumber(s string) (n uint64, ok bool) {
	for _, c := range []byte(s) {
		d := strings.IndexByte("0123456789abcdef", c)
		if d < 0 {
			return 0, false
		}
		n = n<<4 | uint64(d)
	}
	return n, s != ""
}
