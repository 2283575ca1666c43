package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"divvy/router/state"

	"github.com/caddyserver/certmagic"
)

// The authority of our own: a root that people trust once, an intermediate that
// signs, and certificates that are made anew in time, like all others.
const (
	rootLife         = 10 * 365 * 24 * time.Hour
	intermediateLife = 365 * 24 * time.Hour
	leafLife         = 7 * 24 * time.Hour
	clockSkew        = time.Hour // that the clocks of others may be behind

	rootKey         = "internal/root"         // with .crt and .key, in the storage
	intermediateKey = "internal/intermediate" // likewise
	internalLock    = "internal-authority"
)

// internalIssuer is a certmagic.Issuer that asks nobody. All who share the
// storage have the same root.
type internalIssuer struct{ storage certmagic.Storage }

// IssuerKey implements certmagic.Issuer.
func (i *internalIssuer) IssuerKey() string { return Internal }

// Issue implements certmagic.Issuer.
func (i *internalIssuer) Issue(ctx context.Context, request *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("internal authority: the request: %w", err)
	}
	signer, err := i.intermediate(ctx)
	if err != nil {
		return nil, fmt.Errorf("internal authority: %w", err)
	}
	leaf := template("", leafLife)
	leaf.DNSNames, leaf.IPAddresses = request.DNSNames, request.IPAddresses
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if leaf.NotAfter.After(signer.cert.NotAfter) {
		leaf.NotAfter = signer.cert.NotAfter
	}
	made, err := sign(leaf, request.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("internal authority: %w", err)
	}
	return &certmagic.IssuedCertificate{Certificate: append(encode(made), encode(signer.cert)...)}, nil
}

// pair is a certificate that signs, and its key.
type pair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// intermediate returns what signs, made anew when a third of its life is left.
func (i *internalIssuer) intermediate(ctx context.Context) (p *pair, err error) {
	if err := i.storage.Lock(ctx, internalLock); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.storage.Unlock(context.WithoutCancel(ctx), internalLock)) }()
	root, err := i.load(ctx, rootKey)
	if errors.Is(err, fs.ErrNotExist) {
		root, err = i.make(ctx, rootKey, authorityOf("divvy internal root", rootLife, 1), nil)
	}
	if err != nil {
		return nil, err
	}
	p, err = i.load(ctx, intermediateKey)
	if err == nil && p.cert.CheckSignatureFrom(root.cert) == nil && time.Until(p.cert.NotAfter) > intermediateLife/3 {
		return p, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return i.make(ctx, intermediateKey, authorityOf("divvy internal intermediate", intermediateLife, 0), root)
}

func (i *internalIssuer) load(ctx context.Context, name string) (*pair, error) {
	cert, err := i.storage.Load(ctx, name+".crt")
	if err != nil {
		return nil, err
	}
	key, err := i.storage.Load(ctx, name+".key")
	if err != nil {
		// Not "there is none": the certificate that people trust must stay.
		return nil, fmt.Errorf("%s.key: %v; restore it, or remove %s.crt for another authority", name, err, name)
	}
	p := &pair{}
	if p.cert, err = decode(cert); err != nil {
		return nil, fmt.Errorf("%s.crt: %w", name, err)
	}
	if p.key, err = certmagic.PEMDecodePrivateKey(key); err != nil {
		return nil, fmt.Errorf("%s.key: %w", name, err)
	}
	return p, nil
}

// make makes and stores a pair, signed by itself if there is no parent. The key
// is stored first: a certificate alone would be damage.
func (i *internalIssuer) make(ctx context.Context, name string, what *x509.Certificate, parent *pair) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p := &pair{what, key}
	if parent == nil {
		parent = p
	}
	if p.cert, err = sign(what, key.Public(), parent); err != nil {
		return nil, err
	}
	text, err := certmagic.PEMEncodePrivateKey(key)
	if err == nil {
		err = i.storage.Store(ctx, name+".key", text)
	}
	if err == nil {
		err = i.storage.Store(ctx, name+".crt", encode(p.cert))
	}
	return p, err
}

func template(name string, life time.Duration) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(life), BasicConstraintsValid: true,
	}
}

func authorityOf(name string, life time.Duration, pathLen int) *x509.Certificate {
	c := template(name, life)
	c.IsCA, c.MaxPathLen, c.MaxPathLenZero = true, pathLen, pathLen == 0
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return c
}

func sign(what *x509.Certificate, public crypto.PublicKey, by *pair) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, what, by.cert, public, by.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func encode(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func decode(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("it is damaged: there is no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// ErrNoRoot means that no certificate was issued by the internal authority yet.
var ErrNoRoot = errors.New(`there is no internal authority yet: it is made with the first certificate, by a divvy that runs with issuer = "internal" under [tls]`)

// Root returns the root of the internal authority in PEM, for others to trust,
// or ErrNoRoot. It reads the storage.
func Root(ctx context.Context, s state.Storage) ([]byte, error) {
	text, err := s.Load(ctx, rootKey+".crt")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoRoot
	}
	if err != nil {
		return nil, err
	}
	if _, err := decode(text); err != nil {
		return nil, fmt.Errorf("%s.crt: %w", rootKey, err)
	}
	return text, nil
}
