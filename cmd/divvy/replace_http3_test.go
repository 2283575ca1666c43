//go:build unix

package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

// Packets belong to the process that has begun a connection. The next one speaks
// HTTP/3 when that has ended; until then clients go by TCP.
func TestHTTP3IsSpokenAgainAfterAReplacement(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	d := newDynasty(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") },
		fmt.Sprintf("https = %q\n[server.timeouts]\nshutdown = \"1s\"\n[tls]\nissuer = \"internal\"", addr))
	text, err := os.ReadFile(filepath.Join(d.dir, "divvy.toml"))
	d.must(err)
	d.write(strings.Replace(string(text), "name = \"shop\"", "name = \"shop\"\nhosts = [\"127.0.0.1\", \"shop.test\"]", 1))
	d.start()
	trust := &tls.Config{InsecureSkipVerify: true, ServerName: "shop.test"}
	byTCP := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}}
	offered := func() bool {
		res, err := byTCP.Get("https://" + addr)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.Header.Get("Alt-Svc") != ""
	}
	byUDP := func() string {
		h3 := &http3.Transport{TLSClientConfig: trust}
		defer h3.Close()
		res, err := (&http.Client{Transport: h3}).Get("https://" + addr)
		if err != nil {
			return err.Error()
		}
		defer res.Body.Close()
		return res.Proto + " " + res.Status
	}
	await(t, "HTTP/3 is offered", offered)
	if got := byUDP(); got != "HTTP/3.0 200 OK" {
		t.Errorf("got %q", got)
	}
	for range 2 {
		d.replace()
		await(t, "HTTP/3 is offered again", offered)
		if got := byUDP(); got != "HTTP/3.0 200 OK" {
			t.Errorf("got %q", got)
		}
	}
	d.end()
}
