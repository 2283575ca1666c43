package certs

import (
	"crypto/x509"
	"os"
	"os/exec"
	"testing"
)

// The image of divvy holds nothing else, no roots either.
func TestWhereTheSystemHasNoRootsThereAreSome(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "has-roots")
	cmd.Env = []string{"SSL_CERT_FILE=/nowhere", "SSL_CERT_DIR=/nowhere"}
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

// rootsMain fails if nobody is trusted.
func rootsMain() int {
	pool, err := x509.SystemCertPool()
	if err != nil || pool.Equal(x509.NewCertPool()) {
		return 1
	}
	return 0
}
