package main

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/router"
	"divvy/router/state"
)

// imagined is a request that is not sent.
type imagined struct {
	r      *http.Request
	client netip.Addr
}

func (i imagined) Header(name string) string {
	if strings.EqualFold(name, "Host") {
		return i.r.Host
	}
	return i.r.Header.Get(name)
}

func (i imagined) Cookie(name string) string {
	if all := i.r.CookiesNamed(name); len(all) == 1 {
		return all[0].Value
	}
	return ""
}

func (i imagined) Query(name string) string { return i.r.URL.Query().Get(name) }
func (i imagined) Client() netip.Addr       { return i.client }
func (i imagined) Certificate() string      { return "" }
func (i imagined) Method() string           { return i.r.Method }
func (i imagined) Path() string             { return i.r.URL.Path }

// imagine makes the request that a question is about.
func imagine(q admin.Question) (imagined, error) {
	bad := func(key, value, valid string) (imagined, error) {
		return imagined{}, &state.InvalidError{Text: fmt.Sprintf("%s: %q does not fit here: use %s", key, value, valid)}
	}
	out := imagined{r: &http.Request{Method: q.Method, Host: q.Host, Header: http.Header{}}}
	if q.Method == "" {
		out.r.Method = http.MethodGet
	}
	if q.Path == "" {
		q.Path = "/"
	}
	u, err := url.ParseRequestURI(q.Path)
	if err != nil || !strings.HasPrefix(q.Path, "/") {
		return bad("path", q.Path, "a path that begins with /, with the query if there is one")
	}
	out.r.URL = u
	for name, value := range q.Headers {
		out.r.Header.Set(name, value)
	}
	if q.Client != "" {
		if out.client, err = netip.ParseAddr(q.Client); err != nil {
			return bad("client", q.Client, "an address such as 192.0.2.7")
		}
	}
	return out, nil
}

// Decide implements admin.Control.
func (c control) Decide(service string, q admin.Question) (admin.Explanation, error) {
	s, in, err := c.lookUp(service)
	if err != nil {
		return admin.Explanation{}, err
	}
	request, err := imagine(q)
	if err != nil {
		return admin.Explanation{}, err
	}
	d := s.Decide(router.Query{Request: request, Now: time.Now()})
	out := admin.Explanation{Service: service, Reason: string(d.Reason), Rule: d.RuleName, By: d.By, Shares: sharesOf(s, in.Weights)}
	chance := d.Reason == router.ByRequest || d.IsNew()
	if d.Version != nil && !chance {
		out.Version, out.ImageID = d.Version.Name, d.Version.Pool.Version.ImageID
	}
	out.Sentence = sentence(&d, out, chance)
	return out, nil
}

// sentence explains a decision to people.
func sentence(d *router.Decision, e admin.Explanation, chance bool) string {
	switch {
	case d.Reason == router.ByNone:
		return "Nobody answers: no version with weight has a backend that is ready."
	case chance && d.By == "":
		return "Chance decides: nothing in the request says whose it is. " + chances(e.Shares)
	case chance:
		return "Chance decides: a new " + d.By + " is issued. " + chances(e.Shares)
	case d.Reason == router.ByOverride:
		return e.Version + " answers: the request names it, and may."
	case d.Reason == router.ByRule:
		return e.Version + " answers: the rule " + e.Rule + " matches."
	case d.Reason == router.ByPin:
		return e.Version + " answers: " + d.By + " was assigned to it before, and stays."
	case d.Reason == router.ByFailover:
		return e.Version + " answers for now: the version that it belongs to has no backend that is ready."
	default:
		return e.Version + " answers: it is the one that the hash of " + d.By + " falls to."
	}
}

// chances returns the shares as a sentence.
func chances(shares []admin.Share) string {
	var parts []string
	for _, s := range shares {
		if s.Share > 0 {
			parts = append(parts, s.Version+" "+percent(s.Share))
		}
	}
	return strings.Join(parts, ", ") + "."
}
