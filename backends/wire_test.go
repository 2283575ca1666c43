package backends

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsWrongWithAWire(t *testing.T) {
	t.Parallel()
	f := func(w Wire, want string) {
		t.Helper()
		if got := fmt.Sprint(w.Validate()); got != want {
			t.Errorf("%+v:\ngot  %s\nwant %s", w, got, want)
		}
	}
	f(Wire{}, "<nil>")
	f(Wire{Protocol: H2, BackendTLS: BackendTLS{CA: "ca.pem", ServerName: "shop.internal", Cert: "c.pem", Key: "k.pem"}}, "<nil>")
	f(Wire{BackendTLS: BackendTLS{CA: "ca.pem"}}, "<nil>") // a label may say the rest
	f(Wire{Protocol: "http2"}, `protocol: "http2" is none of the protocols: use http/1.1, https (HTTP/1.1 over TLS), h2c (HTTP/2 in clear) or h2 (HTTP/2 over TLS)`)
	f(Wire{Protocol: H2C, BackendTLS: BackendTLS{Insecure: true}}, "backend_tls: protocol h2c is in clear: use https or h2, or no backend_tls")
	f(Wire{Protocol: H2, BackendTLS: BackendTLS{Cert: "c.pem"}}, "backend_tls.cert: to show a certificate needs both, backend_tls.cert and backend_tls.key")
	f(Wire{Protocol: H2, BackendTLS: BackendTLS{CA: "ca.pem", Insecure: true}}, "backend_tls.insecure: any certificate is taken, so that backend_tls.ca is of no use: leave one of them out")
	f(Wire{Protocol: H2, BackendTLS: BackendTLS{ServerName: "https://shop"}}, `backend_tls.server_name: "https://shop" is not a name: use one such as shop.internal`)
}

func TestFilesOfAWireAreReadWhenItIsLoaded(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	empty := filepath.Join(folder, "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(tls BackendTLS, want string) {
		t.Helper()
		w := Wire{Protocol: H2, BackendTLS: tls}
		if got := strings.ReplaceAll(fmt.Sprint(w.Load()), folder, "DIR"); got != want {
			t.Errorf("%+v:\ngot  %s\nwant %s", tls, got, want)
		}
	}
	f(BackendTLS{}, "<nil>")
	f(BackendTLS{CA: filepath.Join(folder, "none.pem")}, "backend_tls.ca: open DIR/none.pem: no such file or directory")
	f(BackendTLS{CA: empty}, "backend_tls.ca: DIR/empty.pem: there is no certificate in it: use a PEM file")
	f(BackendTLS{Cert: filepath.Join(folder, "none.pem"), Key: empty}, "backend_tls.cert: open DIR/none.pem: no such file or directory")
	f(BackendTLS{Cert: empty, Key: filepath.Join(folder, "none.pem")}, "backend_tls.key: open DIR/none.pem: no such file or directory")
	f(BackendTLS{Cert: empty, Key: empty}, "backend_tls.cert: DIR/empty.pem and DIR/empty.pem: tls: failed to find any PEM data in certificate input")
}

func TestWhoABackendMustBe(t *testing.T) {
	t.Parallel()
	f := func(server, want string, hosts ...string) {
		t.Helper()
		w := Wire{Protocol: HTTPS, BackendTLS: BackendTLS{ServerName: server}}
		d, err := w.Dialect(hosts)
		switch {
		case want == "":
			if err == nil || !strings.HasPrefix(err.Error(), "backend_tls.server_name: ") {
				t.Errorf("%q of %q: got %v", server, hosts, err)
			}
		case err != nil || d.TLS.ServerName != want:
			t.Errorf("%q of %q: got %v, want %s", server, hosts, err, want)
		}
	}
	f("shop.internal", "shop.internal", "shop.test")
	f("", "shop.test", "*.test", "shop.test", "other.test")
	f("", "", "*.test")
	f("", "")
}

// As long as a dialect means the same it is the same, so that connections are kept
// when the file is read again; and its files are a part of what it means.
func TestADialectThatMeansTheSameIsTheSame(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write := func(more string) {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		if err := os.WriteFile(ca, append(text, more...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var r Registry
	dialect := func(w Wire) *Dialect {
		if err := w.Load(); err != nil {
			t.Fatal(err)
		}
		d, err := w.Dialect([]string{"shop.test"})
		if err != nil {
			t.Fatal(err)
		}
		r.Replace([]Endpoint{{Service: "shop", ID: "c1", Addr: "127.0.0.1:1", Dialect: d}})
		return r.backends[key{"shop", "c1"}].Dialect()
	}
	write("")
	w := Wire{Protocol: H2, BackendTLS: BackendTLS{CA: ca}}
	first := dialect(w)
	if dialect(w) != first {
		t.Error("to read it again makes another of it")
	}
	write("\n")
	second := dialect(w)
	if second == first {
		t.Error("another file makes no other of it")
	}
	if dialect(Wire{Protocol: H2C}) == second || dialect(Wire{}) != nil {
		t.Error("another protocol makes no other of it")
	}
}
