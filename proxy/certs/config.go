package certs

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
)

// Config is the section [tls]: where certificates come from.
type Config struct {
	// Issuer is who issues them: ACME, or Internal for an authority of our own
	// that only those trust who were told to.
	Issuer string `toml:"issuer"`

	// Directory is the authority's address for ACME: "letsencrypt",
	// "letsencrypt-staging" or an https URL.
	Directory string `toml:"directory"`

	// CA is a PEM file with what the directory's own certificate is trusted by;
	// "" for what the system trusts.
	CA string `toml:"ca"`

	// Email is where the authority writes to; "" for nowhere.
	Email string `toml:"email"`

	// EABKeyID and EABKey bind our account to one that the authority knows, for
	// those that ask for it. The key, in base64url, is where EABKey says:
	// "file:PATH" or "env:NAME".
	EABKeyID string `toml:"eab_key_id"`
	EABKey   string `toml:"eab_key"`

	// KeyType is the kind of the certificates' keys, a new one each time.
	KeyType string `toml:"key_type"`

	// Challenges are how the authority may see that a host is ours: by what the
	// ports 80 and 443 answer, or DNS01 alone. Wildcard hosts always need DNS.
	Challenges []string `toml:"challenges"`

	// OnDemand gets the certificate of a host when it is first asked for, also
	// of each name below a wildcard host.
	OnDemand bool `toml:"on_demand"`

	// OCSP adds the authority's word that a certificate was not revoked.
	OCSP bool `toml:"ocsp"`

	DNS   DNS    `toml:"dns"`
	Files []File `toml:"certificate"`

	// Secrets are what the configuration says where to find.
	Secrets struct{ EABKey string } `toml:"-"`
}

// DNS says how records are put into the DNS: by a command or a webhook.
type DNS struct {
	// Command is run with three more arguments: "present" or "cleanup", the name
	// of the TXT record with a dot at its end, and its value.
	Command []string `toml:"command"`

	// Webhook is a URL below which {"fqdn", "value"} is posted to /present and
	// /cleanup.
	Webhook string `toml:"webhook"`

	// Timeout is how long either may take.
	Timeout time.Duration `toml:"timeout"`

	// Propagation is how long it is waited until the servers of the zone answer
	// with the record; zero for not at all.
	Propagation time.Duration `toml:"propagation"`

	// Resolvers are the servers that are asked for the zone and the record,
	// "host:port"; none for those of the system.
	Resolvers []string `toml:"resolvers"`
}

// File is a certificate that somebody else makes, in two PEM files. They are
// read again when they change.
type File struct {
	Hosts []string `toml:"hosts"` // none: the names in the certificate
	Cert  string   `toml:"cert"`  // the chain, the certificate itself first
	Key   string   `toml:"key"`
}

// Values of the configuration's keys.
const (
	ACME     = "acme"
	Internal = "internal"

	HTTP01    = "http-01"
	TLSALPN01 = "tls-alpn-01"
	DNS01     = "dns-01"

	letsEncrypt        = "letsencrypt"
	letsEncryptStaging = "letsencrypt-staging"
)

var keyTypes = []string{string(certmagic.P256), string(certmagic.P384), string(certmagic.ED25519), string(certmagic.RSA2048), string(certmagic.RSA4096)}

// DefaultConfig returns the configuration of a file that says nothing.
func DefaultConfig() Config {
	return Config{
		Issuer: ACME, Directory: letsEncrypt, KeyType: string(certmagic.P256),
		Challenges: []string{HTTP01, TLSALPN01}, OCSP: true,
		DNS: DNS{Command: []string{}, Timeout: time.Minute, Propagation: 2 * time.Minute, Resolvers: []string{}},
	}
}

// Validate returns all that is wrong with c, joined. Each problem begins with
// the key that it is about. Files are not read; Manager.Prepare does that.
func (c *Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.Issuer != ACME && c.Issuer != Internal {
		bad("issuer: %q is none: use acme or internal", c.Issuer)
	}
	if !validDirectory(c.Directory) {
		bad("directory: %q is not an ACME directory: use letsencrypt, letsencrypt-staging or a URL such as https://ca.example.com/acme/directory", c.Directory)
	}
	if c.Email != "" {
		if a, err := mail.ParseAddress(c.Email); err != nil || a.Address != c.Email {
			bad("email: %q is not an address: use one such as admin@example.com", c.Email)
		}
	}
	if (c.EABKeyID == "") != (c.EABKey == "") {
		bad("eab_key_id: an external account needs both, tls.eab_key_id and tls.eab_key")
	}
	if !slices.Contains(keyTypes, c.KeyType) {
		bad("key_type: %q is not a kind of key: use %s", c.KeyType, strings.Join(keyTypes, ", "))
	}
	problems = append(problems, c.validChallenges(), c.DNS.validate())
	for i, f := range c.Files {
		problems = append(problems, f.validate(fmt.Sprintf("certificate[%d].", i)))
	}
	return errors.Join(problems...)
}

func (c *Config) validChallenges() error {
	for _, name := range c.Challenges {
		if name != HTTP01 && name != TLSALPN01 && name != DNS01 {
			return fmt.Errorf("challenges: %q is none: use http-01 and tls-alpn-01, or dns-01", name)
		}
	}
	switch {
	case len(c.Challenges) == 0:
		return errors.New("challenges: there is none: use http-01 and tls-alpn-01, or dns-01")
	case slices.Contains(c.Challenges, DNS01) && len(c.Challenges) > 1:
		return errors.New("challenges: dns-01 is tried alone: leave the others out, wildcard hosts use it anyway")
	case slices.Contains(c.Challenges, DNS01) && !c.DNS.enabled():
		return errors.New("challenges: dns-01 needs tls.dns.command or tls.dns.webhook")
	}
	return nil
}

func (d *DNS) enabled() bool { return len(d.Command) > 0 || d.Webhook != "" }

func (d *DNS) validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if len(d.Command) > 0 && d.Webhook != "" {
		bad("dns.command: there is a webhook, too: use one of them")
	}
	if len(d.Command) > 0 && d.Command[0] == "" {
		bad(`dns.command: it is empty: use the program and its arguments, such as ["/usr/local/bin/dns-hook"]`)
	}
	if u, err := url.Parse(d.Webhook); d.Webhook != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		bad("dns.webhook: %q is not a URL: use one such as http://127.0.0.1:8053/dns", d.Webhook)
	}
	if d.Timeout < time.Second || d.Timeout > 5*time.Minute {
		bad("dns.timeout: %v is out of range: use 1s to 5m", d.Timeout)
	}
	if d.Propagation < 0 || d.Propagation > 5*time.Minute {
		bad(`dns.propagation: %v is out of range: use up to 5m, or "0s" for no look at the DNS`, d.Propagation)
	}
	for _, r := range d.Resolvers {
		if host, port, err := net.SplitHostPort(r); err != nil || host == "" || port == "" {
			bad("dns.resolvers: %q is not a server: use host:port such as 9.9.9.9:53", r)
		}
	}
	return errors.Join(problems...)
}

func (f *File) validate(at string) error {
	var problems []error
	if f.Cert == "" || f.Key == "" {
		problems = append(problems, fmt.Errorf("%scert: a certificate needs both files, cert and key", at))
	}
	for _, h := range f.Hosts {
		if _, err := normalHost(h); err != nil {
			problems = append(problems, fmt.Errorf("%shosts: %w", at, err))
		}
	}
	return errors.Join(problems...)
}

func validDirectory(d string) bool {
	if d == letsEncrypt || d == letsEncryptStaging {
		return true
	}
	u, err := url.Parse(d)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}

// directory returns the address that is meant.
func (c *Config) directory() string {
	switch c.Directory {
	case letsEncrypt:
		return certmagic.LetsEncryptProductionCA
	case letsEncryptStaging:
		return certmagic.LetsEncryptStagingCA
	default:
		return c.Directory
	}
}

// normalHost returns a host or wildcard host in lower case.
func normalHost(h string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(h, "."))
	bare := strings.TrimPrefix(name, "*.")
	if bare == "" || strings.ContainsAny(bare, "*/:@ ") || strings.HasPrefix(bare, ".") || strings.Contains(bare, "..") {
		return "", fmt.Errorf("%q is not a host: use a name such as shop.example.com, or *.example.com", h)
	}
	return name, nil
}
