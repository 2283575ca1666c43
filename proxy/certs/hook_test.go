package certs

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"
)

func TestAHookThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		http.Error(w, fmt.Sprintf("no zone for %s %s", r.URL.Path, body), http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	f := func(d DNS, want string) {
		t.Helper()
		if d.Timeout == 0 {
			d.Timeout = time.Minute
		}
		_, err := hook{d}.AppendRecords(t.Context(), "example.com.", []libdns.Record{libdns.RR{Type: "TXT", Name: "_acme-challenge.shop", Data: "token"}})
		got := fmt.Sprint(err)
		if want = strings.ReplaceAll(want, "NAME", "_acme-challenge.shop.example.com."); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	sh := func(script string) []string { return []string{"/bin/sh", "-c", script, "hook"} }
	f(DNS{Command: sh(`test "$1 $2 $3" = "present _acme-challenge.shop.example.com. token"`)}, "<nil>")
	f(DNS{Command: sh(`echo "no zone for $2" >&2; exit 3`)}, "DNS hook: present NAME: exit status 3: no zone for NAME")
	f(DNS{Command: sh(`head -c 5000 /dev/zero | tr '\0' x >&2; exit 1`)}, "DNS hook: present NAME: exit status 1: "+strings.Repeat("x", maxComplaint))
	f(DNS{Command: []string{"/nowhere/hook"}}, "DNS hook: present NAME: fork/exec /nowhere/hook: no such file or directory")
	f(DNS{Command: sh(`sleep 60 & wait`), Timeout: 50 * time.Millisecond}, "DNS hook: present NAME: it took longer than tls.dns.timeout (50ms)")
	f(DNS{Webhook: server.URL + "/dns/"}, `DNS hook: present NAME: it answers 403 Forbidden no zone for /dns/present {"fqdn":"NAME","value":"token"}`)
}
