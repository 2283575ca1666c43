package certs

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

const day = 24 * time.Hour

func TestAHostGetsItsCertificateByEitherChallenge(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{HTTP01, TLSALPN01} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			p := newPebble(t, 90*day)
			h := newHouse(t, t.TempDir(), p.settings(func(c *Config) { c.Challenges, c.Email = []string{challenge}, "" }), p.doors)
			h.Want([]string{"shop.example.test"})
			c := h.ready("shop.example.test")
			if c.PublicKeyAlgorithm != x509.ECDSA {
				t.Errorf("the key is %v", c.PublicKeyAlgorithm)
			}
			want := Status{Host: "shop.example.test", Source: ACME, Issuer: c.Issuer.CommonName, NotBefore: &c.NotBefore, NotAfter: &c.NotAfter}
			if got := h.status("shop.example.test"); got.Host != want.Host || got.Issuer != want.Issuer || !got.NotAfter.Equal(c.NotAfter) || got.Error != "" || got.Next != nil {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got := fmt.Sprint(h.log); !strings.Contains(got, `msg="certificate ready" host=shop.example.test`) {
				t.Error("the log does not say that there is a certificate")
			}
		})
	}
}

func TestAHostThatIsAddedGetsItsCertificateWithoutARestart(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 90*day)
	h := newHouse(t, t.TempDir(), p.settings(nil), p.doors)
	h.Want([]string{"a.example.test"})
	first := h.ready("a.example.test")
	if _, err := h.shake("b.example.test"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("got %v before it is wanted", err)
	}
	h.Want([]string{"a.example.test", "b.example.test"})
	h.ready("b.example.test")
	if again := h.ready("a.example.test"); !again.Equal(first) {
		t.Error("the first one was replaced")
	}
	h.Want([]string{"b.example.test"})
	if _, err := h.shake("a.example.test"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("got %v after it is gone", err)
	}
	if n := p.ordered(); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
}

func TestACertificateIsRenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 15*time.Second)
	p.mute = true // it would let us renew in the last instant of so short a life
	h := newHouse(t, t.TempDir(), p.settings(nil), p.doors)
	h.Want([]string{"shop.example.test"})
	seen := map[string]bool{}
	h.ready("shop.example.test")
	await(t, "the renewal", func() bool {
		c, err := h.shake("shop.example.test")
		if err != nil {
			t.Fatal(err)
		}
		if time.Now().After(c.NotAfter) {
			t.Fatalf("one that ended at %v is served", c.NotAfter)
		}
		seen[c.SerialNumber.String()] = true
		return len(seen) == 2
	})
}

func TestACertificateIsRenewedByAnotherAccount(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 10*time.Second)
	p.mute = true
	h := newHouse(t, t.TempDir(), p.settings(nil), p.doors)
	h.Want([]string{"shop.example.test"})
	first := h.ready("shop.example.test")
	h.apply(p.settings(func(c *Config) { c.Email = "other@example.test" }))
	await(t, "the renewal", func() bool { return !h.ready("shop.example.test").Equal(first) })
	if s := h.status("shop.example.test"); s.Failures != 1 {
		t.Errorf("got %d failures, want the one refusal of what is replaced", s.Failures)
	}
}

func TestACertificateThatWasRevokedIsReplaced(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 90*day)
	h := newHouse(t, t.TempDir(), p.settings(nil), p.doors)
	h.Want([]string{"shop.example.test"})
	first := h.ready("shop.example.test")
	s := h.authority.open(h.authority.issuer)
	defer s.cache.Stop()
	if err := s.RevokeCert(t.Context(), "shop.example.test", acme.ReasonSuperseded, false); err != nil {
		t.Fatal(err)
	}
	await(t, "another certificate", func() bool { return !h.ready("shop.example.test").Equal(first) })
}

func TestAWildcardHostGetsItsCertificateByADNSCommand(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 90*day)
	var told []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		what, fqdn, value := r.PostFormValue("what"), r.PostFormValue("fqdn"), r.PostFormValue("value")
		told = append(told, what+" "+fqdn) // one at a time
		if what == present {
			p.dns.AddDNSTXTRecord(fqdn, value)
		} else {
			p.dns.DeleteDNSTXTRecord(fqdn)
		}
	}))
	t.Cleanup(server.Close)
	h := newHouse(t, t.TempDir(), p.settings(func(c *Config) {
		c.DNS.Command = []string{os.Args[0], "dns-hook", server.URL}
	}), p.doors)
	h.Want([]string{"*.wild.example.test"})
	c := h.ready("anything.wild.example.test")
	if got := strings.Join(c.DNSNames, " "); got != "*.wild.example.test" {
		t.Errorf("it is for %s", got)
	}
	if _, err := h.shake("a.b.wild.example.test"); err == nil {
		t.Error("a wildcard stands for two labels")
	}
	h.stop()
	if got := strings.Join(told, ", "); got != "present _acme-challenge.wild.example.test., cleanup _acme-challenge.wild.example.test." {
		t.Errorf("the hook was told: %s", got)
	}
}

func TestWhereNoPortIsOpenAHostGetsItsCertificateByADNSWebhook(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 90*day)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var record struct{ FQDN, Value string }
		if err := json.NewDecoder(r.Body).Decode(&record); err != nil || r.URL.Path != "/dns/"+present {
			http.Error(w, "what?", http.StatusBadRequest) // cleaning up may fail
			return
		}
		p.dns.AddDNSTXTRecord(record.FQDN, record.Value)
	}))
	t.Cleanup(server.Close)
	h := newHouse(t, t.TempDir(), p.settings(func(c *Config) {
		c.Challenges, c.DNS.Webhook, c.DNS.Propagation = []string{DNS01}, server.URL+"/dns", 0
	}), [2]net.Listener{})
	h.open([2]net.Listener{listen(t), listen(t)})
	h.Want([]string{"shop.hook.example.test"})
	h.ready("shop.hook.example.test")
}

func TestAnAuthorityThatAsksForAnExternalAccountGetsOne(t *testing.T) {
	t.Parallel()
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	p := newPebbleFor(t, 90*day, map[string]string{"kid-1": key})
	h := newHouse(t, t.TempDir(), p.settings(nil), p.doors)
	h.Want([]string{"shop.example.test"})
	await(t, "the error", func() bool { return h.status("shop.example.test").Error != "" })
	if got := h.status("shop.example.test").Error; !strings.Contains(got, "externalAccountRequired") {
		t.Errorf("got %s", got)
	}
	h.apply(p.settings(func(c *Config) { c.EABKeyID, c.Secrets.EABKey = "kid-1", key }))
	h.ready("shop.example.test")
	if strings.Contains(h.log.String(), key) {
		t.Error("the key is in the log")
	}
}

// challengePath is what the paths of HTTP-01 challenges begin with.
const challengePath = "/.well-known/acme-challenge/"

func TestAChallengeOfAnotherWhoSharesTheStorageIsAnswered(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), Settings{Config: DefaultConfig(), HTTP: "127.0.0.1:1", HTTPS: "127.0.0.1:1"}, [2]net.Listener{})
	another := `{"type":"http-01","token":"abc","keyAuthorization":"abc.def","identifier":{"type":"dns","value":"shop.example.com"}}`
	key := "acme/" + h.authority.issuer.IssuerKey() + "/challenge_tokens/shop.example.com.json"
	if err := h.storage.Store(t.Context(), key, []byte(another)); err != nil {
		t.Fatal(err)
	}
	f := func(host, path, want string) {
		t.Helper()
		if got, ok := h.Challenge(host, path); string(got) != want || ok != (want != "") {
			t.Errorf("%s%s: got %q, %v; want %q", host, path, got, ok, want)
		}
	}
	f("shop.example.com", challengePath+"abc", "abc.def")
	f("shop.example.com:80", challengePath+"abc", "abc.def")
	f("shop.example.com", challengePath+"abcd", "")
	f("shop.example.com", "/abc", "")
	f("example.com", challengePath+"abc", "")
	f("../shop.example.com", challengePath+"abc", "")
	f("", challengePath, "")
	h.apply(Settings{Config: Config{Issuer: Internal}})
	f("shop.example.com", challengePath+"abc", "")
}

func TestATLSChallengeOfAnotherWhoSharesTheStorageIsAnswered(t *testing.T) {
	t.Parallel()
	doors := [2]net.Listener{listen(t), listen(t)}
	h := newHouse(t, t.TempDir(), Settings{Config: DefaultConfig(), HTTP: doors[0].Addr().String(), HTTPS: doors[1].Addr().String()}, doors)
	another := `{"type":"tls-alpn-01","token":"abc","keyAuthorization":"abc.def","identifier":{"type":"dns","value":"shop.example.com"}}`
	key := "acme/" + h.authority.issuer.IssuerKey() + "/challenge_tokens/shop.example.com.json"
	if err := h.storage.Store(t.Context(), key, []byte(another)); err != nil {
		t.Fatal(err)
	}
	ask := func(name string) (*x509.Certificate, error) {
		conn, err := tls.Dial("tcp", h.tls, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}})
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0], nil
	}
	c, err := ask("shop.example.com")
	if err != nil {
		t.Fatal(err)
	}
	identifier := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31} // RFC 8737 section 6.1
	if !slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(identifier) && e.Critical }) {
		t.Errorf("it does not answer the challenge: %v", c.Extensions)
	}
	if _, err := ask("other.example.com"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("got %v without a challenge", err)
	}
}

// hookMain is the command: it tells the test what it was told.
func hookMain(args []string) int {
	res, err := http.PostForm(args[0], url.Values{"what": {args[1]}, "fqdn": {args[2]}, "value": {args[3]}})
	if err != nil || res.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, "the test does not answer:", err)
		return 1
	}
	return 0
}

func TestAnAuthorityThatFailsBreaksNothingThatIsServed(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 10*time.Second)
	p.mute = true
	h := newHouse(t, t.TempDir(), p.settings(nil), p.doors)
	h.Want([]string{"old.example.test"})
	h.ready("old.example.test")
	p.set(true, "")
	served := h.ready("old.example.test")
	h.Want([]string{"old.example.test", "new.example.test"})
	for _, host := range []string{"new.example.test", "old.example.test"} { // the latter when its renewal is due
		await(t, "the error of "+host, func() bool { return h.status(host).Error != "" })
		s := h.status(host)
		if s.Next == nil || s.Next.Before(*s.Failed) || s.Failures == 0 || !strings.Contains(s.Error, "EOF") {
			t.Errorf("got %+v, want what is wrong and when it is tried next", s)
		}
		if got := h.log.String(); !strings.Contains(got, `level=WARN msg="no new certificate" host=`+host+" err=") {
			t.Errorf("the log does not say it of %s", host)
		}
	}
	if now := h.ready("old.example.test"); !now.Equal(served) {
		t.Error("another certificate is served")
	}
	if _, err := h.shake("new.example.test"); err == nil {
		t.Error("the new host is served")
	}
	p.set(false, "")
	h.ready("new.example.test")
	await(t, "the renewal", func() bool { return !h.ready("old.example.test").Equal(served) })
	for _, host := range []string{"new.example.test", "old.example.test"} {
		await(t, "the end of the error of "+host, func() bool { return h.status(host).Error == "" })
		if s := h.status(host); s.Next != nil || s.Failures == 0 {
			t.Errorf("got %+v", s)
		}
	}
}

func TestAnAuthorityThatHasEnoughIsLeftAloneForAsLongAsItSays(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 90*day)
	p.set(false, "7200")
	h := newHouse(t, t.TempDir(), p.settings(nil), p.doors)
	h.Want([]string{"shop.example.test"})
	await(t, "the error", func() bool { return h.status("shop.example.test").Error != "" })
	s := h.status("shop.example.test")
	if got := s.Next.Sub(*s.Failed).Round(time.Minute); got != 2*time.Hour {
		t.Errorf("it is tried again after %v", got)
	}
	if want := "the authority says: too many certificates already issued (429 rateLimited)"; s.Error != want {
		t.Errorf("got  %s\nwant %s", s.Error, want)
	}
	// An edit of the settings is a reason to try at once.
	p.set(false, "")
	h.apply(p.settings(func(c *Config) { c.KeyType = "p384" }))
	h.ready("shop.example.test")
}

func TestTwoThatShareAStorageGetOneCertificateBetweenThem(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 90*day)
	folder := t.TempDir()
	hosts := []string{"a.example.test", "b.example.test", "c.example.test"}
	one := newHouse(t, folder, p.settings(nil), p.doors)
	two := newHouse(t, folder, p.settings(nil), [2]net.Listener{})
	// Challenges of both come to the first.
	two.open([2]net.Listener{listen(t), listen(t)})
	one.Want(hosts)
	two.Want(hosts)
	for _, host := range hosts {
		if !one.ready(host).Equal(two.ready(host)) {
			t.Errorf("%s has two certificates", host)
		}
	}
	if n := p.ordered(); n != len(hosts) {
		t.Errorf("%d orders for %d hosts", n, len(hosts))
	}
}

func TestAfterARestartWhatIsStoredIsServedThoughTheAuthorityHangs(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 90*day)
	folder := t.TempDir()
	h := newHouse(t, folder, p.settings(nil), p.doors)
	h.Want([]string{"shop.example.test"})
	first := h.ready("shop.example.test")
	h.stop()
	p.hang()
	h = newHouse(t, folder, p.settings(nil), [2]net.Listener{})
	h.open([2]net.Listener{listen(t), listen(t)})
	var hosts []string
	for i := range 3 * maxBusy {
		hosts = append(hosts, fmt.Sprintf("new%d.example.test", i))
	}
	h.Want(append(hosts, "shop.example.test"))
	c, err := h.shake("shop.example.test") // waits for it
	if err != nil || !c.Equal(first) {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestOnDemandANameBelowAWildcardHostGetsItsCertificateInItsFirstHandshake(t *testing.T) {
	t.Parallel()
	p := newPebble(t, 90*day)
	h := newHouse(t, t.TempDir(), p.settings(func(c *Config) { c.OnDemand = true }), p.doors)
	h.Want([]string{"*.example.test", "shop.example.org"})
	for _, name := range []string{"a.b.example.test", "shop.example.org"} {
		c, err := h.shake(name)
		if err != nil || c.VerifyHostname(name) != nil {
			t.Errorf("%s: got %v, %v", name, c, err)
		}
	}
	if _, err := h.shake("www.example.org"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("got %v for a name of nobody", err)
	}
	if n := p.ordered(); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
	// One that cannot be got is not tried for again by each handshake.
	p.set(true, "")
	h.mu.Lock()
	h.waits = []time.Duration{time.Hour}
	h.mu.Unlock()
	for range 3 {
		if _, err := h.shake("c.example.test"); err == nil {
			t.Error("it is served")
		}
	}
	if s := h.status("c.example.test"); s.Failures != 1 {
		t.Errorf("it was tried %d times", s.Failures)
	}
}
