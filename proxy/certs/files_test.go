package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// forge makes a certificate of nobody, and its key, in PEM.
func forge(t *testing.T, serial int64, hosts ...string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "somebody"}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(day),
	}
	made, err := sign(c, k.Public(), &pair{c, k})
	if err != nil {
		t.Fatal(err)
	}
	text, err := certmagic.PEMEncodePrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return encode(made), text
}

// filed writes a certificate of nobody into files.
func filed(t *testing.T, f File, serial int64, hosts ...string) {
	t.Helper()
	cert, key := forge(t, serial, hosts...)
	write(t, f.Cert, cert)
	write(t, f.Key, key)
}

func newFile(t *testing.T, serial int64, hosts ...string) File {
	t.Helper()
	folder := t.TempDir()
	f := File{Cert: filepath.Join(folder, "c.pem"), Key: filepath.Join(folder, "k.pem")}
	filed(t, f, serial, hosts...)
	return f
}

// withFiles runs a manager that has certificates in files alone.
func withFiles(t *testing.T, files ...File) *house {
	t.Helper()
	c := DefaultConfig()
	c.Issuer, c.Files = Internal, files
	doors := [2]net.Listener{listen(t), listen(t)}
	return newHouse(t, t.TempDir(), Settings{c, doors[0].Addr().String(), doors[1].Addr().String()}, doors)
}

func TestNamesThatAreNobodysAreRefusedInTheHandshake(t *testing.T) {
	t.Parallel()
	h := withFiles(t, newFile(t, 1, "shop.example.com", "*.example.org"))
	f := func(name, want string) {
		t.Helper()
		c, err := h.shake(name)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case want == "" && c.SerialNumber.Int64() != 1:
			t.Errorf("%s: got another certificate", name)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	f("shop.example.com", "")
	f("SHOP.example.COM", "")
	f("a.example.org", "")
	f("example.com", "tls: unrecognized name")
	f("a.shop.example.com", "tls: unrecognized name")
	f("example.org", "tls: unrecognized name")
	f("a.b.example.org", "tls: unrecognized name") // a wildcard stands for one label
	f("127.0.0.1", "tls: unrecognized name")       // which sends no name at all
}

func TestAFileThatChangesIsReadAgainAndABrokenOneIsRefused(t *testing.T) {
	t.Parallel()
	file := newFile(t, 1, "shop.example.com")
	h := withFiles(t, file)
	serial := func() int64 { return h.ready("shop.example.com").SerialNumber.Int64() }
	filed(t, file, 2, "shop.example.com")
	await(t, "the new one", func() bool { return serial() == 2 })

	cert, _ := forge(t, 3, "shop.example.com")
	write(t, file.Cert, cert) // without its key
	await(t, "the error", func() bool { return h.status("shop.example.com").Error != "" })
	s := h.status("shop.example.com")
	if want := "certificate " + file.Cert + ": it does not go with the key " + file.Key + ": private key does not match public key"; s.Error != want {
		t.Errorf("got  %s\nwant %s", s.Error, want)
	}
	if s.Source != FromFile || s.Issuer != "somebody" || s.Failures != 1 || s.Next != nil || s.NotAfter == nil {
		t.Errorf("got %+v", s)
	}
	if serial() != 2 {
		t.Error("the old one is not served any more")
	}
	if err := os.Remove(file.Cert); err != nil {
		t.Fatal(err)
	}
	await(t, "another error", func() bool { return strings.Contains(h.status("shop.example.com").Error, "no such file") })
	filed(t, file, 4, "shop.example.com")
	await(t, "the last one", func() bool { return serial() == 4 })
	if s := h.status("shop.example.com"); s.Error != "" || s.Failures < 2 {
		t.Errorf("got %+v", s)
	}
	if n := strings.Count(h.log.String(), "private key does not match"); n != 1 {
		t.Errorf("it was told %d times", n)
	}
}

func TestSettingsWhoseFilesCannotBeUsedChangeNothing(t *testing.T) {
	t.Parallel()
	good := newFile(t, 1, "shop.example.com")
	h := withFiles(t, good)
	bad := newFile(t, 2)
	missing := File{Cert: good.Cert + "x", Key: good.Key}
	s := h.settings
	s.Files = []File{good, bad, missing}
	_, _, err := h.Prepare(s)
	want := "certificate " + bad.Cert + ": it names no host: set hosts, or use one with names (subjectAltName)\n" +
		"certificate " + missing.Cert + ": stat " + missing.Cert + ": no such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	s.Files, s.CA = nil, good.Key
	if _, _, err = h.Prepare(s); err == nil || !strings.Contains(err.Error(), "tls.ca: "+good.Key+" has no certificate in PEM") {
		t.Errorf("got %v", err)
	}
	h.ready("shop.example.com")
	// A file may be for other names than it says, and may be taken away.
	s.CA, s.Files = "", []File{{Hosts: []string{"b.example.com"}, Cert: good.Cert, Key: good.Key}}
	h.apply(s)
	if _, err := h.shake("b.example.com"); err != nil {
		t.Error(err)
	}
	if _, err := h.shake("shop.example.com"); err == nil {
		t.Error("it is served, though it is configured no more")
	}
	// Where nobody speaks TLS, nothing is read.
	s.HTTPS, s.Files = "", []File{missing}
	h.apply(s)
	h.Want([]string{"shop.example.com"})
	if got := h.Status(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestAHostWithAFileNeedsNoOther(t *testing.T) {
	t.Parallel()
	h := withFiles(t, newFile(t, 1, "*.example.com"))
	h.Want([]string{"shop.example.com", "*.example.com", "shop.example.org"})
	if got := h.ready("shop.example.org").Issuer.CommonName; got != "divvy internal intermediate" {
		t.Errorf("it was issued by %s", got)
	}
	var hosts []string
	for _, s := range h.Status() {
		hosts = append(hosts, s.Host+" "+s.Source)
	}
	if got := strings.Join(hosts, ", "); got != "*.example.com file, shop.example.org internal" {
		t.Errorf("got %s", got)
	}
}
