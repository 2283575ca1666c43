package proxy

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"divvy/proxy/http1"
	"divvy/router"
)

// challenges is where authorities look whether a host is ours (RFC 8555 section
// 8.3).
const challenges = "/.well-known/acme-challenge/"

// meetChallenge answers what an authority asks, and reports whether it was that. It
// comes in clear, before there is a certificate, and for whatever host.
func (p *Proxy) meetChallenge(ex *exchange) bool {
	if p.Challenge == nil || ex.secure || !strings.HasPrefix(view(ex.req.Path()), challenges) || !safe(ex.req.Method) {
		return false
	}
	text, ok := p.Challenge(router.HostName(view(ex.req.Host)), view(ex.req.Path()))
	if ok {
		p.say(ex, http.StatusOK, "Content-Type: application/octet-stream\r\n", string(text))
	}
	return ok
}

// redirect sends a request that came in clear to https, if that is where it should
// have gone, and reports whether it did. What a trusted proxy says came under TLS is
// not sent there once more.
func (p *Proxy) redirect(ex *exchange) bool {
	port := ex.world.httpsPort
	if port == 0 || ex.scheme == "https" || !ex.service.Redirects(view(ex.req.Host)) {
		return false
	}
	target := string(ex.req.AppendTarget(nil))
	if !strings.HasPrefix(target, "/") {
		return false // OPTIONS *
	}
	host := router.HostName(view(ex.req.Host))
	if p.Certified != nil && !p.Certified(host) {
		return false // where it would find nobody
	}
	if port != 443 {
		host = net.JoinHostPort(host, strconv.Itoa(port))
	}
	location := string(http1.AppendField(nil, "Location", "https://"+host+target))
	p.say(ex, http.StatusPermanentRedirect, location+"Content-Type: text/plain; charset=utf-8\r\n", "308 Permanent Redirect\nUse https.\n")
	return true
}

// say sends an answer of our own.
func (p *Proxy) say(ex *exchange, status int, fields, text string) {
	head := http1.AppendStatusLine(ex.answering[:0], status, http.StatusText(status))
	head = append(head, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"...)
	head = append(head, fields...)
	head = ex.appendAbout(p.date.append(head))
	body := http1.Body{Framing: http1.Length, Length: int64(len(text))}
	if string(ex.req.Method) == http.MethodHead {
		text, body.Framing = "", http1.Announced
	}
	if ex.begin(status, head, body) == nil {
		n, _ := io.WriteString(ex.door, text) // whether it arrives is the client's concern
		ex.record.ResponseBytes = int64(n)
		_ = ex.door.end(nil, false)
	}
}

// appendAbout appends what clients are told beside the answer itself: that they are
// to use https alone, and that they could speak HTTP/3.
func (ex *exchange) appendAbout(dst []byte) []byte {
	if ex.service != nil && ex.scheme == "https" {
		if field := ex.service.HSTS(); field != "" && !ex.res.Passes("Strict-Transport-Security") {
			dst = append(dst, field...)
		}
	}
	if ex.offer != "" && !ex.res.Passes("Alt-Svc") {
		dst = append(dst, ex.offer...)
	}
	return dst
}

// httpsPort returns the port by which clients reach https, 0 for none.
func (c *Config) httpsPort() int {
	for _, l := range c.listeners() {
		if !l.TLS {
			continue
		}
		if l.Port != 0 {
			return l.Port
		}
		_, port, _ := net.SplitHostPort(l.Address)
		if n, err := strconv.Atoi(port); err == nil && n != 0 {
			return n
		}
		return 443
	}
	return 0
}
