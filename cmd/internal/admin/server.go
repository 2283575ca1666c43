// Package admin is where divvy answers its operators: metrics, health and
// status over HTTP, on a listener of their own.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server serves the admin listener.
type Server struct {
	Metrics http.Handler
	Status  func() Status
	Log     *slog.Logger

	mu      sync.Mutex // guards the fields below
	addr    string
	server  *http.Server
	serving sync.WaitGroup
}

// Bounds of the admin listener, where requests are small and clients few.
const (
	headerLimit  = 16 << 10
	headerTime   = 5 * time.Second
	requestTime  = 30 * time.Second
	shutdownTime = 5 * time.Second
)

// Handler returns what the listener serves.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.Metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(s.Status()); err != nil {
			s.Log.Debug("writing the status", "err", err)
		}
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "divvy\n\n/metrics        for Prometheus\n/api/v1/status  services, versions, backends\n/healthz        whether divvy runs\n")
	})
	return mux
}

// Prepare opens addr if it is not open yet; "" stands for no listener. Exactly
// one of the functions that it returns must be called: commit makes the change
// effective and cannot fail, discard gives back what was opened.
func (s *Server) Prepare(addr string) (commit, discard func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if addr == s.addr {
		return func() {}, func() {}, nil
	}
	if addr == "" {
		return func() { s.replace(addr, nil) }, func() {}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("admin listener %s: %w", addr, err)
	}
	return func() { s.replace(addr, l) }, func() { l.Close() }, nil
}

// replace serves on l from now on, nil for nothing, and ends what was before.
func (s *Server) replace(addr string, l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.addr = addr
	if l == nil {
		return
	}
	s.server = &http.Server{
		Addr: l.Addr().String(), Handler: s.Handler(), MaxHeaderBytes: headerLimit,
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: requestTime,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	s.Log.Info("admin listening", "addr", s.server.Addr)
	server := s.server
	s.serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.Log.Error("admin listener", "addr", addr, "err", err)
		}
	})
}

// stop ends the present server, if any. s.mu is held.
func (s *Server) stop() {
	if s.server == nil {
		return
	}
	server := s.server
	s.server = nil
	s.serving.Go(func() {
		ctx, stop := context.WithTimeout(context.Background(), shutdownTime)
		defer stop()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	})
}

// Addr returns the address that is listened on, "" for none.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return ""
	}
	return s.server.Addr
}

// Run returns after ctx has ended and the listener is closed.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.serving.Wait()
	return nil
}
