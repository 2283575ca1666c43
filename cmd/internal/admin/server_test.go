package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"divvy/backends"
)

// open runs a server on a free port until the test ends.
func open(t *testing.T, status Status) (*Server, Client) {
	t.Helper()
	s := &Server{
		Metrics: http.NotFoundHandler(), Control: &fake{now: status},
		Log: slog.New(slog.DiscardHandler),
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	move(t, s, "127.0.0.1:0")
	return s, Client{Addr: s.Addr()}
}

// fake is a program that is what a test says.
type fake struct {
	Control
	now Status
}

func (f *fake) Status() Status { return f.now }

func move(t *testing.T, s *Server, addr string) {
	t.Helper()
	commit, _, err := s.Prepare(Settings{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	commit()
}

func TestAStatusArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := Status{
		Version: "v", Started: when, Config: Config{Path: "divvy.toml", Loaded: when, Error: "no"},
		Docker: []Host{{Name: "h", Up: true, Since: when, Errors: 3, Error: "e"}},
		Services: []Service{{Name: "shop", Hosts: []string{"a"}, Paths: []string{"/"}, Sticky: []string{"ip"}, Versions: []Version{{
			Name: "v1@aaaa", Tags: []string{"v1"}, ImageID: "sha256:aaaa", Weight: 1, Share: 0.5,
			Backends: []backends.Status{{ID: "i", Name: "n", Addr: "a:1", State: backends.StateReady, Since: when}},
		}}}},
		Problems: []string{"p"},
	}
	_, client := open(t, want)
	got, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
	if err := client.Healthy(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTheListenerMovesAndCloses(t *testing.T) {
	t.Parallel()
	s, old := open(t, Status{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := l.Addr().String()
	if _, _, err := s.Prepare(Settings{Addr: taken}); err == nil || !strings.HasPrefix(err.Error(), "admin: listening on "+taken+": ") {
		t.Errorf("an address in use: got %v", err)
	}
	if err := old.Healthy(t.Context()); err != nil {
		t.Errorf("after a change that was refused: %v", err)
	}
	l.Close()
	_, discard, err := s.Prepare(Settings{Addr: taken})
	if err != nil {
		t.Fatal(err)
	}
	discard()
	move(t, s, taken) // a change that was discarded holds nothing
	if err := (Client{Addr: taken}).Healthy(t.Context()); err != nil {
		t.Error(err)
	}
	move(t, s, "")
	if s.Addr() != "" {
		t.Errorf("it listens on %s", s.Addr())
	}
	s.serving.Wait()
	for _, c := range []Client{old, {Addr: taken}} {
		if err := c.Healthy(t.Context()); err == nil || !strings.Contains(err.Error(), "is it running") {
			t.Errorf("%s still answers: %v", c.Addr, err)
		}
	}
}

func TestTheClientFindsWhatListensEverywhere(t *testing.T) {
	t.Parallel()
	s, _ := open(t, Status{})
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"", "0.0.0.0", "[::]"} {
		if err := (Client{Addr: host + ":" + port}).Healthy(t.Context()); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestTheClientSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := func(handler http.HandlerFunc, want string) {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
		go server.Serve(l)
		defer server.Close()
		_, err = Client{Addr: l.Addr().String()}.Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f(http.NotFound, "it answers 404 Not Found")
	f(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }, "invalid character '<'")
}
