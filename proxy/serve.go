package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"divvy/proxy/http1"
	"divvy/router"
)

// serve answers one request, whose head has been read, and records it.
func (p *Proxy) serve(ex *exchange) {
	ex.body.begin(ex)
	defer p.observe(ex)
	defer p.recover(ex)
	p.identify(ex)
	if p.meetChallenge(ex) {
		return
	}
	if err := p.admit(ex); err != nil {
		p.refuse(ex, err)
		return
	}
	if p.redirect(ex) {
		return
	}
	if err := ex.certify(); err != nil {
		p.refuse(ex, err)
		return
	}
	p.decide(ex)
	ex.meter.Begin()
	defer ex.endMeter()
	if ex.decision.Version == nil {
		p.refuse(ex, errNoVersion)
		return
	}
	p.forward(ex)
}

// endMeter ends the meter of the version that had the request last: a failover
// may have changed it.
func (ex *exchange) endMeter() { ex.meter.End() }

// reject answers what could not be read as a request, and records it.
func (p *Proxy) reject(ex *exchange, err error) {
	ex.last = true
	defer p.observe(ex)
	defer p.recover(ex)
	ex.identifier("")
	ex.addr, ex.scheme = ex.peer, "http"
	ex.record.Proto, ex.record.Scheme, ex.record.Client = ex.proto, ex.scheme, ex.addr
	switch {
	case errors.Is(err, http1.ErrTargetTooLong):
		err = fmt.Errorf("%w: more than limits.target", err)
	case errors.Is(err, http1.ErrHeaderTooLarge):
		err = fmt.Errorf("%w: more than limits.header or limits.fields", err)
	}
	p.refuse(ex, err)
}

// identify finds out who sent the request, and names it.
func (p *Proxy) identify(ex *exchange) {
	ex.whoIsThere()
	id := ""
	if h := ex.world.config.RequestIDHeader; h != "" && ex.trusted {
		id = view(ex.req.Get(h))
	}
	ex.identifier(id)
	r, q := &ex.record, &ex.req
	r.Method, r.Host, r.Target, r.Proto, r.Scheme = view(q.Method), view(q.Host), view(q.Target), ex.proto, ex.scheme
	r.Client, r.UserAgent, r.Referer = ex.addr, view(q.Get("User-Agent")), view(q.Get("Referer"))
}

// identifier gives the request the identifier that it came with, if that is
// one, or a new one.
func (ex *exchange) identifier(id string) {
	if !validRequestID(id) {
		writeRequestID(&ex.id)
		id = view(ex.id[:])
	}
	ex.record.RequestID = id
}

// admit checks the request against what is allowed and finds its service.
func (p *Proxy) admit(ex *exchange) error {
	r, limits := &ex.req, &ex.world.config.Limits
	switch {
	case string(r.Method) == "CONNECT", string(r.Method) == "TRACE":
		return errMethod
	case ex.early && !safe(r.Method):
		return errEarly
	case len(r.Host) == 0 && ex.proto != "HTTP/1.0":
		return errNoHost
	case r.Minor > 0 && !fulfillable(&r.Fields):
		return errExpectation
	}
	ex.service = ex.world.table.Match(view(r.Host), ex.Path())
	if ex.service == nil {
		switch {
		case ex.world.table.Partial:
			return errNotYet
		case ex.named != "" && ex.named != router.HostName(view(ex.req.Host)):
			return errMisdirected
		default:
			return errNoService
		}
	}
	ex.record.Service = ex.service.Name
	ex.meter = ex.world.none[ex.service.Index]
	ex.hide()
	if limits.Body > 0 && r.Body.Framing == http1.Length && r.Body.Length > limits.Body {
		return errBodyTooLarge
	}
	return nil
}

// safe reports whether a request with a method may come twice, and from somebody
// else: it asks, and does nothing (RFC 9110 section 9.2.1).
func safe(method []byte) bool {
	return string(method) == "GET" || string(method) == "HEAD" || string(method) == "OPTIONS"
}

// fulfillable reports whether a request expects nothing that is not known (RFC
// 9110 section 10.1.1).
func fulfillable(f *http1.Fields) bool {
	for v := range f.Values("Expect") {
		if !http1.EqualFold(v, "100-continue") {
			return false
		}
	}
	return true
}

// decide finds the version that answers.
func (p *Proxy) decide(ex *exchange) {
	ex.random = rand.Uint64()
	q := ex.asks()
	ex.assign(ex.service.Decide(q))
	ex.arrive(q)
	if ex.decision.Reason == router.ByRule {
		ex.world.rules[ex.service.Index][ex.decision.Rule].Inc()
	}
}

// asks returns what a decision depends on.
func (ex *exchange) asks() router.Query {
	return router.Query{Request: ex, Random: ex.random, Now: ex.record.Start}
}

func (ex *exchange) assign(d router.Decision) {
	ex.decision = d
	ex.meter = ex.world.meter(ex.service, d)
	ex.meter.Assigned(string(d.Reason))
	ex.record.Reason = string(d.Reason)
	if d.Version != nil {
		ex.record.Version = d.Version.Name
		ex.record.ImageID = d.Version.Pool.Version.ImageID
	}
}

// observe records what became of the exchange.
func (p *Proxy) observe(ex *exchange) {
	r := &ex.record
	r.Duration = time.Since(r.Start)
	r.Meter = ex.meter
	if !r.Upgraded {
		r.RequestBytes = ex.body.n
	}
	if ex.cause != nil {
		r.Err = ex.cause.Error()
	}
	defer p.recoverObserving(ex)
	ex.count()
	if p.Sink != nil {
		p.Sink.Observe(r)
	}
}

// recoverObserving keeps a bug in what counts from costing the client its answer.
func (p *Proxy) recoverObserving(ex *exchange) {
	if bug := recover(); bug != nil {
		p.logBug(ex, "a bug: the request is not observed", bug)
	}
}

func (p *Proxy) logBug(ex *exchange, what string, bug any) {
	p.Log.Error(what, "service", ex.record.Service, "request", ex.record.RequestID,
		"panic", fmt.Sprint(bug), "stack", string(debug.Stack()))
}

// recover keeps a bug in one request from harming another.
func (p *Proxy) recover(ex *exchange) {
	bug := recover()
	if bug == nil {
		return
	}
	p.logBug(ex, "a bug: the request is given up", bug)
	if l := ex.link; l != nil {
		l.close()
		ex.stopPump(l)
		ex.leash.release()
	}
	p.refuse(ex, fmt.Errorf("%w: %v", errBug, bug))
}
