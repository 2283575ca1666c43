package certs

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAMistakeIsNamedWithItsKeyAndWhatWouldBeValid(t *testing.T) {
	t.Parallel()
	f := func(change func(*Config), want ...string) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != strings.Join(want, "\n") {
			t.Errorf("got  %s\nwant %s", got, strings.Join(want, "\n"))
		}
	}
	f(func(*Config) {})
	f(func(c *Config) { c.Directory = "https://ca.example.com:9000/acme/acme/directory" })
	f(func(c *Config) { c.Issuer = "zerossl" }, `issuer: "zerossl" is none: use acme or internal`)
	for _, d := range []string{"", "lets-encrypt", "http://ca.example.com/", "https://", "https://me:secret@ca.example.com/"} {
		f(func(c *Config) { c.Directory = d },
			fmt.Sprintf(`directory: %q is not an ACME directory: use letsencrypt, letsencrypt-staging or a URL such as https://ca.example.com/acme/directory`, d))
	}
	f(func(c *Config) { c.Email = "Admin <a@example.com>" }, `email: "Admin <a@example.com>" is not an address: use one such as admin@example.com`)
	f(func(c *Config) { c.EABKeyID = "kid" }, `eab_key_id: an external account needs both, tls.eab_key_id and tls.eab_key`)
	f(func(c *Config) { c.KeyType = "p521" }, `key_type: "p521" is not a kind of key: use p256, p384, ed25519, rsa2048, rsa4096`)
	f(func(c *Config) { c.Challenges = nil }, `challenges: there is none: use http-01 and tls-alpn-01, or dns-01`)
	f(func(c *Config) { c.Challenges = []string{"http"} }, `challenges: "http" is none: use http-01 and tls-alpn-01, or dns-01`)
	f(func(c *Config) { c.Challenges = []string{"dns-01"} }, `challenges: dns-01 needs tls.dns.command or tls.dns.webhook`)
	f(func(c *Config) { c.Challenges = []string{"dns-01", "http-01"} }, `challenges: dns-01 is tried alone: leave the others out, wildcard hosts use it anyway`)
	f(func(c *Config) { c.DNS = DNS{Timeout: time.Hour, Propagation: -1, Resolvers: []string{"9.9.9.9"}} },
		`dns.timeout: 1h0m0s is out of range: use 1s to 5m`,
		`dns.propagation: -1ns is out of range: use up to 5m, or "0s" for no look at the DNS`,
		`dns.resolvers: "9.9.9.9" is not a server: use host:port such as 9.9.9.9:53`)
	f(func(c *Config) { c.DNS.Command, c.DNS.Webhook = []string{""}, "hook" },
		`dns.command: there is a webhook, too: use one of them`,
		`dns.command: it is empty: use the program and its arguments, such as ["/usr/local/bin/dns-hook"]`,
		`dns.webhook: "hook" is not a URL: use one such as http://127.0.0.1:8053/dns`)
	f(func(c *Config) {
		c.Files = []File{{Cert: "a", Key: "b"}, {Cert: "a", Hosts: []string{"*.*.example.com"}}}
	},
		`certificate[1].cert: a certificate needs both files, cert and key`,
		`certificate[1].hosts: "*.*.example.com" is not a host: use a name such as shop.example.com, or *.example.com`)
}
