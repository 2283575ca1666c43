package certs

import (
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"divvy/router/state"
)

// internally runs a manager that issues by itself.
func internally(t *testing.T, folder string) *house {
	t.Helper()
	c := DefaultConfig()
	c.Issuer = Internal
	doors := [2]net.Listener{listen(t), listen(t)}
	return newHouse(t, folder, Settings{c, doors[0].Addr().String(), doors[1].Addr().String()}, doors)
}

func TestWhoTrustsTheRootTrustsWhatIsServed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	storage := &state.Directory{Path: folder}
	if _, err := Root(t.Context(), storage); !errors.Is(err, ErrNoRoot) {
		t.Errorf("got %v, want ErrNoRoot", err)
	}
	one, two := internally(t, folder), internally(t, folder)
	for _, h := range []*house{one, two} {
		h.Want([]string{"shop.test", "*.shop.test"})
	}
	for _, name := range []string{"shop.test", "a.shop.test"} {
		c := one.ready(name)
		if !c.Equal(two.ready(name)) {
			t.Errorf("%s has two certificates", name)
		}
		if left := time.Until(c.NotAfter); left > leafLife || left < leafLife-time.Minute {
			t.Errorf("it is valid for %v", left)
		}
	}
	text, err := Root(t.Context(), storage)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	for _, h := range []*house{one, two} {
		client := &http.Client{Transport: trusting(roots, h.tls)}
		res, err := client.Get("https://a.shop.test/")
		if err != nil {
			t.Error(err)
			continue
		}
		res.Body.Close()
	}
}

func TestAnAuthorityWhoseKeyIsLostIsNotReplacedBySilence(t *testing.T) {
	t.Parallel()
	h := internally(t, t.TempDir())
	h.Want([]string{"a.test"})
	h.ready("a.test")
	if err := h.storage.Delete(t.Context(), rootKey+".key"); err != nil {
		t.Fatal(err)
	}
	h.Want([]string{"a.test", "b.test"})
	await(t, "the error", func() bool { return h.status("b.test").Error != "" })
	if got := h.status("b.test").Error; !strings.Contains(got, "internal authority: internal/root.key: ") ||
		!strings.Contains(got, "restore it, or remove internal/root.crt for another authority") {
		t.Errorf("got %s", got)
	}
	h.ready("a.test")
	if err := h.storage.Delete(t.Context(), rootKey+".crt"); err != nil {
		t.Fatal(err)
	}
	h.ready("b.test")
}
