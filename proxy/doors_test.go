package proxy

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
)

// doors are the ways in. Whatever a client can see is tested through each.
var doors = []struct {
	name string
	open func(*harness)
	wire bool // it speaks HTTP/1.1, so that a test can write the bytes itself
}{
	{"http1", openServer, true},
	{"h2c", openHTTP2, false},
}

// throughEveryDoor runs a test once for each protocol.
func throughEveryDoor(t *testing.T, test func(t *testing.T, door *harness)) {
	t.Helper()
	t.Parallel()
	for _, d := range doors {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			test(t, newHarness(t, d.open))
		})
	}
}

// overTheWire runs a test once for each door that speaks HTTP/1.1.
func overTheWire(t *testing.T, test func(t *testing.T, door *harness)) {
	t.Helper()
	t.Parallel()
	for _, d := range doors {
		if d.wire {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				test(t, newHarness(t, d.open))
			})
		}
	}
}

// openServer is what runs in production.
func openServer(h *harness) {
	s := &Server{Proxy: h.proxy, Log: h.proxy.Log}
	h.server = s
	change, err := s.Prepare(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	change.Commit()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	h.addr = s.Addr().String()
	h.transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}
	h.changed = func(c Config) {
		change, err := s.Prepare(c)
		if err != nil {
			h.t.Fatal(err)
		}
		change.Commit()
	}
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := receive(h.t, ended); err != nil {
			h.t.Errorf("Run: %v", err)
		}
	})
}

// openHTTP2 is the same handler behind HTTP/2, in clear. Server does not offer
// that; it stands for what will come with TLS.
func openHTTP2(h *harness) {
	l := must(net.Listen("tcp", "127.0.0.1:0"))(h.t)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	var handlers sync.WaitGroup
	door := h.proxy.Handler()
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		door.ServeHTTP(w, r)
	})
	s := &http.Server{Handler: counted, Protocols: &protocols, DisableGeneralOptionsHandler: true}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	h.addr = l.Addr().String()
	h.transport = &http.Transport{DisableCompression: true, Protocols: &protocols}
	h.changed = func(Config) {}
	h.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), h.config.Timeouts.Shutdown)
		defer cancel()
		_ = s.Shutdown(ctx)
		s.Close()
		handlers.Wait()
		receive(h.t, ended)
	})
}
