package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Access says who may use the API. Its zero value lets in whoever asks from
// this machine, and nobody else. It must not change once protect was called.
//
// A holder of a verified client certificate may do everything; which
// certificates are verified is the business of the listener's tls.Config, where
// ClientCAs must be set: without, every public authority is trusted.
//
// Without a token, a proxy on this machine that adds none of the usual fields
// looks like somebody on this machine: who runs one needs a token.
type Access struct {
	// Token may do everything, ReadToken may only read. "" stands for none.
	// If there is any, only tokens and certificates count, also on loopback.
	Token, ReadToken string

	// Hosts are further names by which the listener may be addressed: lower
	// case, without port. A token needs none of them (see misdirected).
	Hosts []string
}

// caller is who sent a request, as the record of edits names them.
type caller struct {
	Name string // "token", "read token", "local", or the name in the certificate
	Addr string // the peer's address without port
}

// signs returns who made an edit, as the history names them: whom the request
// says, and who is known to have sent it.
func (c caller) signs(who string) string {
	switch {
	case who == "":
		return c.Name + " at " + c.Addr
	case c.Name == "local":
		return who
	default:
		return who + " by " + c.Name
	}
}

// callerOf returns who sent r, which came through protect.
func callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

type callerKey struct{}

// protect returns a handler that lets through to next only who may use the
// API. No answer may be stored or taken for another type than it says, and
// none has a CORS field: a page of another origin gets no leave to ask. A write
// that is not let through is told to refused.
func (a *Access) protect(next http.Handler, refused func(*http.Request, refusal)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		name, no := a.judge(r)
		if no.Status != 0 {
			if !reads(r) {
				refused(r, no)
			}
			refuse(w, no)
			return
		}
		c := caller{Name: name, Addr: r.RemoteAddr}
		if peer := peerOf(r); peer.IsValid() {
			c.Addr = peer.String()
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

// refusal is why a request is not let through; the zero value lets it.
type refusal struct {
	Status  int
	Problem string
}

// refuse answers with no.
func refuse(w http.ResponseWriter, no refusal) {
	if no.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="divvy"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(no.Status)
	_ = json.NewEncoder(w).Encode(problem{Error: no.Problem}) // whoever hung up needs no answer
}

// judge returns the name of the caller whose request is let through, or why it
// is not. It looks at r and nothing else.
func (a *Access) judge(r *http.Request) (name string, no refusal) {
	if foreign(r) {
		return "", refusal{http.StatusForbidden, "the request comes from a page of another origin"}
	}
	name, no = a.identify(r)
	switch {
	case no.Status != 0:
		return "", no
	case a.misdirected(r):
		return "", refusal{http.StatusMisdirectedRequest,
			"this listener is not known by the name in the Host field: use localhost or its address, or add the name to its hosts"}
	case !reads(r) && r.ContentLength != 0 && !isJSON(r):
		return "", refusal{http.StatusUnsupportedMediaType, "the body must be sent as Content-Type: application/json"}
	}
	return name, refusal{}
}

// foreign reports whether a browser says that a page of another origin is
// behind r. A browser cannot be kept from saying so by the page.
func foreign(r *http.Request) bool {
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "same-origin" && site != "none" { // none: typed, or a bookmark
			return true
		}
	}
	origins, ours, port := r.Header["Origin"], "http://", ":80"
	if r.TLS != nil {
		ours, port = "https://", ":443"
	}
	ours += strings.TrimSuffix(r.Host, port)
	return len(origins) > 1 ||
		len(origins) == 1 && !strings.EqualFold(strings.TrimSuffix(origins[0], port), ours)
}

// identify returns who sent r, or why that is not enough. Who sends a token is
// judged by it alone.
func (a *Access) identify(r *http.Request) (name string, no refusal) {
	switch tokens := r.Header["Authorization"]; {
	case len(tokens) > 0:
		return a.byToken(r, tokens)
	case r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		subject := r.TLS.VerifiedChains[0][0].Subject
		return cmp.Or(subject.CommonName, subject.String(), "certificate"), refusal{}
	case a.Token != "" || a.ReadToken != "":
		return "", refusal{http.StatusUnauthorized, "a token is needed: send it as Authorization: Bearer TOKEN"}
	case !peerOf(r).IsLoopback():
		return "", refusal{http.StatusForbidden,
			"only this machine may use the API: to open it to others, set admin.token or client certificates"}
	case proxied(r.Header):
		return "", refusal{http.StatusForbidden,
			"the request came through a proxy, so who sent it is unknown: set admin.token or client certificates"}
	}
	return "local", refusal{}
}

// byToken is identify for r with these values of Authorization.
func (a *Access) byToken(r *http.Request, values []string) (name string, no refusal) {
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", refusal{http.StatusUnauthorized, "one token is needed: send it as Authorization: Bearer TOKEN"}
	}
	token = strings.TrimLeft(token, " ")
	all, read := sameToken(token, a.Token), sameToken(token, a.ReadToken)
	switch {
	case all:
		return "token", refusal{}
	case read && reads(r):
		return "read token", refusal{}
	case read:
		return "", refusal{http.StatusForbidden, "this token may only read: writing needs admin.token"}
	case a.Token == "" && a.ReadToken == "":
		return "", refusal{http.StatusUnauthorized, "the token is not valid here, where none is configured: set admin.token"}
	}
	return "", refusal{http.StatusUnauthorized, "the token is not valid"}
}

// sameToken reports whether given is want, in a time that says nothing about
// either, not even its length. No token is the same as none.
func sameToken(given, want string) bool {
	g, w := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1 && want != ""
}

// reads reports whether r changes nothing, whatever it says. The path is taken
// as http.ServeMux takes it, where %2F does not separate.
func reads(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPost:
		return strings.HasSuffix(r.URL.EscapedPath(), "/decide")
	}
	return false
}

// misdirected reports whether r may be the work of a web page whose name was
// made to resolve to this listener (DNS rebinding): the browser takes the two
// for one origin, and only the Host field still tells. Such a page has what
// the browser adds by itself, the place on this machine and a certificate, but
// no token. An address is no name, so nobody can have it resolve elsewhere.
//
// 421 is the status for it (RFC 9110, sections 7.4 and 15.5.20), and tells a
// name that is missing from Hosts from a caller who may not.
func (a *Access) misdirected(r *http.Request) bool {
	if len(r.Header["Authorization"]) > 0 {
		return false
	}
	name, addr := hostName(r.Host)
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	switch {
	case name == "":
		return true
	case name == "localhost", addr.IsLoopback(), slices.Contains(a.Hosts, name):
		return false
	case addr.IsValid() && local != nil:
		own, err := netip.ParseAddrPort(local.String())
		return err != nil || own.Addr().WithZone("") != addr
	}
	return true
}

// hostField is the value of a Host field: an IPv6 address or a name, and
// perhaps a port, which may be empty (RFC 3986, section 3.2).
var hostField = regexp.MustCompile(`^(?:\[([^\]]+)\]|([^:\[\]]+))(?::[0-9]*)?$`)

// hostName returns the name in a Host field in its simplest form: lower case,
// without port, final dot, brackets or zone; "" if there is none. addr is
// valid if the name is an address.
func hostName(host string) (name string, addr netip.Addr) {
	m := hostField.FindStringSubmatch(host)
	if m == nil {
		return "", netip.Addr{}
	}
	name = strings.ToLower(strings.TrimSuffix(m[2], "."))
	addr, err := netip.ParseAddr(cmp.Or(m[1], name))
	switch {
	case m[1] == "":
		return name, addr
	case err != nil || !addr.Is6():
		return "", netip.Addr{}
	}
	addr = addr.Unmap().WithZone("")
	return addr.String(), addr
}

// isJSON reports whether the body of r is declared to be JSON, which a form of
// another page cannot do without asking first.
func isJSON(r *http.Request) bool {
	types := r.Header["Content-Type"]
	if len(types) != 1 {
		return false
	}
	kind, _, err := mime.ParseMediaType(types[0])
	return err == nil && kind == "application/json"
}

// proxied reports whether a request with this header passed through a proxy
// that says so.
func proxied(h http.Header) bool {
	for name := range h {
		switch {
		case name == "Forwarded", name == "Via", name == "X-Real-Ip", strings.HasPrefix(name, "X-Forwarded-"):
			return true
		}
	}
	return false
}

// peerOf returns the address that r came from, invalid if it has none.
func peerOf(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr().Unmap()
}
