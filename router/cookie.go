package router

import (
	"cmp"
	"strconv"
	"time"
)

// cookie is one that divvy issues, ready to be written.
type cookie struct {
	name       string
	attributes string        // what follows the value, but for what is below
	age        time.Duration // 0 for the session of the browser
	secure     string        // as in Cookie
}

func newCookie(c Cookie, service string) cookie {
	out := cookie{name: cmp.Or(c.Name, "divvy-"+service), secure: c.Secure}
	out.age, _ = parseCookieAge(c.MaxAge)
	out.attributes = "; Path=" + cmp.Or(c.Path, "/")
	if c.Domain != "" {
		out.attributes += "; Domain=" + c.Domain
	}
	if !c.Readable {
		out.attributes += "; HttpOnly"
	}
	out.attributes += "; SameSite=" + map[string]string{"": "Lax", "lax": "Lax", "strict": "Strict", "none": "None"}[c.SameSite]
	if c.SameSite == "none" {
		out.secure = always
	}
	return out
}

// append appends a Set-Cookie field. An empty value takes the cookie away.
func (c *cookie) append(dst []byte, value string, tls bool) []byte {
	dst = append(append(append(dst, "Set-Cookie: "...), c.name...), '=')
	dst = append(append(dst, value...), c.attributes...)
	switch {
	case value == "":
		dst = append(dst, "; Max-Age=0"...)
	case c.age > 0:
		dst = strconv.AppendInt(append(dst, "; Max-Age="...), int64(c.age/time.Second), 10)
	}
	if c.secure == always || c.secure != "never" && tls {
		dst = append(dst, "; Secure"...)
	}
	return append(dst, "\r\n"...)
}

// Sets reports whether the answer has to carry a cookie.
func (d *Decision) Sets() bool { return d.issue != "" || d.grant != "" }

// IsNew reports whether the unit was issued for this request, so that which
// version it got was chance.
func (d *Decision) IsNew() bool { return d.new }

// AppendCookies appends the Set-Cookie fields of the answer to a request that d
// was the decision for; tls says that the client came by TLS.
func (s *Service) AppendCookies(dst []byte, d *Decision, tls bool) []byte {
	if d.issue != "" {
		dst = s.cookie.append(dst, d.issue, tls)
	}
	switch d.grant {
	case "":
	case noVersion:
		dst = s.override.cookie.append(dst, "", tls)
	default:
		dst = s.override.cookie.append(dst, d.grant, tls)
	}
	return dst
}
