package backends

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
)

// Wire is what is spoken to the backends of a service, as the configuration says
// it. The zero value is HTTP/1.1 in clear.
type Wire struct {
	// Protocol is one of the protocols, or "" where nothing is said.
	Protocol Protocol `toml:"protocol"`

	// BackendTLS is how backends are known, and divvy to them.
	BackendTLS BackendTLS `toml:"backend_tls"`
}

// BackendTLS says of a service whose backends are spoken to over TLS who they must be.
type BackendTLS struct {
	CA         string `toml:"ca"`          // PEM file of the authorities; "" for those of the system
	ServerName string `toml:"server_name"` // the name that certificates must be for; "" for the service's first host
	Insecure   bool   `toml:"insecure"`    // take any certificate
	Cert       string `toml:"cert"`        // PEM files of what divvy shows; "" for nothing
	Key        string `toml:"key"`

	// What Load has read.

	roots  *x509.CertPool // nil: the system's
	pairs  []tls.Certificate
	digest string // of all files
}

// Validate returns all that is wrong with w, joined. Each problem begins with the
// key that it is about.
func (w *Wire) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if w.Protocol != "" {
		if err := w.Protocol.valid(); err != nil {
			bad("protocol: %w", err)
		}
	}
	t := &w.BackendTLS
	if strings.ContainsAny(t.ServerName, "/:*@ \r\n") {
		bad("backend_tls.server_name: %q is not a name: use one such as shop.internal", t.ServerName)
	}
	if (t.Cert == "") != (t.Key == "") {
		bad("backend_tls.cert: to show a certificate needs both, backend_tls.cert and backend_tls.key")
	}
	if t.Insecure && t.CA != "" {
		bad("backend_tls.insecure: any certificate is taken, so that backend_tls.ca is of no use: leave one of them out")
	}
	said := t.CA != "" || t.ServerName != "" || t.Insecure || t.Cert != ""
	if clear := w.Protocol == HTTP1 || w.Protocol == H2C; clear && said {
		bad("backend_tls: protocol %s is in clear: use https or h2, or no backend_tls", w.Protocol)
	}
	return errors.Join(problems...)
}

// Load reads the files that w names. Each of the problems begins with the key that
// it is about.
func (w *Wire) Load() error {
	t := &w.BackendTLS
	t.roots, t.pairs, t.digest = nil, nil, ""
	var problems []error
	sum := sha256.New()
	if t.CA != "" {
		if err := t.loadCA(sum); err != nil {
			problems = append(problems, fmt.Errorf("backend_tls.ca: %w", err))
		}
	}
	if t.Cert != "" && t.Key != "" {
		if err := t.loadPair(sum); err != nil {
			problems = append(problems, err)
		}
	}
	t.digest = hex.EncodeToString(sum.Sum(nil))
	return errors.Join(problems...)
}

func (t *BackendTLS) loadCA(sum hash.Hash) error {
	pem, err := readPEM(t.CA, sum)
	if err != nil {
		return err
	}
	t.roots = x509.NewCertPool()
	if !t.roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s: there is no certificate in it: use a PEM file", t.CA)
	}
	return nil
}

func (t *BackendTLS) loadPair(sum hash.Hash) error {
	cert, err := readPEM(t.Cert, sum)
	if err != nil {
		return fmt.Errorf("backend_tls.cert: %w", err)
	}
	key, err := readPEM(t.Key, sum)
	if err != nil {
		return fmt.Errorf("backend_tls.key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("backend_tls.cert: %s and %s: %w", t.Cert, t.Key, err)
	}
	t.pairs = []tls.Certificate{pair}
	return nil
}

// maxPEM bounds a PEM file. That of all authorities of a system has 250 KB.
const maxPEM = 4 << 20

// readPEM reads a file, and adds it to sum.
func readPEM(path string, sum hash.Hash) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%s: it is larger than %d bytes", path, maxPEM)
	}
	fmt.Fprintf(sum, "%d:", len(data))
	sum.Write(data)
	return data, nil
}
