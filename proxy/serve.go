package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"

	"divvy/router"
)

// serve answers one request and records it.
func (p *Proxy) serve(ex *exchange) {
	ex.record.Start = time.Now()
	ex.body = newRequestBody(ex)
	defer p.observe(ex)
	defer p.recover(ex)
	p.identify(ex)
	if err := p.admit(ex); err != nil {
		p.refuse(ex, err)
		return
	}
	p.decide(ex)
	ex.meter.Begin()
	defer func() { ex.meter.End() }() // a failover may have changed the meter
	if ex.decision.Version == nil {
		p.refuse(ex, errNoVersion)
		return
	}
	p.forward(ex)
}

// identify finds out who sent the request, and names it.
func (p *Proxy) identify(ex *exchange) {
	ex.whoIsThere()
	id := ""
	if h := ex.world.config.RequestIDHeader; h != "" && ex.trusted {
		id = ex.req.Header.Get(h)
	}
	if !validRequestID(id) {
		id = newRequestID()
	}
	r := &ex.record
	r.RequestID = id
	r.Method, r.Host, r.Target, r.Proto, r.Scheme = ex.req.Method, ex.req.Host, ex.req.RequestURI, ex.req.Proto, ex.scheme
	r.Client, r.UserAgent, r.Referer = ex.client, ex.req.UserAgent(), ex.req.Referer()
}

// admit checks the request against what is allowed and finds its service.
func (p *Proxy) admit(ex *exchange) error {
	r, limits := ex.req, &ex.world.config.Limits
	switch {
	case len(r.RequestURI) > limits.Target:
		return errTargetTooLong
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace:
		return errMethod
	case r.Host == "" && r.ProtoAtLeast(1, 1):
		return errNoHost
	}
	var ok bool
	if ex.target, ok = originTarget(r); !ok {
		return errTarget
	}
	ex.service = ex.world.table.Match(r.Host, r.URL.Path)
	if ex.service == nil {
		switch {
		case ex.world.table.Partial:
			return errNotYet
		case r.TLS != nil:
			return errMisdirected
		default:
			return errNoService
		}
	}
	ex.record.Service = ex.service.Name
	ex.meter = ex.world.none[ex.service.Index]
	if limits.Body > 0 && r.ContentLength > limits.Body {
		return errBodyTooLarge
	}
	return nil
}

// decide finds the version that answers.
func (p *Proxy) decide(ex *exchange) {
	ex.random = rand.Uint64()
	ex.assign(ex.service.Decide(router.Query{Request: ex, Random: ex.random}))
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
	linger := lingering
	if ex.cut {
		linger = 0
	}
	if n := ex.body.detach(linger); !r.Upgraded {
		r.RequestBytes = n
	}
	if ex.cause != nil {
		r.Err = ex.cause.Error()
	}
	if p.Sink != nil {
		defer p.recoverObserving(ex)
		p.Sink.Observe(r)
	}
}

// recoverObserving keeps a bug in a sink from costing the client its answer.
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
	p.refuse(ex, fmt.Errorf("%w: %v", errBug, bug))
}
