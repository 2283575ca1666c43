package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"divvy/backends"
	"divvy/router"
)

// forward sends the request to a backend of its version, and to another where
// that failed and it is safe, until there is an answer or nothing is left.
func (p *Proxy) forward(ex *exchange) {
	ctx, abort := context.WithCancelCause(ex.req.Context())
	defer abort(nil)
	ex.abort = abort
	out := ex.outgoing(ctx)
	var last error
	failed := ex.meter
	for ex.record.Attempts < ex.world.config.Attempts {
		b := ex.nextBackend()
		if b == nil {
			break
		}
		if ex.record.Attempts++; ex.record.Attempts > 1 {
			failed.Retried()
		}
		failed = ex.meter
		ex.record.Container, ex.record.Backend = b.ID, b.Addr
		again, err := p.attempt(ex, b, out)
		if err == nil {
			return
		}
		if last = ex.blame(b, err); !again {
			break
		}
		ex.tried = append(ex.tried, b)
	}
	if last == nil {
		last = errNoBackend
	}
	p.refuse(ex, last)
}

// blame returns why an attempt failed: because of the client's body or, if that
// was not it, because of the backend.
func (ex *exchange) blame(b *backends.Backend, err error) error {
	failed := ex.body.failure()
	switch {
	case failed == nil:
	case errors.Is(failed, errBodyUnwanted):
		err = failed // the transport may only know that the request was ended
	default:
		return failed
	}
	return fmt.Errorf("backend %s at %s: %w", b.Name, b.Addr, err)
}

// attempt sends the request to b and passes the answer on. It reports whether
// another backend may be tried when it returns an error.
func (p *Proxy) attempt(ex *exchange, b *backends.Backend, out *http.Request) (again bool, err error) {
	defer b.Release()
	res, err := upstreamOf(b).roundTrip(ex, out)
	if err == nil {
		return false, p.answer(ex, b, res)
	}
	if isRefused(err) {
		b.Refused(err)
	}
	return ex.mayRepeat(err), err
}

// nextBackend acquires a backend that was not tried yet: of the version that
// was decided or, when that has none left, of the one that the hash names now.
// The caller must release it.
func (ex *exchange) nextBackend() *backends.Backend {
	if b := ex.decision.Version.Pool.Acquire(ex.tried); b != nil {
		return b
	}
	if ex.decision.Reason == router.ByOverride {
		return nil
	}
	was := ex.meter
	d := ex.service.Decide(router.Query{Request: ex, Random: ex.random})
	if d.Version == nil || d.Version == ex.decision.Version {
		return nil
	}
	b := d.Version.Pool.Acquire(ex.tried)
	if b == nil {
		return nil
	}
	ex.assign(d)
	was.End()
	ex.meter.Begin()
	return b
}

// mayRepeat reports whether a request that failed like this, before any of an
// answer came, may be sent to another backend. That is so when nothing of it
// can have arrived, or when to do it twice is to do it once (RFC 9110 section
// 9.2.2), and all of its body is still there to be sent.
func (ex *exchange) mayRepeat(err error) bool {
	if ex.gone() || ex.begun || !ex.body.untouched() {
		return false
	}
	if isDial(err) {
		return true
	}
	return isIdempotent(ex.req.Method) && !isTimeout(err)
}

func isIdempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	default:
		return false
	}
}

// bodyAgain gives the transport the body for another connection.
func (ex *exchange) bodyAgain() (io.ReadCloser, error) {
	if !ex.body.untouched() {
		return nil, errBodySpent
	}
	return ex.body, nil
}

// outgoing returns the request as the origin gets it.
func (ex *exchange) outgoing(ctx context.Context) *http.Request {
	in := ex.req
	out := in.WithContext(ctx)
	out.Header = endToEnd(in.Header)
	out.Close = false
	out.RequestURI = ""
	out.URL = targetURL(ex.target, in.URL.Path)
	out.Body, out.GetBody = ex.body, ex.bodyAgain
	if ex.body.finished() {
		out.Body, out.GetBody = http.NoBody, nil
		out.ContentLength, out.TransferEncoding = 0, nil
	}
	if protocol := ex.upgrade(); protocol != "" {
		out.Header["Connection"], out.Header["Upgrade"] = []string{"Upgrade"}, []string{protocol}
	}
	if hasToken(in.Header, "Te", "trailers") {
		out.Header["Te"] = []string{"trailers"}
	}
	ex.setForwarded(out.Header)
	if h := ex.world.config.RequestIDHeader; h != "" {
		out.Header.Set(h, ex.record.RequestID)
	}
	if _, named := out.Header["X-Idempotency-Key"]; !named && isIdempotent(in.Method) {
		// The transport repeats what found a stale connection if it knows that
		// it may. It does not send a field without a value.
		out.Header["X-Idempotency-Key"] = nil
	}
	if _, named := out.Header["User-Agent"]; !named {
		out.Header["User-Agent"] = []string{""} // or the transport names itself
	}
	return out
}
