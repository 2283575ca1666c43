package backends

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// served returns the address of a server of gRPC.
func served(t *testing.T, s *grpc.Server) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-ended })
	return l.Addr().String()
}

func TestTheHealthProtocolOfGRPCIsSpoken(t *testing.T) {
	t.Parallel()
	state := health.NewServer()
	state.SetServingStatus("shop.Cart", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	state.SetServingStatus("shop.Shop", grpc_health_v1.HealthCheckResponse_SERVING)
	well, without := grpc.NewServer(), grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(well, state)
	other := httptest.NewUnstartedServer(http.NotFoundHandler())
	other.Config.Protocols = new(http.Protocols)
	other.Config.Protocols.SetUnencryptedHTTP2(true)
	other.Start()
	defer other.Close()

	r := &Registry{client: checkClient(nil)}
	f := func(addr, service, want string) {
		t.Helper()
		c := defaultCheck()
		c.GRPC, c.GRPCService = true, service
		for _, d := range []*Dialect{nil, {Protocol: H2C}} { // it is spoken over HTTP/2 in any case
			if err := r.ask(context.Background(), &question{&c, addr, d}); fmt.Sprint(err) != want {
				t.Errorf("%s: got %v, want %s", &c, err, want)
			}
		}
	}
	at := served(t, well)
	f(at, "", "<nil>")
	f(at, "shop.Shop", "<nil>")
	f(at, "shop.Cart", "it is NOT_SERVING")
	f(at, "shop.Desk", `it does not know the health of a service "shop.Desk"`)
	f(served(t, without), "", "it does not serve grpc.health.v1.Health")
	f(other.Listener.Addr().String(), "", "it answered 404, and not in gRPC")
}

func TestAnAnswerAboutHealthIsReadWithCare(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		if got := fmt.Sprint(readHealth([]byte(body))); got != want {
			t.Errorf("%q: got %s, want %s", body, got, want)
		}
	}
	f("\x00\x00\x00\x00\x02\x08\x01", "<nil>")
	f("\x00\x00\x00\x00\x06\x12\x02hi\x08\x01", "<nil>") // a field that nobody knows yet
	f("\x00\x00\x00\x00\x00", "it is UNKNOWN")
	f("\x00\x00\x00\x00\x02\x08\x09", "it is in state 9")
	f("", "its answer is not one message")
	f("\x01\x00\x00\x00\x02\x08\x01", "its answer is not one message") // compressed
	f("\x00\x00\x00\x00\x03\x08\x01", "its answer is not one message")
	f("\x00\x00\x00\x00\x01\x08", "its answer is no message of this protocol")
	f("\x00\x00\x00\x00\x01\xff", "its answer is no message of this protocol")
}

// Checks are made in the dialect of requests, with the same care about who answers.
func TestAChecksDialectIsThatOfRequests(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	r := &Registry{client: checkClient(nil)}
	f := func(w Wire, text, want string) {
		t.Helper()
		d, err := w.Dialect([]string{"example.com"})
		if err != nil {
			t.Fatal(err)
		}
		c := defaultCheck()
		c.Path, c.Text = "/", text
		if err := r.ask(context.Background(), &question{&c, s.Listener.Addr().String(), d}); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: got %v, want %s", w.Protocol, err, want)
		}
	}
	f(Wire{Protocol: HTTPS, BackendTLS: BackendTLS{Insecure: true}}, "HTTP/1.1", "<nil>")
	f(Wire{Protocol: H2, BackendTLS: BackendTLS{Insecure: true}}, "HTTP/2.0", "<nil>")
	f(Wire{Protocol: HTTPS}, "", "certificate")
	f(Wire{Protocol: H2}, "", "certificate")
	f(Wire{}, "", "400")
}
