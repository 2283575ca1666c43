package admin

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestWhoMayUseTheAPI(t *testing.T) {
	t.Parallel()
	const (
		here   = "127.0.0.1:50000"
		there  = "192.0.2.9:50000"
		body   = "Content-Length: 2"
		form   = "Content-Type: application/x-www-form-urlencoded"
		asJSON = "Content-Type: application/json"
		bad    = "Authorization: Bearer wrong"
		all    = "Authorization: Bearer secret"
		read   = "Authorization: Bearer look"
	)
	local := netip.MustParseAddrPort("198.51.100.7:9900")
	certificate := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: "alice"}}}}}
	unverified := &tls.ConnectionState{PeerCertificates: certificate.VerifiedChains[0]}
	nameless := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{Organization: []string{"ops"}}}}}}

	// ask has a judge about a request as it stands on the wire. want begins
	// the name of who may, or the status and problem of who may not.
	ask := func(a Access, peer string, state *tls.ConnectionState, want string, lines ...string) {
		t.Helper()
		head := strings.Join(lines, "\r\n") + "\r\n\r\n{}"
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			t.Fatalf("%q: %v", lines, err)
		}
		r.RemoteAddr, r.TLS = peer, state
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(net.TCPAddrFromAddrPort(local))))
		got, no := a.judge(r)
		if no != (refusal{}) {
			got = fmt.Sprint(no.Status, " ", no.Problem)
		}
		if !strings.HasPrefix(got, want) || want == "" {
			t.Errorf("%+v, from %s, %q:\ngot  %s\nwant %s", a, peer, lines, got, want)
		}
	}
	tokens := Access{Token: "secret", ReadToken: "look"}

	// Without any token, the place decides.
	place := func(peer, want string, fields ...string) {
		t.Helper()
		ask(Access{}, peer, nil, want, append([]string{"GET / HTTP/1.1", "Host: localhost"}, fields...)...)
	}
	place(here, "local")
	place("127.8.9.1:1", "local")
	place("[::1]:1", "local")
	place("[::1%lo]:1", "local")
	place("[::ffff:127.0.0.1]:1", "local")
	place(there, "403 only this machine may use the API: to open it to others, set admin.token or client certificates")
	place("[::ffff:192.0.2.9]:1", "403 only this machine")
	place("[2001:db8::1]:1", "403 only this machine")
	place("", "403 only this machine")
	place("@", "403 only this machine")
	place("localhost:1", "403 only this machine")
	place(here, "403 the request came through a proxy", "X-Forwarded-For: 127.0.0.1")
	place(here, "403 the request came through a proxy", "x-forwarded-for:")
	place(here, "403 the request came through a proxy", "X-Forwarded-Host: localhost")
	place(here, "403 the request came through a proxy", "Forwarded: for=_hidden")
	place(here, "403 the request came through a proxy", "VIA: 1.1 front")
	place(here, "403 the request came through a proxy", "X-Real-IP: 127.0.0.1")
	place(here, "local", "X-Forwarding: no")
	place(here, "401 the token is not valid here, where none is configured", all)
	place(here, "401", "Authorization: Bearer")
	place(here, "401", "Authorization: Bearer ")
	place(here, "401", "Authorization:")

	// With a token, the place decides nothing.
	token := func(a Access, want, line string, fields ...string) {
		t.Helper()
		for _, peer := range []string{here, there} {
			ask(a, peer, nil, want, append([]string{line, "Host: localhost"}, fields...)...)
		}
	}
	token(tokens, "token", "GET / HTTP/1.1", all)
	token(tokens, "token", "PUT /w HTTP/1.1", all)
	token(tokens, "token", "GET / HTTP/1.1", "authorization: bearer   secret  ")
	token(tokens, "token", "GET / HTTP/1.1", "AUTHORIZATION: BEARER secret", "X-Forwarded-For: 10.0.0.1")
	token(tokens, "401 a token is needed", "GET / HTTP/1.1")
	token(tokens, "401 the token is not valid", "GET / HTTP/1.1", bad)
	token(tokens, "401", "GET / HTTP/1.1", "Authorization: Bearer SECRET")
	token(tokens, "401", "GET / HTTP/1.1", "Authorization: Bearer secre")
	token(tokens, "401", "GET / HTTP/1.1", "Authorization: Bearer secrets")
	token(tokens, "401", "GET / HTTP/1.1", "Authorization: Bearer secret look")
	token(tokens, "401", "GET / HTTP/1.1", "Authorization: Bearer secret, Bearer secret")
	token(tokens, "401", "GET / HTTP/1.1", "Authorization: Bearer\tsecret")
	token(tokens, "401", "GET / HTTP/1.1", "Authorization: secret")
	token(tokens, "401", "GET / HTTP/1.1", "Authorization: Basic c2VjcmV0")
	token(tokens, "401 one token is needed", "GET / HTTP/1.1", all, all)
	token(tokens, "401 one token is needed", "GET / HTTP/1.1", all, bad)
	token(tokens, "401", "GET / HTTP/1.1", "Proxy-Authorization: Bearer secret")
	token(tokens, "401", "GET /?access_token=secret HTTP/1.1")

	// The other token may only read.
	token(tokens, "read token", "GET / HTTP/1.1", read)
	token(tokens, "read token", "HEAD / HTTP/1.1", read)
	token(tokens, "read token", "POST /api/v1/services/shop/decide HTTP/1.1", read, body, asJSON)
	token(tokens, "403 this token may only read", "PUT /api/v1/services/shop/decide HTTP/1.1", read)
	token(tokens, "403 this token may only read", "POST /api/v1/services/shop%2Fdecide HTTP/1.1", read)
	token(tokens, "403 this token may only read", "POST /api/v1/services/shop/decide/ HTTP/1.1", read)
	token(tokens, "403 this token may only read", "POST /api/v1/services/shop/promote?to=/decide HTTP/1.1", read)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "Get", "hEAD", "FROB"} {
		token(tokens, "403 this token may only read", method+" / HTTP/1.1", read)
		token(tokens, "token", method+" / HTTP/1.1", all)
		token(tokens, "401", method+" / HTTP/1.1")
	}
	ask(tokens, there, certificate, "403 this token may only read", "PUT / HTTP/1.1", "Host: localhost", read) // it asked for less

	// Either token may be missing, and what is missing matches nothing.
	token(Access{Token: "secret"}, "token", "PUT / HTTP/1.1", all)
	token(Access{Token: "secret"}, "401", "GET / HTTP/1.1", "Authorization: Bearer")
	token(Access{Token: "secret"}, "401", "GET / HTTP/1.1", "Authorization: Bearer ")
	token(Access{Token: "secret"}, "401", "GET / HTTP/1.1", read)
	token(Access{ReadToken: "look"}, "read token", "GET / HTTP/1.1", read)
	token(Access{ReadToken: "look"}, "401 a token is needed", "GET / HTTP/1.1")
	token(Access{ReadToken: "look"}, "401 a token is needed", "PUT / HTTP/1.1")
	token(Access{ReadToken: "look"}, "401 the token is not valid", "PUT / HTTP/1.1", "Authorization: Bearer ")
	token(Access{ReadToken: "look"}, "403 this token may only read", "PUT / HTTP/1.1", read)
	token(Access{Token: "secret", ReadToken: "secret"}, "token", "PUT / HTTP/1.1", all)

	// A certificate that was verified may do everything.
	cert := func(a Access, state *tls.ConnectionState, want string, lines ...string) {
		t.Helper()
		ask(a, there, state, want, lines...)
	}
	cert(Access{}, certificate, "alice", "PUT / HTTP/1.1", "Host: localhost")
	cert(tokens, certificate, "alice", "PUT / HTTP/1.1", "Host: localhost")
	cert(tokens, certificate, "alice", "GET / HTTP/1.1", "Host: localhost", "X-Forwarded-For: 10.0.0.1")
	cert(tokens, nameless, "O=ops", "GET / HTTP/1.1", "Host: localhost")
	cert(tokens, unverified, "401", "GET / HTTP/1.1", "Host: localhost")
	cert(Access{}, unverified, "403 only this machine", "GET / HTTP/1.1", "Host: localhost")
	cert(tokens, certificate, "401 the token is not valid", "GET / HTTP/1.1", "Host: localhost", bad)
	cert(tokens, certificate, "421", "GET / HTTP/1.1", "Host: evil.test") // the browser adds it for any page
	cert(tokens, certificate, "403 the request comes from a page", "GET / HTTP/1.1", "Host: localhost", "Sec-Fetch-Site: cross-site")

	// A web page cannot have its own name pass for this listener.
	host := func(want string, hosts ...string) {
		t.Helper()
		for _, h := range hosts {
			ask(Access{Hosts: []string{"", "divvy.test", "203.0.113.5", "2001:db8::5"}}, here, nil, want, "GET / HTTP/1.1", "Host: "+h)
			ask(tokens, there, nil, "token", "GET / HTTP/1.1", "Host: "+h, all) // and has no token
		}
	}
	host("local", "localhost", "localhost:9900", "localhost:", "LocalHost:9900", "localhost.", "LOCALHOST.:9900")
	host("local", "127.0.0.1", "127.0.0.1:9900", "127.0.0.1.", "127.9.9.9", "[::1]", "[::1]:9900", "[0:0::1]:1", "[::1%25lo]:9900", "[::1%lo]")
	host("local", "[::ffff:127.0.0.1]:9900", "[::ffff:7f00:1]")
	host("local", "198.51.100.7", "198.51.100.7:9900", "[::ffff:198.51.100.7]:80") // where it was reached
	host("local", "divvy.test", "DIVVY.test.:9900", "203.0.113.5:9900", "[2001:db8::5]", "[2001:DB8::0:5]:9900")
	host("421", "evil.test", "evil.test:9900", "localhost.evil.test", "evil-localhost", "sub.localhost", "sub.divvy.test")
	host("421", "192.0.2.1", "198.51.100.8:9900", "0.0.0.0:9900", "[::]:9900", "[2001:db8::1]", "[fe80::1%25eth0]:9900")
	host("421", "", ":9900", ".", "..", "localhost..", "::1", "127.1", "2130706433", "0x7f000001", "[127.0.0.1]", "[localhost]", "[::1", "::1]", "[]", "[]:1")
	host("421", "localhost:x", "localhost:1:2", "evil.test]localhost", "x[::1]", "[::1]x", "[::1]9900", "[::1]:x", "localhost:80@evil.test", "evil.test@localhost", "localhost,evil.test", "localhost%00.evil.test")
	local = netip.MustParseAddrPort("[fe80::1%eth0]:9900")
	host("local", "[fe80::1]:9900", "[fe80::1%25eth0]:9900")
	local = netip.MustParseAddrPort("[::ffff:198.51.100.7]:9900")
	host("local", "198.51.100.7:9900", "[::ffff:198.51.100.7]")

	// Of two hosts the one in the target counts, and there may be none.
	target := func(want string, lines ...string) { t.Helper(); ask(Access{}, here, nil, want, lines...) }
	target("local", "GET http://localhost:9900/ HTTP/1.1", "Host: evil.test")
	target("421", "GET http://evil.test/ HTTP/1.1", "Host: localhost")
	target("421", "GET http://localhost:80@evil.test/ HTTP/1.1", "Host: localhost")
	target("421", "GET http://evil.test HTTP/1.0")
	target("421", "CONNECT evil.test:443 HTTP/1.1", "Host: localhost")
	target("421", "GET / HTTP/1.0")
	target("local", "GET / HTTP/1.0", "Host: localhost")
	ask(tokens, there, nil, "token", "GET / HTTP/1.0", all)
	target("local", "OPTIONS * HTTP/1.1", "Host: localhost")

	// A browser that names another origin is believed, also with a token.
	page := func(state *tls.ConnectionState, host string, may bool, fields ...string) {
		t.Helper()
		for _, line := range []string{"GET / HTTP/1.1", "PUT / HTTP/1.1", "OPTIONS / HTTP/1.1", "POST /decide HTTP/1.1"} {
			lines := append([]string{line, "Host: " + host}, fields...)
			want := map[bool]string{true: "token", false: "403 the request comes from a page of another origin"}[may]
			ask(tokens, here, state, want, append(lines, all)...)
			if !may {
				ask(tokens, here, state, want, lines...)
				ask(Access{}, here, state, want, lines...)
			}
		}
	}
	page(nil, "localhost:9900", true, "Origin: http://localhost:9900")
	page(nil, "LOCALHOST:9900", true, "Origin: http://localhost:9900", "Sec-Fetch-Site: same-origin")
	page(nil, "localhost:9900", true, "Sec-Fetch-Site: none")
	page(nil, "localhost", true, "Origin: http://localhost:80")
	page(nil, "localhost:80", true, "Origin: http://localhost")
	page(nil, "[::1]:9900", true, "Origin: http://[::1]:9900")
	page(certificate, "localhost:443", true, "Origin: https://localhost")
	page(nil, "localhost:9900", false, "Origin: null")
	page(nil, "localhost:9900", false, "Origin:")
	page(nil, "localhost:9900", false, "Origin: http://evil.test")
	page(nil, "localhost:9900", false, "Origin: http://localhost")
	page(nil, "localhost:9900", false, "Origin: http://localhost:3000")
	page(nil, "localhost:9900", false, "Origin: http://localhost.:9900")
	page(nil, "localhost:9900", false, "Origin: http://127.0.0.1:9900")
	page(nil, "localhost:9900", false, "Origin: https://localhost:9900")
	page(certificate, "localhost:9900", false, "Origin: http://localhost:9900")
	page(nil, "localhost:443", false, "Origin: http://localhost")
	page(nil, "localhost:9900", false, "Origin: localhost:9900")
	page(nil, "localhost:9900", false, "Origin: http://localhost:9900/")
	page(nil, "localhost:9900", false, "Origin: http://localhost:9900", "Origin: http://evil.test")
	page(nil, "localhost:9900", false, "Origin: http://localhost:9900 http://evil.test")
	page(nil, "localhost:9900", false, "Origin: http://localhost:9900", "Sec-Fetch-Site: cross-site")
	page(nil, "localhost:9900", false, "Sec-Fetch-Site: same-site")
	page(nil, "localhost:9900", false, "Sec-Fetch-Site: SAME-ORIGIN")
	page(nil, "localhost:9900", false, "Sec-Fetch-Site:")
	page(nil, "localhost:9900", false, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site")

	// What a page whose name was made to resolve here sends is of one origin.
	target("421", "PUT / HTTP/1.1", "Host: evil.test:9900", "Origin: http://evil.test:9900", "Sec-Fetch-Site: same-origin")

	// A form cannot write.
	write := func(want string, fields ...string) {
		t.Helper()
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			ask(Access{}, here, nil, want, append([]string{method + " /w HTTP/1.1", "Host: localhost"}, fields...)...)
		}
	}
	write("local")
	write("local", "Content-Length: 0", form)
	write("local", body, asJSON)
	write("local", body, "content-type: Application/JSON; charset=utf-8")
	write("415 the body must be sent as Content-Type: application/json", body)
	write("415", body, form)
	write("415", body, "Content-Type: text/plain; application/json")
	write("415", body, "Content-Type: text/plain; x=application/json")
	write("415", body, "Content-Type: multipart/form-data; boundary=x")
	write("415", body, "Content-Type: application/jsonp")
	write("415", body, "Content-Type: application/json, text/plain")
	write("415", body, "Content-Type: application/json; charset")
	write("415", body, "Content-Type:")
	write("415", body, asJSON, form)
	write("415", "Transfer-Encoding: chunked", form)
	write("local", "Transfer-Encoding: chunked", asJSON)
	token(tokens, "415", "PUT / HTTP/1.1", all, body, form)
	target("local", "POST /decide HTTP/1.1", "Host: localhost", body, form) // it changes nothing
	target("local", "GET / HTTP/1.1", "Host: localhost", body, form)
}

func TestAListenerThatIsNotOfTheNetworkHasNoAddress(t *testing.T) {
	t.Parallel()
	for _, local := range []any{nil, net.Addr(&net.UnixAddr{Name: "@", Net: "unix"})} {
		r := httptest.NewRequest(http.MethodGet, "http://198.51.100.7/", nil)
		r.RemoteAddr = "127.0.0.1:1"
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		if _, no := new(Access).judge(r); no.Status != http.StatusMisdirectedRequest {
			t.Errorf("%v: got %+v", local, no)
		}
	}
}

// greeting answers with who asks.
var greeting = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%+v", callerOf(r))
})

func TestACallerIsNamedByAddressWithoutPort(t *testing.T) {
	t.Parallel()
	f := func(peer, want string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = peer
		r.Header.Set("Authorization", "Bearer secret")
		w := httptest.NewRecorder()
		(&Access{Token: "secret"}).protect(greeting, nobody).ServeHTTP(w, r)
		if got := w.Body.String(); got != "{Name:token Addr:"+want+"}" {
			t.Errorf("%s: got %s", peer, got)
		}
	}
	f("192.0.2.9:50000", "192.0.2.9")
	f("[::ffff:192.0.2.9]:50000", "192.0.2.9")
	f("[fe80::1%eth0]:50000", "fe80::1%eth0")
	f("@", "@") // a socket of this machine

	if got := callerOf(httptest.NewRequest(http.MethodGet, "/", nil)); got != (caller{}) {
		t.Errorf("a request that did not come through protect is from %+v", got)
	}
}

func TestEveryAnswerOfAProtectedListenerIsPrivate(t *testing.T) {
	t.Parallel()
	open := httptest.NewServer(new(Access).protect(greeting, nobody))
	defer open.Close()
	closed := httptest.NewServer((&Access{Token: "secret"}).protect(greeting, nobody))
	defer closed.Close()

	// f sends what stands on the wire.
	f := func(s *httptest.Server, message string, status int, want string) {
		t.Helper()
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, strings.ReplaceAll(message, "\n", "\r\n")); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusOK {
			var answer struct{ Error string }
			if err := json.Unmarshal(got, &answer); err != nil || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%q: got %q, %v, %q", message, res.Header["Content-Type"], err, got)
			}
			got = []byte(answer.Error)
		}
		if res.StatusCode != status || !strings.HasPrefix(string(got), want) {
			t.Errorf("%q: got %d %s, want %d %s", message, res.StatusCode, got, status, want)
		}
		if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: got %v", message, res.Header)
		}
		for name := range res.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%q: %s is answered", message, name)
			}
		}
		if asks := res.Header.Get("WWW-Authenticate"); (asks == `Bearer realm="divvy"`) != (status == http.StatusUnauthorized) {
			t.Errorf("%q: got WWW-Authenticate %q", message, asks)
		}
	}
	addr := open.Listener.Addr().String()
	f(open, "GET / HTTP/1.1\nHost: "+addr+"\n\n", 200, "{Name:local Addr:127.0.0.1}")
	f(open, "GET / HTTP/1.0\nHost: localhost\n\n", 200, "{Name:local Addr:127.0.0.1}")
	f(open, "GET http://"+addr+"/ HTTP/1.1\nHost: evil.test\n\n", 200, "{Name:local")
	f(open, "GET / HTTP/1.0\n\n", 421, "this listener is not known")
	f(open, "GET / HTTP/1.1\nHost: evil.test\n\n", 421, "this listener is not known")
	f(open, "GET / HTTP/1.1\nHost: localhost\nVia: 1.1 x\n\n", 403, "the request came through a proxy")
	f(open, "POST / HTTP/1.1\nHost: localhost\nContent-Length: 3\nContent-Type: text/plain\n\na=b", 415, "the body must be")
	f(open, "OPTIONS / HTTP/1.1\nHost: "+addr+"\nOrigin: http://evil.test\nAccess-Control-Request-Method: PUT\n\n", 403, "the request comes from a page")
	f(open, "OPTIONS / HTTP/1.1\nHost: "+addr+"\nOrigin: http://"+addr+"\nAccess-Control-Request-Method: PUT\n\n", 200, "{Name:local")
	f(closed, "GET / HTTP/1.1\nHost: localhost\n\n", 401, "a token is needed")
	f(closed, "GET / HTTP/1.1\nHost: localhost\nAuthorization: Bearer \n\n", 401, "the token is not valid")
	f(closed, "PUT / HTTP/1.0\nAuthorization: Bearer secret\n\n", 200, "{Name:token Addr:127.0.0.1}")
}

func TestACertificateOpensTheListenerIfItIsVerified(t *testing.T) {
	t.Parallel()
	authority, signer := certified(t, "authority", nil)
	_, alice := certified(t, "alice", signer)
	_, mallory := certified(t, "mallory", nil)
	roots := x509.NewCertPool()
	roots.AddCert(authority)

	// f returns the answer to a client with these certificates.
	f := func(auth tls.ClientAuthType, certificates ...tls.Certificate) string {
		t.Helper()
		s := httptest.NewUnstartedServer((&Access{Token: "secret"}).protect(greeting, nobody))
		s.TLS = &tls.Config{ClientAuth: auth, ClientCAs: roots}
		s.EnableHTTP2 = true
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		defer s.Close()
		client := s.Client()
		client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &append(certificates, tls.Certificate{})[0], nil
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return "no connection"
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %d %s", res.Proto, res.StatusCode, got)
	}
	is := func(got, want string) {
		t.Helper()
		if !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	is(f(tls.VerifyClientCertIfGiven, *alice), "HTTP/2.0 200 {Name:alice Addr:127.0.0.1}")
	is(f(tls.RequireAndVerifyClientCert, *alice), "HTTP/2.0 200 {Name:alice Addr:127.0.0.1}")
	is(f(tls.VerifyClientCertIfGiven), "HTTP/2.0 401")
	is(f(tls.VerifyClientCertIfGiven, *mallory), "no connection")
	is(f(tls.RequireAnyClientCert, *mallory), "HTTP/2.0 401") // seen, but not verified
	is(f(tls.RequireAnyClientCert, *alice), "HTTP/2.0 401")
}

// certified returns a certificate for name and its key, signed by signer, nil
// for itself.
func certified(t *testing.T, name string, signer *tls.Certificate) (*x509.Certificate, *tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		IsCA:        signer == nil, BasicConstraintsValid: true,
	}
	parent, signing := template, any(key)
	if signer != nil {
		parent, signing = signer.Leaf, signer.PrivateKey
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signing)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return leaf, &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}

// nobody hears of writes that are refused.
func nobody(*http.Request, refusal) {}
