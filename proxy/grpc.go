package proxy

import (
	"bytes"
	"net/http"
	"strconv"

	"divvy/metrics"
	"divvy/proxy/http1"
)

// Statuses of gRPC that are given here.
const (
	grpcCanceled          = 1
	grpcUnknown           = 2
	grpcInvalidArgument   = 3
	grpcDeadlineExceeded  = 4
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcInternal          = 13
	grpcUnavailable       = 14
	grpcUnauthenticated   = 16
)

// isGRPC reports whether the request is a call of gRPC. That of the web is none:
// it has its status where nobody but its client looks. Nor is what could not be read.
func (ex *exchange) isGRPC() bool {
	if ex.record.Method != http.MethodPost {
		return false
	}
	rest, ok := bytes.CutPrefix(ex.req.Get("Content-Type"), []byte("application/grpc"))
	return ok && (len(rest) == 0 || rest[0] == '+' || rest[0] == ';')
}

// sawCall notes how a call of gRPC ended whose answer has come to its end: by its
// trailers or, where it has nothing else, by its head.
func (ex *exchange) sawCall(trailer *http1.Fields) {
	if !ex.isGRPC() {
		return
	}
	var status []byte
	if trailer != nil {
		status = trailer.Get("Grpc-Status")
	}
	if status == nil {
		status = ex.res.Get("Grpc-Status")
	}
	n, err := strconv.Atoi(view(status))
	switch {
	case err == nil:
	case ex.res.Status == http.StatusOK:
		n = grpcUnknown
	default:
		n = grpcFromHTTP(ex.res.Status)
	}
	ex.record.GRPC = metrics.GRPCStatus(n)
}

// lostCall notes how a call of gRPC ends for its client whose answer is cut, or
// that has left.
func (ex *exchange) lostCall() {
	switch {
	case !ex.isGRPC():
	case ex.gone(), ex.leash.reason() != nil, ex.record.Status == statusClientClosed:
		ex.record.GRPC = metrics.GRPCStatus(grpcCanceled)
	default:
		ex.record.GRPC = metrics.GRPCStatus(grpcInternal)
	}
}

// grpcFromHTTP returns what a client of gRPC makes of an answer that is none of
// gRPC.
func grpcFromHTTP(status int) int {
	switch status {
	case http.StatusBadRequest:
		return grpcInternal
	case http.StatusUnauthorized:
		return grpcUnauthenticated
	case http.StatusForbidden:
		return grpcPermissionDenied
	case http.StatusNotFound:
		return grpcUnimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return grpcUnavailable
	default:
		return grpcUnknown
	}
}

// grpcRefusal returns the status of gRPC that says what a status of ours says.
func grpcRefusal(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusRequestURITooLong, http.StatusExpectationFailed:
		return grpcInvalidArgument
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return grpcUnimplemented
	case http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge:
		return grpcResourceExhausted
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return grpcDeadlineExceeded
	case http.StatusInternalServerError:
		return grpcInternal
	default:
		return grpcUnavailable
	}
}

// refuseCall answers a call of gRPC that cannot be answered otherwise. Its client
// looks for the status of gRPC, and makes of another only a guess. What is recorded
// is the status that others would have got.
func (p *Proxy) refuseCall(ex *exchange, status int) {
	ex.record.GRPC = metrics.GRPCStatus(grpcRefusal(status))
	head := http1.AppendStatusLine(ex.answering[:0], http.StatusOK, http.StatusText(http.StatusOK))
	head = append(head, "Content-Type: application/grpc\r\nGrpc-Status: "...)
	head = strconv.AppendInt(head, int64(ex.record.GRPC.Code()), 10)
	head = append(head, "\r\n"...)
	head = http1.AppendField(head, "Grpc-Message", hint(status)+" Request "+ex.record.RequestID)
	head = p.date.append(head)
	if ex.begin(http.StatusOK, head, http1.Body{Framing: http1.Length}) == nil {
		_ = ex.door.end(nil, false)
	}
	ex.record.Status = status
}
