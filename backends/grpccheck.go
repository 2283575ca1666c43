package backends

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"
)

// The health protocol of gRPC: its one method that is of use here, and the one
// state that is well. Requests and answers have one field, so that to have a whole
// library for them would be out of proportion.
//
//	message HealthCheckRequest  { string service = 1; }
//	message HealthCheckResponse { ServingStatus status = 1; }
const (
	grpcHealth  = "/grpc.health.v1.Health/Check"
	grpcServing = 1
)

// grpcStates are the others, as people know them.
var grpcStates = map[uint64]string{0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}

// askGRPC asks by the health protocol of gRPC, which needs HTTP/2.
func (r *Registry) askGRPC(ctx context.Context, q *question) error {
	var message []byte
	if q.GRPCService != "" {
		message = protowire.AppendTag(nil, 1, protowire.BytesType)
		message = protowire.AppendString(message, q.GRPCService)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.url(grpcHealth), bytes.NewReader(frame(message)))
	if err != nil {
		return err
	}
	req.Host = q.Host
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {checkAgent}}
	res, err := r.clientFor(q).Do(req)
	if err != nil {
		return plain(err, q.Check)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, checkBody))
	if err != nil {
		return plain(err, q.Check)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %d, and not in gRPC", res.StatusCode)
	}
	// An answer that is all trailers has them where its head is.
	from := res.Trailer
	if from.Get("Grpc-Status") == "" {
		from = res.Header
	}
	if code := from.Get("Grpc-Status"); code != "0" {
		return grpcRefusal(q.Check, code, from.Get("Grpc-Message"))
	}
	return readHealth(body)
}

// grpcRefusal says what it means that an answer has this status.
func grpcRefusal(c *Check, code, message string) error {
	switch code {
	case "":
		return errors.New("its answer is not one of gRPC")
	case "5":
		return fmt.Errorf("it does not know the health of a service %q", c.GRPCService)
	case "12":
		return errors.New("it does not serve grpc.health.v1.Health")
	default:
		return fmt.Errorf("it answered with gRPC status %s: %s", code, cmp.Or(message, "no message"))
	}
}

// frame returns a message as gRPC sends it: not compressed, and behind its length.
func frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// readHealth reports what keeps an answer from being SERVING.
func readHealth(body []byte) error {
	const prefix = 5
	if len(body) < prefix || body[0] != 0 || int(binary.BigEndian.Uint32(body[1:prefix])) != len(body)-prefix {
		return errors.New("its answer is not one message")
	}
	var state uint64
	for rest := body[prefix:]; len(rest) > 0; {
		field, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return errors.New("its answer is no message of this protocol")
		}
		size := protowire.ConsumeFieldValue(field, kind, rest[n:])
		if size < 0 {
			return errors.New("its answer is no message of this protocol")
		}
		if field == 1 && kind == protowire.VarintType {
			state, _ = protowire.ConsumeVarint(rest[n:])
		}
		rest = rest[n+size:]
	}
	if state == grpcServing {
		return nil
	}
	return fmt.Errorf("it is %s", cmp.Or(grpcStates[state], fmt.Sprintf("in state %d", state)))
}
