package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"divvy/backends"
	"divvy/metrics"
)

// blame returns why an attempt failed: because of the client or, if that was
// not it, because of the backend.
func (ex *exchange) blame(b *backends.Backend, err error) error {
	if ex.clientsFault(err) {
		return err
	}
	return fmt.Errorf("backend %s at %s: %w", b.Name(), b.Addr, err)
}

func (ex *exchange) clientsFault(err error) bool {
	return errors.Is(err, errClientGone) || errors.Is(err, errBodyBroken) || errors.Is(err, errBodySlow) || errors.Is(err, errBodyTooLarge)
}

// accuse tells b of a failure before there was an answer, if it is its fault.
func (ex *exchange) accuse(b *backends.Backend, err error) {
	switch {
	case ex.clientsFault(err), ex.gone(), errors.Is(err, errDrained), errors.Is(err, errBug):
		b.Saw(backends.Unknown, 0)
	case isRefused(err):
		b.Saw(backends.Unknown, 0)
		b.Refused(err)
	case isDial(err), errors.Is(err, errHandshake), errors.Is(err, errTooMany):
		b.Saw(backends.Unreachable, 0)
	default:
		b.Saw(backends.Failed, 0)
	}
}

// praise tells b how its answer was, which ended with err, for cause.
func (ex *exchange) praise(b *backends.Backend, err, cause error) {
	firstByte := time.Duration(0)
	if ex.record.Attempts == 1 && ex.req.Body.Empty() {
		firstByte = ex.record.FirstByte // and nobody else's time is in it
	}
	switch {
	case cause != nil, err != nil && (errors.Is(err, errDrained) || isSending(err)):
		b.Saw(backends.Unknown, 0)
	case err != nil, failedStatus(ex.res.Status), failedCall(ex.record.GRPC):
		b.Saw(backends.Failed, 0)
	default:
		b.Saw(backends.Answered, firstByte)
	}
}

// failedStatus reports whether a status says that the backend failed, rather than
// that it does not know what it was asked for.
func failedStatus(status int) bool {
	return status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported
}

// failedCall reports the same of the status of a call.
func failedCall(g metrics.GRPC) bool { return g.Failed() && g.Code() != grpcUnimplemented }

// isSending reports whether an answer failed because the client did not take it.
func isSending(err error) bool {
	lost := new(sendError)
	return errors.As(err, &lost)
}

// errSlow is what a backend's failure to answer in time is.
var errSlow = fmt.Errorf("it did not answer in time: %w", context.DeadlineExceeded)
