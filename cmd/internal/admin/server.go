// Package admin is where divvy answers its operators: metrics, health and an
// API over HTTP, on a listener of their own.
package admin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"divvy/proxy/sockets"
)

// Server serves the admin listener.
type Server struct {
	Metrics http.Handler
	Control Control
	Events  Events
	Log     *slog.Logger
	Sockets *sockets.Set // opens the listener; nil if it is never handed over

	current atomic.Pointer[terms]

	mu      sync.Mutex // guards the fields below
	addr    string
	open    net.Listener // that server serves
	server  *http.Server
	ending  chan struct{} // closed when server is to end
	serving sync.WaitGroup
}

// endingKey is the key of a server's ending in the contexts of its requests:
// what streams must end when it is closed.
type endingKey struct{}

// Settings say where the listener is, and who may use it.
type Settings struct {
	Addr   string // "" for no listener
	Access Access

	// Cert and Key are PEM files that switch TLS on, ClientCA one with the
	// authorities of clients' certificates; "" for none.
	Cert, Key, ClientCA string
}

// terms are what the next request is served by.
type terms struct {
	tls *tls.Config // nil for none
	api http.Handler
}

// Bounds of the admin listener, where requests are small and clients few.
const (
	headerLimit  = 16 << 10
	headerTime   = 5 * time.Second
	requestTime  = 30 * time.Second
	shutdownTime = 5 * time.Second
	begins       = time.Second // for the request of a connection whose listener is closed
)

// Handler returns what the listener serves.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.Metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) { s.current.Load().api.ServeHTTP(w, r) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "divvy\n\n/metrics              for Prometheus\n/healthz              whether divvy runs\n/api/v1/openapi.json  what else there is\n")
	})
	return mux
}

// api returns the handler of the API for those whom a lets in.
func (s *Server) api(a Access) http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range s.routes() {
		mux.HandleFunc(pattern, handler)
	}
	return a.protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		other := *r
		for _, other.Method = range []string{"GET", "POST", "PUT", "PATCH"} {
			if _, pattern := mux.Handler(&other); pattern != "" {
				s.send(w, http.StatusMethodNotAllowed, problem{Error: r.Method + " is not what can be done here: /api/v1/openapi.json says what can"})
				return
			}
		}
		s.send(w, http.StatusNotFound, problem{Error: "there is nothing here: /api/v1/openapi.json says what there is"})
	}), func(r *http.Request, no refusal) {
		s.Log.Warn("audit: refused", "addr", r.RemoteAddr, "method", r.Method, "path", r.URL.Path, "status", no.Status, "err", no.Problem)
	})
}

// Prepare opens the listener if it is not open yet, and reads the certificates.
// Exactly one of the functions that it returns must be called: commit makes the
// settings effective and cannot fail, discard gives back what was opened.
func (s *Server) Prepare(c Settings) (commit, discard func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &terms{api: s.api(c.Access)}
	if next.tls, err = tlsConfig(c); err != nil {
		return nil, nil, err
	}
	if c.Addr == s.addr {
		return func() { s.current.Store(next) }, func() {}, nil
	}
	if c.Addr == "" {
		return func() { s.replace("", nil) }, func() {}, nil
	}
	l, err := s.Sockets.Listen(sockets.Address{Text: c.Addr})
	if err != nil {
		return nil, nil, fmt.Errorf("admin: %w", err)
	}
	commit = func() {
		s.current.Store(next)
		s.replace(c.Addr, l)
	}
	return commit, func() { l.Close() }, nil
}

// tlsConfig reads the certificates that the settings name; nil for none.
func tlsConfig(c Settings) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("admin.cert %s and admin.key %s: %w", c.Cert, c.Key, err)
	}
	out := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.ClientCA == "" {
		return out, nil
	}
	pool, err := readPool(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("admin.client_ca: %w", err)
	}
	out.ClientCAs, out.ClientAuth = pool, tls.VerifyClientCertIfGiven
	return out, nil
}

// readPool reads the certificate authorities of a file.
func readPool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return pool, nil
}

// listener speaks TLS where that is set when a connection comes.
type listener struct {
	net.Listener
	current *atomic.Pointer[terms]
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if t := l.current.Load().tls; t != nil {
		return tls.Server(c, t), nil
	}
	return c, nil
}

// replace serves on l from now on, nil for nothing, and ends what was before.
func (s *Server) replace(addr string, l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(begins)
	s.addr, s.open = addr, l
	if l == nil {
		return
	}
	ending := make(chan struct{})
	s.ending = ending
	s.server = &http.Server{
		Addr: l.Addr().String(), Handler: s.Handler(), MaxHeaderBytes: headerLimit,
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: requestTime,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), endingKey{}, ending)
		},
	}
	s.Log.Info("admin listening", "addr", s.server.Addr)
	server := s.server
	s.serving.Go(func() {
		if err := server.Serve(listener{l, &s.current}); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.Log.Error("admin listener", "addr", addr, "err", err)
		}
	})
}

// stop ends the present server, if any. What has been accepted has this time to
// begin a request: net/http drops one that it reads while it shuts down. s.mu is
// held.
func (s *Server) stop(grace time.Duration) {
	if s.server == nil {
		return
	}
	server := s.server
	s.server = nil
	s.open.Close()
	close(s.ending)
	s.serving.Go(func() {
		if grace > 0 {
			server.SetKeepAlivesEnabled(false)
			time.Sleep(grace)
		}
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
	s.stop(0)
	s.mu.Unlock()
	s.serving.Wait()
	return nil
}
