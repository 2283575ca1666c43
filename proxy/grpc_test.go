package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/router"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type message = wrapperspb.StringValue

// speaker is a server of gRPC with one method of each kind. What is nil is not
// served.
type speaker struct {
	one  func(ctx context.Context, in string) (string, error)
	many func(s grpc.ServerStream) error // all other kinds
}

func (s *speaker) describe() *grpc.ServiceDesc {
	d := &grpc.ServiceDesc{ServiceName: "shop.Shop", HandlerType: (*any)(nil)}
	if s.one != nil {
		d.Methods = []grpc.MethodDesc{{MethodName: "One", Handler: func(_ any, ctx context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(message)
			if err := read(in); err != nil {
				return nil, err
			}
			out, err := s.one(ctx, in.GetValue())
			return wrapperspb.String(out), err
		}}}
	}
	if s.many != nil {
		d.Streams = []grpc.StreamDesc{{StreamName: "Many", ServerStreams: true, ClientStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error { return s.many(stream) }}}
	}
	return d
}

// calls adds a backend that answers calls of gRPC, and returns its ID.
func (h *harness) calls(version string, s *speaker) string {
	l := must(net.Listen("tcp", "127.0.0.1:0"))(h.t)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	server.RegisterService(s.describe(), nil)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	h.t.Cleanup(func() { server.Stop(); receive(h.t, ended) })
	h.wire.Protocol = backends.H2C
	return h.add(version, l.Addr().String())
}

// caller returns a client of gRPC.
func (h *harness) caller() *grpc.ClientConn {
	how := insecure.NewCredentials()
	if h.secure {
		_, trusted := identity()
		how = credentials.NewTLS(&tls.Config{RootCAs: trusted, ServerName: "example.com"})
	}
	c := must(grpc.NewClient("passthrough:///"+h.addr, grpc.WithTransportCredentials(how),
		grpc.WithAuthority("example.com"), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20))))(h.t)
	h.t.Cleanup(func() { c.Close() })
	return c
}

// one makes a call with one message each way.
func one(ctx context.Context, c *grpc.ClientConn, say string, options ...grpc.CallOption) (string, error) {
	out := new(message)
	err := c.Invoke(ctx, "/shop.Shop/One", wrapperspb.String(say), out, options...)
	return out.GetValue(), err
}

// many begins a call with as many messages as both like.
func many(t *testing.T, ctx context.Context, c *grpc.ClientConn) grpc.ClientStream {
	t.Helper()
	return must(c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/shop.Shop/Many"))(t)
}

// stretch is a call as both of its ends see it.
type stretch interface {
	SendMsg(any) error
	RecvMsg(any) error
}

func hear(s stretch) (string, error) {
	m := new(message)
	err := s.RecvMsg(m)
	return m.GetValue(), err
}

func say(s stretch, text string) error { return s.SendMsg(wrapperspb.String(text)) }

// overGRPC runs a test with a door that clients of gRPC can use.
func overGRPC(t *testing.T, test func(t *testing.T, door *harness)) {
	t.Helper()
	t.Parallel()
	for _, d := range doors {
		if d.name == "h2c" || d.name == "h2" {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				test(t, newHarness(t, d.open))
			})
		}
	}
}

func TestACallWithOneMessageEachWayPasses(t *testing.T) {
	overGRPC(t, func(t *testing.T, door *harness) {
		door.calls("v1", &speaker{one: func(ctx context.Context, in string) (string, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			_ = grpc.SetHeader(ctx, metadata.Pairs("x-head", "of "+md.Get("x-asked")[0], "x-data-bin", "\x00\xff"))
			_ = grpc.SetTrailer(ctx, metadata.Pairs("x-tail", "1", "x-tail", "2"))
			return in, nil
		}})
		c := door.caller()
		for _, size := range []int{1, 4 << 20} {
			var head, tail metadata.MD
			ctx := metadata.AppendToOutgoingContext(t.Context(), "x-asked", "me")
			got, err := one(ctx, c, strings.Repeat("x", size), grpc.Header(&head), grpc.Trailer(&tail))
			if err != nil || len(got) != size {
				t.Fatalf("got %d bytes, %v", len(got), err)
			}
			if h := head.Get("x-head"); len(h) != 1 || h[0] != "of me" || head.Get("x-data-bin")[0] != "\x00\xff" {
				t.Errorf("got head %v", head)
			}
			if got := strings.Join(tail.Get("x-tail"), ","); got != "1,2" {
				t.Errorf("got trailers %q", got)
			}
			o := door.observed()
			if o.Status != 200 || o.GRPC.String() != "OK" || o.Err != "" || o.Proto != "HTTP/2.0" || o.RequestBytes < int64(size) || o.ResponseBytes < int64(size) {
				t.Errorf("observed %+v", o)
			}
		}
	})
}

func TestMessagesPassAsTheyAreSentInBothDirections(t *testing.T) {
	overGRPC(t, func(t *testing.T, door *harness) {
		door.calls("v1", &speaker{many: func(s grpc.ServerStream) error {
			for {
				in, err := hear(s)
				if err == io.EOF {
					return say(s, "bye")
				}
				if err != nil {
					return err
				}
				if err := say(s, "you said "+in); err != nil {
					return err
				}
			}
		}})
		s := many(t, t.Context(), door.caller())
		for _, text := range []string{"one", "two", strings.Repeat("x", 1<<20)} {
			if err := say(s, text); err != nil {
				t.Fatal(err)
			}
			if got, err := hear(s); got != "you said "+text {
				t.Fatalf("got %.20q, %v", got, err)
			}
		}
		_ = s.CloseSend()
		if got, err := hear(s); got != "bye" {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := hear(s); err != io.EOF {
			t.Errorf("got %v, want the end", err)
		}
		if o := door.observed(); o.GRPC.String() != "OK" || o.Err != "" {
			t.Errorf("observed %v, %q", o.GRPC, o.Err)
		}
	})
}

func TestMessagesPassInOneDirection(t *testing.T) {
	overGRPC(t, func(t *testing.T, door *harness) {
		const n = 100
		door.calls("v1", &speaker{many: func(s grpc.ServerStream) error {
			heard := 0
			for {
				if _, err := hear(s); err != nil {
					break
				}
				heard++
			}
			for range heard {
				if err := say(s, "one"); err != nil {
					return err
				}
			}
			return nil
		}})
		s := many(t, t.Context(), door.caller())
		for range n {
			if err := say(s, "one"); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.CloseSend()
		got := 0
		for {
			if _, err := hear(s); err != nil {
				break
			}
			got++
		}
		if got != n {
			t.Errorf("got %d messages, want %d", got, n)
		}
	})
}

// A client says how long it waits. Its server knows, and is not left working for
// nobody.
func TestADeadlineReachesTheBackend(t *testing.T) {
	overGRPC(t, func(t *testing.T, door *harness) {
		ended := make(chan error, 1)
		door.calls("v1", &speaker{one: func(ctx context.Context, _ string) (string, error) {
			if _, ok := ctx.Deadline(); !ok {
				ended <- errors.New("it has no deadline")
			}
			<-ctx.Done()
			ended <- ctx.Err()
			return "", ctx.Err()
		}})
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer stop()
		// Whose clock is first: the client's, the server's that answers or the
		// server's that breaks the stream.
		if _, err := one(ctx, door.caller(), "hello"); !slices.Contains([]codes.Code{codes.DeadlineExceeded, codes.Unavailable}, status.Code(err)) {
			t.Errorf("got %v", err)
		}
		if err := receive(t, ended); err == nil {
			t.Error("it ended well")
		}
		if o := door.observed(); !slices.Contains([]string{"Canceled", "DeadlineExceeded", "Unavailable"}, o.GRPC.String()) {
			t.Errorf("observed %v, %d %q", o.GRPC, o.Status, o.Err)
		}
	})
}

func TestACallThatIsCancelledEndsAtTheBackend(t *testing.T) {
	overGRPC(t, func(t *testing.T, door *harness) {
		ended := make(chan error, 1)
		id := door.calls("v1", &speaker{many: func(s grpc.ServerStream) error {
			_ = say(s, "hello")
			<-s.Context().Done()
			ended <- s.Context().Err()
			return s.Context().Err()
		}})
		ctx, cancel := context.WithCancel(t.Context())
		s := many(t, ctx, door.caller())
		if got, err := hear(s); got != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
		cancel()
		if err := receive(t, ended); err != context.Canceled {
			t.Errorf("it ended with %v", err)
		}
		if o := door.observed(); o.GRPC.String() != "Canceled" || o.Err != "the client went away" {
			t.Errorf("observed %v, %q", o.GRPC, o.Err)
		}
		eventually(t, "nothing is in flight", func() bool { return door.status(id).InFlight == 0 })
	})
}

func TestCallsAreCountedByTheirStatus(t *testing.T) {
	overGRPC(t, func(t *testing.T, door *harness) {
		door.calls("v1", &speaker{
			one: func(_ context.Context, in string) (string, error) {
				return "", status.Error(codes.Code(len(in)), "as you asked")
			},
			many: func(s grpc.ServerStream) error {
				_ = say(s, "hello") // so that the status is behind a body
				return status.Error(codes.DataLoss, "lost")
			},
		})
		c := door.caller()
		for n := 1; n <= 16; n++ {
			_, err := one(t.Context(), c, strings.Repeat("x", n))
			if s := status.Convert(err); s.Code() != codes.Code(n) || s.Message() != "as you asked" {
				t.Errorf("got %v, want %v", err, codes.Code(n))
			}
			if o := door.observed(); o.GRPC.String() != codes.Code(n).String() || o.Status != 200 || o.Err != "" {
				t.Errorf("observed %v, %d %q", o.GRPC, o.Status, o.Err)
			}
		}
		s := many(t, t.Context(), c)
		_ = s.CloseSend()
		_, _ = hear(s)
		if _, err := hear(s); status.Code(err) != codes.DataLoss {
			t.Errorf("got %v", err)
		}
		if o := door.observed(); !o.Failed() {
			t.Errorf("observed %v, which is no failure", o.GRPC)
		}
		for _, line := range []string{
			`divvy_grpc_requests_total{code="Unavailable",service="shop",version="v1@76317631"} 1`,
			`divvy_grpc_requests_total{code="DataLoss",service="shop",version="v1@76317631"} 2`,
			`divvy_grpc_requests_total{code="OK",service="shop",version="v1@76317631"} 0`,
			`divvy_requests_total{code="200",service="shop",version="v1@76317631"} 17`,
		} {
			if !strings.Contains(door.scrape(), line) {
				t.Errorf("the metrics lack %s", line)
			}
		}
	})
}

// A client of gRPC looks for a status of gRPC, whatever was wrong.
func TestACallIsRefusedInItsTerms(t *testing.T) {
	overGRPC(t, func(t *testing.T, door *harness) {
		c := door.caller()
		f := func(want codes.Code, recorded int) {
			t.Helper()
			_, err := one(t.Context(), c, "hello")
			o := door.observed()
			if s := status.Convert(err); s.Code() != want || !strings.Contains(s.Message(), o.RequestID) {
				t.Errorf("got %v, want %v", err, want)
			}
			if o.GRPC.String() != want.String() || o.Status != recorded || o.Err == "" {
				t.Errorf("observed %v, %d %q, want %d", o.GRPC, o.Status, o.Err, recorded)
			}
		}
		f(codes.Unavailable, 503) // there is no backend
		door.calls("v1", &speaker{one: func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}})
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Response = 50 * time.Millisecond })
		f(codes.DeadlineExceeded, 504)
		door.configure(func(c *Config, _ *router.Config) { c.Limits.Body = 2 })
		f(codes.ResourceExhausted, 413)
		door.configure(func(c *Config, s *router.Config) { s.Hosts = []string{"elsewhere.test"} })
		f(codes.Unimplemented, 404)
	})
}

// Streams are no requests that take too long: the time for an answer is that for
// its head.
func TestTheTimeForAnAnswerIsNotTheTimeForAStream(t *testing.T) {
	overGRPC(t, func(t *testing.T, door *harness) {
		finish := make(chan bool)
		door.calls("v1", &speaker{many: func(s grpc.ServerStream) error {
			_ = s.SendHeader(nil)
			select {
			case <-finish:
			case <-s.Context().Done():
			}
			return say(s, "late")
		}})
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Response = 50 * time.Millisecond })
		s := many(t, t.Context(), door.caller())
		_ = s.CloseSend()
		if _, err := s.Header(); err != nil {
			t.Fatal(err)
		}
		<-time.After(200 * time.Millisecond) // several times of it
		finish <- true
		if got, err := hear(s); got != "late" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestMetadataNamesTheUnitOfACall(t *testing.T) {
	overGRPC(t, func(t *testing.T, door *harness) {
		for _, v := range []string{"v1", "v2"} {
			door.calls(v, &speaker{one: func(context.Context, string) (string, error) { return v, nil }})
		}
		door.configure(func(_ *Config, s *router.Config) {
			s.Weights = map[string]int{"v1": 1, "v2": 1}
			s.Sticky.By = []string{"header:X-User"}
		})
		c := door.caller()
		got := map[string]int{}
		for _, user := range strings.Fields("ann bob cid dan eve fay gil hal ida joe") {
			ctx := metadata.AppendToOutgoingContext(t.Context(), "x-user", user)
			first, _ := one(ctx, c, "")
			got[first]++
			for range 5 {
				if again, err := one(ctx, c, ""); again != first {
					t.Errorf("%s got %s, then %s, %v", user, first, again, err)
				}
			}
		}
		if got["v1"] == 0 || got["v2"] == 0 || got["v1"]+got["v2"] != 10 {
			t.Errorf("got %v", got)
		}
	})
}

func TestABackendWhoseCallsFailIsEjected(t *testing.T) {
	overGRPC(t, func(t *testing.T, door *harness) {
		f := func(code codes.Code) *speaker {
			return &speaker{one: func(context.Context, string) (string, error) { return "", status.Error(code, "") }}
		}
		door.calls("v1", f(codes.OK))
		unknown := door.calls("v1", f(codes.Unimplemented))
		broken := door.calls("v1", f(codes.Unavailable))
		c := door.caller()
		eventually(t, "it is ejected", func() bool {
			_, _ = one(t.Context(), c, "")
			return door.status(broken).State == backends.StateEjected
		})
		if s := door.status(unknown); s.State != backends.StateReady {
			t.Errorf("what is not known there took it out: it is %s because %q", s.State, s.Reason)
		}
	})
}
