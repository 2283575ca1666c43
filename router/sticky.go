package router

import (
	"strings"
	"time"
)

// Sticky says what a request is recognised by, so that it gets the version
// that the like of it got before, and when it may get another.
type Sticky struct {
	// By is tried in order: "cookie" (one that divvy issues), "cookie:NAME",
	// "header:NAME", "query:NAME", "ip" (IPv6 by /64), "certificate" (that the
	// client showed, by its subject).
	By []string `toml:"by"`

	// Keep is how long a unit stays with the version that it was assigned to
	// though the hash says otherwise since an edit: "0s" (or "": it moves with
	// the next request), a duration after its assignment, or "always".
	Keep string `toml:"keep"`

	// OnZero says what becomes of the units of a version whose weight becomes
	// zero: "release" (or "") assigns them anew, "keep" lets them stay for as
	// long as the version runs and is named by the split.
	OnZero string `toml:"on_zero"`

	// RebalanceOn are path prefixes of whole segments. If there are any, a
	// unit moves with a request to one of them only, while its version can
	// answer and is named by the split.
	RebalanceOn []string `toml:"rebalance_on"`

	Cookie Cookie `toml:"cookie"`
}

// Cookie says how the cookie looks that divvy issues.
type Cookie struct {
	Name     string `toml:"name"`      // "" for divvy-SERVICE
	Path     string `toml:"path"`      // "" for /
	Domain   string `toml:"domain"`    // "" for the host that was asked
	SameSite string `toml:"same_site"` // "lax" (or ""), "strict" or "none"
	Secure   string `toml:"secure"`    // "auto" (or "") under TLS, "always" or "never"
	Readable bool   `toml:"readable"`  // by scripts of the page: without HttpOnly
	MaxAge   string `toml:"max_age"`   // a duration, or "session"; "" for a year
}

// Bounds and defaults of cookies. Browsers keep none for longer than 400 days
// (RFC 6265bis section 5.5).
const (
	always       = "always"
	session      = "session"
	maxCookieAge = 400 * 24 * time.Hour
	cookieAge    = 365 * 24 * time.Hour
)

func (c *Sticky) validate(bad reporter) {
	for _, by := range c.By {
		if _, err := parseKey(by); err != nil {
			bad("sticky.by: %w", err)
		}
	}
	if _, ok := parseKeep(c.Keep); !ok {
		bad(`sticky.keep: %q is not a time to keep a version: use "0s", a duration of a second or more such as "24h", or "always"`, c.Keep)
	}
	if !oneOf(c.OnZero, "", "release", "keep") {
		bad("sticky.on_zero: %q is none of its values: use release or keep", c.OnZero)
	}
	validatePaths("sticky.rebalance_on", c.RebalanceOn, bad)
	if len(c.By) == 0 && c.Pins() {
		bad("sticky.by: it is empty, so nobody is recognised and nothing is kept: use cookie, cookie:NAME, header:NAME, query:NAME, ip or certificate")
	}
	c.Cookie.validate(bad)
}

// Pins reports whether the version that a unit was assigned to is remembered.
func (c *Sticky) Pins() bool {
	keep, _ := parseKeep(c.Keep)
	return keep != 0 || len(c.RebalanceOn) > 0 || c.OnZero == "keep"
}

func (c *Cookie) validate(bad reporter) {
	if c.Name != "" && !validToken(c.Name) {
		bad("sticky.cookie.name: %q is not the name of a cookie: use letters, digits, dashes and underscores", c.Name)
	}
	if c.Path != "" && (!strings.HasPrefix(c.Path, "/") || !attribute(c.Path)) {
		bad("sticky.cookie.path: %q is not a path: it begins with / and has no semicolon", c.Path)
	}
	if c.Domain != "" {
		if host, err := normalHost(c.Domain); err != nil || host != strings.ToLower(c.Domain) || strings.HasPrefix(host, "*") {
			bad("sticky.cookie.domain: %q is not a domain: use a name such as example.com", c.Domain)
		}
	}
	if !oneOf(c.SameSite, "", "lax", "strict", "none") {
		bad("sticky.cookie.same_site: %q is none of its values: use lax, strict or none", c.SameSite)
	}
	if !oneOf(c.Secure, "", "auto", always, "never") {
		bad("sticky.cookie.secure: %q is none of its values: use auto, always or never", c.Secure)
	}
	if c.SameSite == "none" && c.Secure == "never" {
		bad("sticky.cookie.secure: browsers refuse a cookie with same_site none that is not secure: use auto or always")
	}
	if _, ok := parseCookieAge(c.MaxAge); !ok {
		bad(`sticky.cookie.max_age: %q is not the age of a cookie: use a duration of a second to 9600h (400 days), or "session"`, c.MaxAge)
	}
}

// parseKeep reads a time to keep a version; below zero is for ever.
func parseKeep(s string) (time.Duration, bool) {
	switch s {
	case "":
		return 0, true
	case always:
		return -1, true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && (d == 0 || d >= time.Second)
}

// parseCookieAge reads the age of a cookie; 0 is the session of the browser.
func parseCookieAge(s string) (time.Duration, bool) {
	switch s {
	case "":
		return cookieAge, true
	case session:
		return 0, true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= time.Second && d <= maxCookieAge
}

// attribute reports whether s can stand in an attribute of a cookie.
func attribute(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c >= 0x7f || c == ';' {
			return false
		}
	}
	return true
}
