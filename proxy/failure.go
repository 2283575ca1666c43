package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"divvy/proxy/http1"
)

// What can be wrong with a request, or with us.
var (
	errHeadSlow      = errors.New("the head of the request took longer than timeouts.header")
	errBodyTooLarge  = errors.New("the body is larger than limits.body")
	errBodySlow      = errors.New("the client stopped sending the body")
	errBodyBroken    = errors.New("reading the client's body")
	errBodyUntaken   = fmt.Errorf("the backend stopped taking the body of the request: %w", context.DeadlineExceeded)
	errBodyUnwanted  = errors.New("the backend closed the connection before it had all of the request")
	errClientGone    = errors.New("the client went away")
	errExpectation   = errors.New("the request expects something other than 100-continue")
	errEarly         = errors.New("the request came before the client was known, and does something")
	errMethod        = errors.New("the method is not served here")
	errNoHost        = errors.New("the request names no host")
	errNoService     = errors.New("no service answers to this host and path")
	errMisdirected   = errors.New("no service answers to this host on this connection")
	errNoCertificate = errors.New("the service demands a certificate, and the client has shown none that it trusts")
	errNotYet        = errors.New("no service answers to this host and path, and not all are known yet: Docker was not reached so far")
	errAnswer        = errors.New("the answer is none")
	errUnasked       = errors.New("it sent something before it was asked")
	errNoAnswer      = errors.New("it closed the connection without an answer")
	errNoVersion     = errors.New("no version with weight has a usable backend")
	errNoBackend     = errors.New("every usable backend was tried")
	errBug           = errors.New("a bug in divvy")
	errUpgrade       = errors.New("the backend switched to another protocol than was asked for")
	errTunnelIdle    = errors.New("nothing moved for the time of timeouts.tunnel")
	errDrained       = errors.New("its backend has drained for drain_timeout, or has lost its address")
	errNoSocket      = errors.New("the backend speaks HTTP/2, over which no WebSocket is opened: use protocol http/1.1 or https")
	errUpgradeEarly  = errors.New("the backend switched protocols before it had all of the request")
)

// statusClientClosed is what is recorded when the client was gone before an
// answer could be sent. It is nginx's number; no client ever sees it.
const statusClientClosed = 499

// status returns the answer to a failure.
func (ex *exchange) status(err error) int {
	var netErr net.Error
	switch {
	case errors.Is(err, errBug):
		return http.StatusInternalServerError
	case errors.Is(err, errAnswer):
		return http.StatusBadGateway
	case errors.Is(err, http1.ErrTargetTooLong):
		return http.StatusRequestURITooLong
	case errors.Is(err, http1.ErrHeaderTooLarge):
		return http.StatusRequestHeaderFieldsTooLarge
	case errors.Is(err, http1.ErrVersion):
		return http.StatusHTTPVersionNotSupported
	case errors.Is(err, http1.ErrUnsupportedCoding), errors.Is(err, errNoSocket), errors.Is(err, errProtocol):
		return http.StatusNotImplemented
	case errors.Is(err, errBodyTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errBodySlow), errors.Is(err, errHeadSlow):
		return http.StatusRequestTimeout
	case errors.Is(err, errEarly):
		return http.StatusTooEarly
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed
	case errors.Is(err, errExpectation):
		return http.StatusExpectationFailed
	case errors.Is(err, errNoHost), errors.Is(err, http1.ErrMalformed):
		return http.StatusBadRequest
	case errors.Is(err, errNoCertificate):
		return http.StatusForbidden
	case errors.Is(err, errNoService):
		return http.StatusNotFound
	case errors.Is(err, errMisdirected):
		return http.StatusMisdirectedRequest
	case errors.Is(err, errClientGone), ex.gone():
		return statusClientClosed
	case errors.Is(err, errNotYet), errors.Is(err, errNoVersion), errors.Is(err, errNoBackend):
		return http.StatusServiceUnavailable
	case isDial(err) && !isTimeout(err), errors.Is(err, errUnprocessed), errors.Is(err, errTooMany):
		return http.StatusServiceUnavailable
	case errors.As(err, &netErr) && netErr.Timeout():
		return http.StatusGatewayTimeout
	default:
		return http.StatusBadGateway
	}
}

// hint says in the client's terms what is wrong. The cause goes to the log.
func hint(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "The request could not be understood."
	case http.StatusForbidden:
		return "This service asks for a certificate."
	case http.StatusNotFound:
		return "No service answers to this host and path."
	case http.StatusMethodNotAllowed:
		return "The method is not served here."
	case http.StatusRequestTimeout:
		return "The request took too long to arrive."
	case http.StatusRequestEntityTooLarge:
		return "The body is too large."
	case http.StatusRequestURITooLong:
		return "The request target is too long."
	case http.StatusMisdirectedRequest:
		return "This host is not served on this connection."
	case http.StatusExpectationFailed:
		return "The request expects what is not done here."
	case http.StatusRequestHeaderFieldsTooLarge:
		return "The head of the request is too large."
	case http.StatusTooEarly:
		return "The request has to be sent again once the connection is open."
	case http.StatusNotImplemented:
		return "The transfer coding or the protocol is not supported, or the service opens no WebSockets."
	case http.StatusHTTPVersionNotSupported:
		return "The version of HTTP is not supported."
	case http.StatusServiceUnavailable:
		return "The service cannot answer right now."
	case http.StatusGatewayTimeout:
		return "The service took too long to answer."
	case http.StatusBadGateway:
		return "The service gave no valid answer."
	default:
		return "Something went wrong here."
	}
}

// refuse answers with the status of err. If an answer is already under way it
// is cut off.
func (p *Proxy) refuse(ex *exchange, err error) {
	if ex.begun {
		ex.cut = true
		ex.fail(err)
		ex.lostCall()
		return
	}
	if ex.leash.reason() != nil {
		ex.last = true // it stays pulled
	}
	status := ex.status(err)
	if status == statusClientClosed {
		ex.begun, ex.cut = true, true
		ex.record.Status = status
		ex.fail(errClientGone)
		ex.lostCall()
		return
	}
	ex.fail(err)
	if ex.isGRPC() {
		p.refuseCall(ex, status)
		return
	}
	text := fmt.Sprintf("%d %s\n%s\nrequest %s\n", status, http.StatusText(status), hint(status), ex.record.RequestID)
	fields := "Content-Type: text/plain; charset=utf-8\r\n"
	if status == http.StatusMethodNotAllowed {
		fields += "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
	}
	ex.res.Reset() // what came is not passed on
	p.say(ex, status, fields, text)
}

// isDial reports whether err happened before there was a connection, so that
// nothing of the request can have arrived.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// isRefused reports whether nobody listens there, or nobody is there.
func isRefused(err error) bool {
	return isDial(err) && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH))
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
