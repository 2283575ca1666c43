package router

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Override says who may name the version that answers them, and how. A version
// is named by its tag, a tag and the first digits of its image ID, or these
// digits alone. One that does not exist, or cannot answer, is ignored.
type Override struct {
	// Networks are the addresses that may.
	Networks []string `toml:"networks"`

	// Tokens are read from where these say, "file:PATH" or "env:NAME", and
	// whoever has one may: in the field Divvy-Token or the parameter
	// divvy-token.
	Tokens []string `toml:"tokens"`

	// Header, Cookie and Query are where the name stands; "" for
	// Divvy-Version and divvy-version, "off" for nowhere. A version named in
	// the query is put into the cookie too, signed, for 12 hours: a link puts
	// a browser on a version, and "none" takes it off again.
	Header string `toml:"header"`
	Cookie string `toml:"cookie"`
	Query  string `toml:"query"`

	// PassQuery leaves the parameter in what the origin sees. The token is
	// always removed.
	PassQuery bool `toml:"pass_query"`

	// Secrets are what Tokens say, read when the configuration was.
	Secrets []string `toml:"-"`
}

// The names that an override is looked for under.
const (
	OverrideHeader = "Divvy-Version"
	overrideName   = "divvy-version" // of the cookie, and of the parameter
	TokenHeader    = "Divvy-Token"
	tokenQuery     = "divvy-token"
	noVersion      = "none" // takes a browser off its version
	off            = "off"
)

// grantAge is how long a link puts a browser on a version.
const grantAge = 12 * time.Hour

func (o *Override) validate(bad reporter) {
	for _, n := range o.Networks {
		if _, err := ParseNetwork(n); err != nil {
			bad("override.networks: %w", err)
		}
	}
	for _, n := range []struct{ key, name string }{{"header", o.Header}, {"cookie", o.Cookie}, {"query", o.Query}} {
		if n.name != "" && !validToken(n.name) {
			bad("override.%s: %q is not a name: use letters, digits, dashes and underscores, or off", n.key, n.name)
		}
	}
}

// overrides is an Override that is ready to be asked.
type overrides struct {
	on       bool
	networks []netip.Prefix
	tokens   [][sha256.Size]byte
	header   string // "" for none, as below
	query    string
	cookie   cookie
	passes   bool
}

func newOverrides(o Override) overrides {
	name := func(s, normal string) string {
		if s == off {
			return ""
		}
		return cmp.Or(s, normal)
	}
	out := overrides{
		header: name(o.Header, OverrideHeader), query: name(o.Query, overrideName), passes: o.PassQuery,
		cookie: newCookie(Cookie{Name: cmp.Or(o.Cookie, overrideName), MaxAge: grantAge.String()}, ""),
	}
	if o.Cookie == off {
		out.cookie.name = ""
	}
	for _, n := range o.Networks {
		if p, err := ParseNetwork(n); err == nil {
			out.networks = append(out.networks, p)
		}
	}
	for _, t := range o.Secrets {
		out.tokens = append(out.tokens, sha256.Sum256([]byte(t)))
	}
	out.on = len(out.networks)+len(out.tokens) > 0
	return out
}

// may reports whether who sent the request may name a version.
func (o *overrides) may(q *Query) bool {
	if contains(o.networks, q.Client()) {
		return true
	}
	if len(o.tokens) == 0 {
		return false
	}
	given := cmp.Or(q.Header(TokenHeader), q.Query(tokenQuery))
	if given == "" {
		return false
	}
	sum, known := sha256.Sum256([]byte(given)), 0
	for i := range o.tokens {
		known |= subtle.ConstantTimeCompare(sum[:], o.tokens[i][:])
	}
	return known == 1
}

// overridden returns the usable version that the request names, nil if it names
// none or may not; and what its cookie is to become, "" if it stays as it is.
func (s *Service) overridden(q *Query) (v *Version, grant string) {
	o := &s.override
	if o.header != "" {
		if name := q.Header(o.header); name != "" && o.may(q) {
			if v = s.find(name); v != nil {
				return v, ""
			}
		}
	}
	if o.query != "" {
		switch name := q.Query(o.query); {
		case name == noVersion && o.cookie.name != "":
			return nil, noVersion
		case name != "" && o.may(q):
			if v = s.find(name); v != nil {
				return v, s.grant(name, q.Now)
			}
		}
	}
	if o.cookie.name == "" {
		return nil, ""
	}
	value := q.Cookie(o.cookie.name)
	if value == "" {
		return nil, ""
	}
	if name, ok := s.granted(value, q.Now); ok {
		return s.find(name), ""
	}
	if o.may(q) {
		return s.find(value), ""
	}
	return nil, ""
}

const grantPurpose = "override"

// grant returns the value of a cookie that puts a browser on a version, "" if
// there is to be none:
//
//	65a0c3f1.v1.5.0.k3y1.MTIzNDU2Nzg5MDEyMzQ1Ng
//	until    name   key  signature
func (s *Service) grant(name string, now time.Time) string {
	if s.override.cookie.name == "" || !s.keys.can() {
		return ""
	}
	text := fmt.Sprintf("%08x.%s", uint32(now.Add(grantAge).Unix()), name)
	if len(text) > maxCookie/2 {
		return ""
	}
	return s.keys.sign(grantPurpose, s.Name, text)
}

// granted returns the version that such a cookie names.
func (s *Service) granted(value string, now time.Time) (name string, ok bool) {
	text, _, ok := s.keys.verify(grantPurpose, s.Name, value)
	if !ok {
		return "", false
	}
	until, name, _ := strings.Cut(text, ".")
	t, ok := hexNumber(until)
	return name, ok && now.Unix() < int64(t)
}

// Hides reports whether the origin does not see a parameter of the query.
func (s *Service) Hides(name string) bool {
	o := &s.override
	return o.on && (name == o.query && name != "" && !o.passes || name == tokenQuery && len(o.tokens) > 0)
}

// HidesQuery reports whether there is any parameter that the origin does not
// see.
func (s *Service) HidesQuery() bool {
	o := &s.override
	return o.on && (o.query != "" && !o.passes || len(o.tokens) > 0)
}

// HidesToken reports whether the origin does not see the field [TokenHeader].
func (s *Service) HidesToken() bool { return len(s.override.tokens) > 0 }

func contains(networks []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
