package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"golang.org/x/crypto/ocsp"
)

// responder is an authority that says of each certificate whether it was revoked.
type responder struct {
	internalIssuer
	t   *testing.T
	url string

	mu      sync.Mutex // guards revoked
	revoked map[string]bool
}

// Issue implements certmagic.Issuer.
func (r *responder) Issue(ctx context.Context, request *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	signer, err := r.intermediate(ctx)
	if err != nil {
		return nil, err
	}
	leaf := template("", leafLife)
	leaf.DNSNames, leaf.OCSPServer = request.DNSNames, []string{r.url}
	made, err := sign(leaf, request.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	return &certmagic.IssuedCertificate{Certificate: append(encode(made), encode(signer.cert)...)}, nil
}

func (r *responder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	if request.Method == http.MethodGet {
		body, _ = base64.StdEncoding.DecodeString(strings.TrimPrefix(request.URL.Path, "/"))
	}
	question, err := ocsp.ParseRequest(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	signer, err := r.intermediate(request.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer := ocsp.Response{Status: ocsp.Good, SerialNumber: question.SerialNumber, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Second)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.revoked[question.SerialNumber.String()] {
		answer.Status, answer.RevokedAt, answer.RevocationReason = ocsp.Revoked, time.Now(), ocsp.KeyCompromise
	}
	text, err := ocsp.CreateResponse(signer.cert, signer.cert, answer, signer.key)
	if err != nil {
		r.t.Error(err)
	}
	_, _ = w.Write(text)
}

func TestTheAuthoritysWordIsStapledAndWhatItRevokesIsReplaced(t *testing.T) {
	t.Parallel()
	h := internally(t, t.TempDir())
	r := &responder{internalIssuer: internalIssuer{h.storage}, t: t, revoked: map[string]bool{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	h.mu.Lock()
	h.authority.issuer = r
	h.mu.Unlock()
	h.Want([]string{"shop.test"})
	first := h.ready("shop.test")
	await(t, "a staple", func() bool {
		conn, err := tls.Dial("tcp", h.tls, &tls.Config{ServerName: "shop.test", InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		answer, err := ocsp.ParseResponse(conn.OCSPResponse(), nil)
		return err == nil && answer.Status == ocsp.Good && answer.SerialNumber.Cmp(first.SerialNumber) == 0
	})
	r.mu.Lock()
	r.revoked[first.SerialNumber.String()] = true
	r.mu.Unlock()
	await(t, "another certificate", func() bool { return !h.ready("shop.test").Equal(first) })
}
