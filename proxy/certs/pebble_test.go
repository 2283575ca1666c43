package certs

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"divvy/testdata/ports"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// TestMain also is the command that a DNS hook runs, and a program on a system
// without roots.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "dns-hook" {
		os.Exit(hookMain(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "has-roots" {
		os.Exit(rootsMain())
	}
	for key, value := range map[string]string{
		"PEBBLE_VA_NOSLEEP":      "1",
		"PEBBLE_WFE_NONCEREJECT": "10", // percent of good nonces that are refused
		"PEBBLE_AUTHZREUSE":      "30", // percent of valid authorizations that are used again
	} {
		os.Setenv(key, value)
	}
	os.Exit(m.Run())
}

// pebble is an authority that speaks ACME as Let's Encrypt does, the DNS that it
// asks, and something between it and us that can misbehave.
type pebble struct {
	t     *testing.T
	url   string // of the directory
	ca    string // the file of what its own certificate is trusted by
	dns   *challtestsrv.ChallSrv
	zone  string          // the server of the DNS, with the start of the zones
	doors [2]net.Listener // where challenges come to: HTTP and TLS

	mute bool // it has no renewal information; set before the first request

	mu     sync.Mutex // guards what is below
	down   bool
	hung   bool   // takes requests, and does not answer
	limit  string // the Retry-After of the answer to each order; "" for none
	orders int    // that were made
}

// newPebble runs an authority whose certificates are valid for a time.
func newPebble(t *testing.T, life time.Duration) *pebble {
	t.Helper()
	return newPebbleFor(t, life, nil)
}

// newPebbleFor is newPebble for those who have an external account: keys in
// base64url, by name. None is for everybody.
func newPebbleFor(t *testing.T, life time.Duration, accounts map[string]string) *pebble {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	p := &pebble{t: t}
	for i := range p.doors {
		p.doors[i] = listen(t)
	}
	p.runDNS()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	for name, key := range accounts {
		if err := store.AddExternalAccountKeyByID(name, key); err != nil {
			t.Fatal(err)
		}
	}
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: uint64(life / time.Second)}})
	validation := va.New(quiet, port(p.doors[0]), port(p.doors[1]), false, p.zone, store)
	front := wfe.New(quiet, store, validation, authority, []string{"pebble.letsencrypt.org"}, false, len(accounts) > 0, 1, 1)
	server := httptest.NewUnstartedServer(p.between(front.Handler()))
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	p.url = server.URL + wfe.DirectoryPath
	p.ca = filepath.Join(t.TempDir(), "ca.pem")
	write(t, p.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return p
}

// between is what stands between the authority and us.
func (p *pebble) between(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		down, hung, limit := p.down, p.hung, p.limit
		p.mu.Unlock()
		ordering := strings.HasPrefix(r.URL.Path, "/order-plz")
		switch {
		case hung:
			<-r.Context().Done()
			return
		case down:
			panic(http.ErrAbortHandler)
		case ordering && limit != "":
			w.Header().Set("Retry-After", limit)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates already issued","status":429}`)
			return
		}
		if p.mute && r.URL.Path == wfe.DirectoryPath {
			w = &silent{w}
		}
		next.ServeHTTP(&hasty{ResponseWriter: w, ordered: func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if ordering {
				p.orders++
			}
		}}, r)
	})
}

// silent is a directory without renewal information.
type silent struct{ http.ResponseWriter }

func (s *silent) Write(p []byte) (int, error) {
	_, err := s.ResponseWriter.Write(bytes.Replace(p, []byte(`"renewalInfo"`), []byte(`"none"`), 1))
	return len(p), err
}

// hasty shortens the waits that an authority asks for.
type hasty struct {
	http.ResponseWriter
	ordered func()
}

func (h *hasty) WriteHeader(status int) {
	if h.Header().Get("Retry-After") != "" {
		h.Header().Set("Retry-After", "0")
	}
	if status == http.StatusCreated {
		h.ordered()
	}
	h.ResponseWriter.WriteHeader(status)
}

func (p *pebble) set(down bool, limit string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.limit = down, limit
}

func (p *pebble) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hung = true
}

func (p *pebble) ordered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.orders
}

// runDNS runs what stands before the DNS that the authority asks, where every name
// is ours: it knows where the zone begins, which that does not say.
func (p *pebble) runDNS() {
	var addr string
	p.dns, addr = records()
	tcp := listen(p.t)
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.zone = tcp.Addr().String()
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if q.Question[0].Qtype == dns.TypeSOA {
			a := new(dns.Msg).SetReply(q)
			if soa, err := dns.NewRR("example.test. 60 IN SOA ns.example.test. admin.example.test. 1 60 60 60 60"); err == nil && q.Question[0].Name == "example.test." {
				a.Answer = append(a.Answer, soa)
			}
			_ = w.WriteMsg(a)
			return
		}
		client := &dns.Client{Net: "tcp"}
		for range 100 {
			if a, _, err := client.Exchange(q, addr); err == nil {
				_ = w.WriteMsg(a)
				return
			}
			time.Sleep(10 * time.Millisecond) // it does not say when it listens
		}
	})
	for _, s := range []*dns.Server{{Listener: tcp, Handler: answer}, {PacketConn: udp, Handler: answer}} {
		go func() { _ = s.ActivateAndServe() }()
		p.t.Cleanup(func() { _ = s.Shutdown() })
	}
}

// records is the DNS itself, one for all tests: it has one handler in the process.
var records = sync.OnceValues(func() (*challtestsrv.ChallSrv, string) {
	addr, err := ports.Unused()
	if err != nil {
		panic(err)
	}
	srv, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{addr}, Log: log.New(io.Discard, "", 0)})
	if err != nil {
		panic(err)
	}
	srv.SetDefaultDNSIPv6("")
	srv.Run()
	return srv, addr
})

// settings returns what is configured for the authority.
func (p *pebble) settings(change func(*Config)) Settings {
	c := DefaultConfig()
	c.Directory, c.CA = p.url, p.ca
	c.Email = "admin@example.test" // certmagic takes one that it has seen where there is none
	c.DNS.Resolvers = []string{p.zone}
	if change != nil {
		change(&c)
	}
	return Settings{Config: c, HTTP: p.doors[0].Addr().String(), HTTPS: p.doors[1].Addr().String()}
}
