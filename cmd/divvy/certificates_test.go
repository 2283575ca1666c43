package main

import (
	"bytes"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/config"
	"divvy/proxy/certs"
)

// speaking makes a program that speaks TLS somewhere.
func speaking(t *testing.T, p *program, change func(*config.Config)) error {
	t.Helper()
	c := *p.config
	if change != nil {
		change(&c)
	}
	c.Server.HTTPS = "127.0.0.1:0"
	return p.apply(&c, "")
}

func TestHostsHaveCertificatesAndTheyAreReported(t *testing.T) {
	t.Parallel()
	a := openAPI(t, func(c *config.Config) {
		c.TLS.Issuer = certs.Internal
		c.Services[0].Hosts = []string{"shop.test", "*.shop.test"}
	})
	if got := a.status().Certificates; len(got) != 0 {
		t.Errorf("got %v, though nobody speaks TLS", got)
	}
	if err := speaking(t, a.program, nil); err != nil {
		t.Fatal(err)
	}
	await(t, "the certificates", func() bool {
		all := a.status().Certificates
		return len(all) == 2 && all[0].NotAfter != nil && all[1].NotAfter != nil
	})
	for _, name := range []string{"shop.test", "a.shop.test"} {
		if c, err := a.certs.GetCertificate(&tls.ClientHelloInfo{ServerName: name}); err != nil || c == nil || c.Leaf.VerifyHostname(name) != nil {
			t.Errorf("%s: got %v, %v", name, c, err)
		}
	}
	if got := a.raw("GET", "/api/v1/status", ""); !strings.Contains(got, `"host": "*.shop.test"`) { // and is as the document says
		t.Errorf("got %s", got)
	}
	if got := fetch(a.url+"/metrics", nil); !strings.Contains(got, "divvy_certificate_expiry_seconds{host=\"shop.test\"} 1.") ||
		!strings.Contains(got, "divvy_certificate_failures_total{host=\"shop.test\"} 0") {
		t.Errorf("got %s", got)
	}
	var root bytes.Buffer
	if err := printRoot(t.Context(), &root, a.config.State.Directory); err != nil || !strings.HasPrefix(root.String(), "-----BEGIN CERTIFICATE-----\n") {
		t.Errorf("got %s, %v", root.String(), err)
	}
}

func TestAnEditWhoseCertificateCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	a := openAPI(t, nil)
	err := speaking(t, a.program, func(c *config.Config) {
		c.TLS.Files = []certs.File{{Cert: "/nowhere/c.pem", Key: "/nowhere/k.pem"}}
	})
	if want := "certificate /nowhere/c.pem: stat /nowhere/c.pem: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestTheStatusSaysWhichCertificateFailsWhyAndWhenItIsTriedAgain(t *testing.T) {
	t.Parallel()
	now := time.Now()
	in := func(d time.Duration) *time.Time { at := now.Add(d); return &at }
	s := &admin.Status{Version: "v1", Started: now, Certificates: []certs.Status{
		{Host: "a.example.com", Source: certs.ACME, Issuer: "R11", NotAfter: in(61 * 24 * time.Hour)},
		{Host: "b.example.com", Source: certs.ACME, Error: "the authority says: no", Next: in(5 * time.Minute)},
		{Host: "c.example.com", Source: certs.FromFile, Issuer: "Example CA", NotAfter: in(-time.Hour), Error: "certificate c.pem: it is damaged"},
	}}
	var b bytes.Buffer
	if err := printStatus(&b, s, now); err != nil {
		t.Fatal(err)
	}
	want := `divvy v1, up 0s, configuration by labels alone

certificates
  HOST           SOURCE  ISSUER      ENDS
  a.example.com  acme    R11         in 61d
  b.example.com  acme                none yet
  c.example.com  file    Example CA  1h ago
  b.example.com: the authority says: no; tried again in 5m
  c.example.com: certificate c.pem: it is damaged
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
