package router

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Request is what a decision may read of a request. Every method returns ""
// for what the request does not have, and is called at most once per rule.
type Request interface {
	Header(name string) string
	Cookie(name string) string
	Query(name string) string

	Method() string
	Path() string // decoded, beginning with "/"

	// Client is the address of the client, as far as trusted proxies tell.
	Client() netip.Addr

	// Certificate is what the certificate stands for that the client has shown and
	// the service trusts (see CertificateUnit).
	Certificate() string
}

// key is one way to recognise a unit.
type key struct {
	kind string // "cookie", "header", "query", "ip", "certificate", or "issued": the cookie that divvy issues
	name string
	text string // as it is configured
}

func parseKey(s string) (key, error) {
	kind, name, named := strings.Cut(s, ":")
	switch {
	case s == "cookie":
		return key{kind: "issued", text: s}, nil
	case s == "ip", s == "certificate":
		return key{kind: s, text: s}, nil
	case named && (kind == "cookie" || kind == "header") && validToken(name),
		named && kind == "query" && name != "":
		return key{kind, name, s}, nil
	default:
		return key{}, fmt.Errorf("%q is not a way to recognise a unit: use cookie, cookie:NAME, header:NAME, query:NAME, ip or certificate", s)
	}
}

// value returns what the request carries under k, "" for nothing.
func (k key) value(r Request) string {
	switch k.kind {
	case "header":
		return r.Header(k.name)
	case "cookie":
		return r.Cookie(k.name)
	case "query":
		return r.Query(k.name)
	case "certificate":
		return r.Certificate()
	case "issued":
		v, _ := unitIn(r.Cookie(k.name))
		return v
	}
	return ""
}

// address returns the part of an address that stands for a user: IPv4 whole,
// IPv6 the /64, since a host changes the rest at will (RFC 8981).
func address(a netip.Addr) (part [16]byte, ok bool) {
	if !a.IsValid() {
		return part, false
	}
	part = a.As16()
	if a = a.Unmap(); a.Is6() {
		clear(part[8:])
	}
	return part, true
}

// unitLen is the length of the units that divvy issues: 64 random bits.
const unitLen = 16

func newUnit(random uint64) string {
	return fmt.Sprintf("%016x", random)
}

// unitIn returns the unit that stands at the beginning of a cookie that divvy
// issued, "" if it may not have.
func unitIn(value string) (unit string, ok bool) {
	if len(value) > maxCookie || len(value) > unitLen && value[unitLen] != '.' {
		return "", false
	}
	unit = value[:min(unitLen, len(value))]
	if !validUnit(unit) {
		return "", false
	}
	return unit, true
}

// validUnit reports whether s is a unit that divvy may have issued.
func validUnit(s string) bool {
	if len(s) != unitLen {
		return false
	}
	_, ok := hexNumber(s)
	return ok
}

// hashUnit returns the hash of a unit within a service. The salt makes the
// first users of one service's candidate others than those of the next.
func hashUnit(salt uint64, unit string) uint64 { return mix(salt, xxhash.Sum64String(unit)) }

// mix returns a hash of two hashes: the finaliser of MurmurHash3 over their
// folded product, as in wyhash. Either argument alone decides all bits.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xd1b54a32d192ed03)
	x := hi ^ lo
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
