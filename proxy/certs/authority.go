package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
	_ "golang.org/x/crypto/x509roots/fallback" // Mozilla's roots, where the system has none: our image
)

// lookTime bounds one look at one host.
const lookTime = 10 * time.Minute

// attemptWithoutReplaces is the number of the try in which certmagic leaves out
// what is replaced.
const attemptWithoutReplaces = 2

// authority gets certificates by one configuration. It keeps nothing but what
// the storage has, and connections to the directory. Its methods may be called at
// the same time.
type authority struct {
	config  Config
	storage certmagic.Storage
	log     *zap.Logger
	every   time.Duration // how often a certificate is looked at, at least
	wait    *wait

	base      *session         // of the issuers, nil for the internal one
	issuer    certmagic.Issuer // of a host
	dnsIssuer certmagic.Issuer // of one that needs the DNS
}

// found is what a look at a host gave.
type found struct {
	cert  *tls.Certificate // with its Leaf; nil if there is none
	until time.Time        // the authority wants no request before; zero if it did not say
}

// newAuthority reads what the settings name.
func newAuthority(s Settings, storage certmagic.Storage, log *slog.Logger, every time.Duration) (*authority, error) {
	roots, err := readRoots(s.CA)
	if err != nil {
		return nil, err
	}
	w := new(wait)
	a := &authority{config: s.Config, storage: storage, log: newBridge(log, w), every: every, wait: w}
	if s.Issuer == Internal {
		a.issuer = &internalIssuer{storage}
		a.dnsIssuer = a.issuer
		return a, nil
	}
	a.base = a.open(nil)
	a.base.cache.Stop() // they take the storage from it, and the challenges of others
	a.issuer = newACME(a.base, s, roots, slices.Contains(s.Challenges, DNS01))
	a.dnsIssuer = newACME(a.base, s, roots, true)
	a.base.Issuers = []certmagic.Issuer{a.issuer}
	return a, nil
}

func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil // those of the system or, where it has none, Mozilla's
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tls.ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("tls.ca: %s has no certificate in PEM: use the root of the directory's own certificate", path)
	}
	return roots, nil
}

// newACME returns what asks the directory for certificates.
func newACME(base *session, s Settings, roots *x509.CertPool, dns bool) *certmagic.ACMEIssuer {
	t := certmagic.ACMEIssuer{
		CA: s.directory(), Email: s.Email, Agreed: true, TrustedRoots: roots, Logger: base.Logger,
		DisableHTTPChallenge:    s.HTTP == "" || !slices.Contains(s.Challenges, HTTP01),
		DisableTLSALPNChallenge: !slices.Contains(s.Challenges, TLSALPN01),
	}
	// It would open the port of a challenge itself if nobody listened there.
	var tlsHost string
	t.ListenHost, t.AltHTTPPort = hostPort(s.HTTP)
	tlsHost, t.AltTLSALPNPort = hostPort(s.HTTPS)
	if tlsHost != t.ListenHost {
		t.ListenHost = ""
	}
	if s.EABKeyID != "" {
		t.ExternalAccount = &acme.EAB{KeyID: s.EABKeyID, MACKey: s.Secrets.EABKey}
	}
	if dns && s.DNS.enabled() {
		t.DNS01Solver = s.DNS.solver(base.Logger)
	}
	issuer := certmagic.NewACMEIssuer(base.Config, t)
	issuer.TestCA = "" // each try counts, and we wait between two
	return issuer
}

// hostPort takes an address apart that was validated, or is "".
func hostPort(addr string) (string, int) {
	host, text, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(text)
	return host, port
}

// look loads the certificate of a host, and does what is due: it staples, obtains
// the first one, or replaces one that ends soon or was revoked. What is there is
// returned in any case, beside the error. It blocks until that is done, at most
// lookTime, while another who shares the storage may be at it.
//
// last is the error of the look before. After a refusal the authority is not told
// which certificate the new one replaces: it may refuse just that, for example if
// we have another account by now.
func (a *authority) look(ctx context.Context, host string, last error) (found, error) {
	ctx, stop := context.WithTimeout(ctx, lookTime)
	defer stop()
	if _, refused := errors.AsType[*refusal](last); refused {
		ctx = context.WithValue(ctx, certmagic.AttemptsCtxKey, new(attemptWithoutReplaces))
	}
	cfg := a.open(a.issuerOf(host))
	defer cfg.cache.Stop()

	// certmagic would try again by itself, and hold its lock meanwhile.
	var failure error
	cfg.OnEvent = func(_ context.Context, event string, data map[string]any) error {
		if err, ok := data["error"].(error); ok && event == "cert_failed" {
			failure = err
			stop()
		}
		return nil
	}
	err := a.obtain(ctx, cfg, host)
	if failure != nil {
		err = failure
	}
	if err != nil {
		err = plainly(err)
	}
	f := found{until: a.wait.end()}
	if err != nil {
		// What is stored is served though it could not be renewed.
		_, _ = cfg.CacheManagedCertificate(context.WithoutCancel(ctx), host)
	}
	f.cert = latest(cfg, host)
	if err == nil && f.cert == nil {
		err = errors.New("the certificate is not in the storage after it was obtained")
	}
	return f, err
}

// load returns what is stored for a host, nil if there is nothing that can be used.
// It asks the storage alone.
func (a *authority) load(ctx context.Context, host string) *tls.Certificate {
	cfg := a.open(a.issuerOf(host))
	defer cfg.cache.Stop()
	cfg.OCSP.DisableStapling = true
	_, _ = cfg.CacheManagedCertificate(ctx, host) // the look that follows says what is wrong
	return latest(cfg, host)
}

// obtain does what is due for one host, with one try.
func (a *authority) obtain(ctx context.Context, cfg *session, host string) error {
	key := cfg.Issuers[0].IssuerKey()
	switch {
	case !cfg.Storage.Exists(ctx, certmagic.StorageKeys.SiteCert(key, host)):
		if err := cfg.ObtainCertAsync(ctx, host); err != nil {
			return err
		}
	case a.config.Email == "" && !cfg.Storage.Exists(ctx, "acme/"+certmagic.StorageKeys.Safe(key)+"/users"):
		// Without an account ManageSync would ask the terminal for an address.
		if err := cfg.RenewCertAsync(ctx, host, false); err != nil {
			return err
		}
	}
	return cfg.ManageSync(ctx, []string{host})
}

// latest returns the certificate of exactly this host that lasts longest.
func latest(cfg *session, host string) *tls.Certificate {
	var best *tls.Certificate
	for _, c := range cfg.cache.AllMatchingCertificates(host) {
		if slices.Contains(c.Names, host) && (best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter)) {
			best = &c.Certificate
		}
	}
	return best
}

// session is certmagic for one purpose. Its cache must be stopped.
type session struct {
	*certmagic.Config
	cache *certmagic.Cache
}

// open returns a session with an issuer.
func (a *authority) open(issuer certmagic.Issuer) *session {
	cache := certmagic.NewCache(certmagic.CacheOptions{
		// It is stopped long before it would maintain anything, and must not.
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return nil, errors.ErrUnsupported },
		RenewCheckInterval: a.every / 60, // how much before the time that ARI says counts as that time
		Logger:             zap.NewNop(),
	})
	return &session{certmagic.New(cache, certmagic.Config{
		Storage:   a.storage,
		Issuers:   []certmagic.Issuer{issuer},
		KeySource: certmagic.StandardKeyGenerator{KeyType: certmagic.KeyType(a.config.KeyType)},
		OCSP:      certmagic.OCSPConfig{DisableStapling: !a.config.OCSP},
		Logger:    a.log,
	}), cache}
}

func (a *authority) issuerOf(host string) certmagic.Issuer {
	if strings.HasPrefix(host, "*.") {
		return a.dnsIssuer
	}
	return a.issuer
}

// canWildcard reports whether there may be a certificate for a wildcard host.
func (a *authority) canWildcard() bool { return a.config.Issuer == Internal || a.config.DNS.enabled() }

// plainly shortens an error of the authority to what it says, with its kind and
// what it says of each host.
func plainly(err error) error {
	var p acme.Problem
	if !errors.As(err, &p) {
		return err
	}
	text := cmp.Or(p.Detail, p.Title, p.Type)
	for _, sub := range p.Subproblems {
		text += "; " + sub.Identifier.Value + ": " + sub.Detail
	}
	return &refusal{p, text}
}

// refusal is an authority's answer that says no.
type refusal struct {
	problem acme.Problem
	text    string
}

// limited reports whether an error is that there were too many requests, or that
// there is no service for a while.
func limited(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && (r.problem.Status == http.StatusTooManyRequests || r.problem.Status == http.StatusServiceUnavailable ||
		r.problem.Type == acme.ProblemTypeRateLimited)
}

func (r *refusal) Error() string {
	kind := strings.TrimPrefix(r.problem.Type, acme.ProblemTypeNamespace)
	if r.problem.Status != 0 {
		kind = strings.TrimSpace(fmt.Sprintf("%d %s", r.problem.Status, kind))
	}
	if kind == "" {
		return "the authority says: " + r.text
	}
	return fmt.Sprintf("the authority says: %s (%s)", r.text, kind)
}
