package router

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/idna"
)

// Bounds of a split: the largest weight, and how many versions may have one.
const (
	MaxWeight   = 1_000_000
	MaxVersions = 256
)

// Config says which requests are a service's, and how they are divided.
type Config struct {
	// Name is the service's name in logs, metrics and labels.
	Name string `toml:"name"`

	// Hosts are the names that the service answers to, "shop.example.com" or
	// "*.example.com" for all names below; none means every host.
	Hosts []string `toml:"hosts"`

	// Paths are path prefixes of whole segments; none means every path.
	Paths []string `toml:"paths"`

	// Weights are the versions' relative shares by tag, or by tag and the
	// first digits of the image ID, "v1@53bff422". What is not listed is
	// dark. None at all gives everything to the version that came first.
	Weights map[string]int `toml:"weights"`

	// OnTagMove says who has the weight of a tag that was moved to another
	// image while the one before runs: "hold" (or "") leaves it where it was,
	// "follow" gives it to the newest that can answer.
	OnTagMove string `toml:"on_tag_move"`

	Sticky   Sticky   `toml:"sticky"`
	Override Override `toml:"override"`
	TLS      TLS      `toml:"tls"`

	// Rules send requests that match to a version, before their unit is looked
	// at. The first that matches, and whose version can answer, decides.
	Rules []Rule `toml:"rule"`

	// Compare and Goals say what versions are judged by.
	Compare Compare `toml:"compare"`
	Goals   []Goal  `toml:"goal"`
}

// The values of Config.OnTagMove.
const (
	Hold   = "hold"
	Follow = "follow"
)

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)
	weightForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(@(sha256:)?[0-9a-f]{4,64})?$`)
)

// Validate returns all that is wrong with c, joined. Each problem begins with
// the key that it is about.
func (c *Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(c.Name) {
		bad("name: %q is not a name: use 1 to 63 letters, digits, dots, dashes and underscores", c.Name)
	}
	for _, h := range c.Hosts {
		if _, err := normalHost(h); err != nil {
			bad("hosts: %w", err)
		}
	}
	validatePaths("paths", c.Paths, bad)
	validateWeights(c.Weights, bad)
	if !oneOf(c.OnTagMove, "", Hold, Follow) {
		bad("on_tag_move: %q is none of its values: use hold or follow", c.OnTagMove)
	}
	c.Sticky.validate(bad)
	c.Override.validate(bad)
	c.TLS.validate(bad)
	c.validateCookies(bad)
	validateRules(c.Rules, bad)
	c.Compare.validate(bad)
	validateGoals(c.Goals, bad)
	if slices.Contains(c.Sticky.By, "certificate") && !c.TLS.asks() {
		bad("sticky.by: certificate: clients are not asked for one: set tls.client_auth")
	}
	return errors.Join(problems...)
}

// ValidateWeights returns all that is wrong with the weights of a split, joined.
func ValidateWeights(weights map[string]int) error {
	var problems []error
	validateWeights(weights, func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) })
	return errors.Join(problems...)
}

func validateWeights(weights map[string]int, bad reporter) {
	total := 0
	for _, v := range sorted(weights) {
		w := weights[v]
		total += max(w, 0)
		if !weightForm.MatchString(v) {
			bad("weights: %q names no version: use a tag, v1, or a tag and the first digits of its image ID, v1@53bff422", v)
		}
		if w < 0 || w > MaxWeight {
			bad("weights.%s: %d is not a weight: use 0 to %d", v, w, MaxWeight)
		}
	}
	if len(weights) > MaxVersions {
		bad("weights: there are %d: name at most %d versions", len(weights), MaxVersions)
	}
	if len(weights) > 0 && total == 0 {
		bad("weights: they add up to nothing: give at least one version a weight above zero")
	}
}

func validatePaths(key string, paths []string, bad reporter) {
	for _, p := range paths {
		if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?#*") {
			bad("%s: %q is not a path prefix: it begins with / and has no *, ? or #", key, p)
		}
	}
}

// validateCookies reports cookies of the same name that would overwrite each
// other.
func (c *Config) validateCookies(bad reporter) {
	issued := cmp.Or(c.Sticky.Cookie.Name, "divvy-"+c.Name)
	if issued == cmp.Or(c.Override.Cookie, overrideName) {
		bad("sticky.cookie.name: %s is the cookie of override.cookie, too: use another name", issued)
	}
	if slices.Contains(c.Sticky.By, "cookie:"+issued) {
		bad("sticky.by: cookie:%s is the cookie that divvy issues: use cookie, or another name", issued)
	}
}

// reporter takes a problem, which begins with the key that it is about.
type reporter func(format string, args ...any)

func oneOf(s string, values ...string) bool { return slices.Contains(values, s) }

// ParseNetwork reads a network in CIDR notation, or a single address.
func ParseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a network: use 10.0.0.0/8, fd00::/8 or a single address", s)
	}
	return p.Masked(), nil
}

// normalHost returns the form of a configured host that requests are compared
// with: lower case, ASCII, no trailing dot.
func normalHost(h string) (string, error) {
	name, wild := strings.CutPrefix(h, "*.")
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && !wild {
		return a.String(), nil
	}
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(name, "."))
	if err != nil || ascii == "" {
		return "", fmt.Errorf("%q is not a host: use a name such as shop.example.com, or *.example.com for all names below", h)
	}
	if wild {
		return "*." + ascii, nil
	}
	return ascii, nil
}

// Conflicts returns an error for each host and path that two services claim.
func Conflicts(services []Config) error {
	type claim struct{ host, path string }
	owner := map[claim]string{}
	var problems []error
	for _, c := range services {
		for _, h := range c.hosts() {
			for _, p := range c.paths() {
				k := claim{h, p}
				if first, taken := owner[k]; taken && first != c.Name {
					problems = append(problems, fmt.Errorf("service %s: host %s with path %s is already answered by service %s", c.Name, h, p, first))
					continue
				}
				owner[k] = c.Name
			}
		}
	}
	return errors.Join(problems...)
}

// hosts returns the valid hosts in their normal form, "*" for every host.
func (c *Config) hosts() []string {
	var out []string
	for _, h := range c.Hosts {
		if n, err := normalHost(h); err == nil && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	if len(c.Hosts) == 0 {
		return []string{"*"}
	}
	return out
}

func (c *Config) paths() []string {
	if len(c.Paths) == 0 {
		return []string{"/"}
	}
	return slices.Compact(slices.Sorted(slices.Values(c.Paths)))
}

// validToken reports whether s can be a header's or a cookie's name.
func validToken(s string) bool { return httpguts.ValidHeaderFieldName(s) }
