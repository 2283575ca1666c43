package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"divvy/router"
)

// BenchmarkExchange measures one exchange from the first byte that a client
// sends to the last that it gets, client and origin included.
func BenchmarkExchange(b *testing.B) {
	for _, size := range []int{100, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			door := newHarness(b, openHTTP1)
			door.serveBytes("v1", size)
			door.bench(b, size, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
		})
	}
	sticky := func(judged bool) func(b *testing.B) {
		return func(b *testing.B) {
			door := newHarness(b, openHTTP1)
			door.serveBytes("v1", 100)
			door.serveBytes("v2", 100)
			door.configure(func(_ *Config, s *router.Config) {
				s.Weights = map[string]int{"v1": 90, "v2": 10}
				s.Sticky.By = []string{"cookie"}
			})
			if judged {
				door.judged(true)
			}
			door.bench(b, 100, "GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: divvy-shop=0123456789abcdef\r\n\r\n")
		}
	}
	b.Run("sticky", sticky(false))
	b.Run("judged", sticky(true))
	b.Run("POST", func(b *testing.B) {
		door := newHarness(b, openHTTP1)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
		})
		door.bench(b, 100, "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1000\r\n\r\n"+strings.Repeat("x", 1000))
	})
}

// BenchmarkWire measures one exchange by what is spoken to its backend, which is
// always a server of net/http.
func BenchmarkWire(b *testing.B) {
	for _, protocol := range wires {
		for _, size := range []int{100, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%dB", protocol, size), func(b *testing.B) {
				door := newHarness(b, openHTTP1)
				door.wire.Protocol = protocol
				body := []byte(strings.Repeat("x", size))
				door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Length", fmt.Sprint(size))
					_, _ = w.Write(body)
				})
				door.bench(b, size, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
			})
		}
	}
}

// serveBytes adds a backend whose every answer has a body of this size, and
// which costs next to nothing.
func (h *harness) serveBytes(version string, size int) {
	answer := []byte(ok(strings.Repeat("x", size)))
	h.raw(version, func(c *wire) {
		_ = c.SetDeadline(time.Time{})
		for {
			for {
				line, err := c.r.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
}

// bench sends the same request again and again over one connection.
func (h *harness) bench(b *testing.B, size int, request string) {
	h.proxy.Sink = h.meters
	exchange := h.again(b, size, request)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		exchange()
	}
}

// again returns a function that sends a request and reads the answer, whose body
// has this size, each time over the same connection.
func (h *harness) again(t testing.TB, size int, request string) func() {
	c := must(h.connect())(t)
	t.Cleanup(func() { c.Close() })
	r := bufio.NewReaderSize(c, 64<<10)
	sent := []byte(request)
	return func() {
		if _, err := c.Write(sent); err != nil {
			t.Fatal(err)
		}
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				t.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := r.Discard(size); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkForward measures what is done to a request and to its answer, without
// sockets: reading both heads, deciding, and writing both heads anew; the same
// among 1,000 services with 10,000 backends, ten of them its own; and the same
// while the weights are edited a thousand times a second.
func BenchmarkForward(b *testing.B) {
	b.Run("still", func(b *testing.B) { newHarness(b, openHTTP1).benchForward(b) })
	b.Run("crowd", func(b *testing.B) {
		door := newHarness(b, openHTTP1)
		door.crowd(1000, 10)
		door.benchForward(b)
	})
	b.Run("edited", func(b *testing.B) {
		door := newHarness(b, openHTTP1)
		edit := func(n int) {
			door.configure(func(_ *Config, s *router.Config) { s.Weights = map[string]int{"v1": 1 + n%1000, "v2": 1} })
		}
		edit(0)
		done, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-tick.C:
					edit(n)
				case <-done:
					return
				}
			}
		}()
		door.benchForward(b)
		close(done)
		<-ended
	})
}

// crowd gives the proxy n services beside its own, and each of them as many
// backends, its own too.
func (h *harness) crowd(n, each int) {
	for i := range each {
		h.add("v1", fmt.Sprintf("127.0.0.1:%d", 1+i))
	}
	found := slices.Clone(h.found)
	inputs := []router.Input{}
	for s := range n {
		name := fmt.Sprintf("service%d", s)
		for i := range each {
			e := h.found[0]
			e.Service, e.ID = name, fmt.Sprintf("c%d-%d", s, i)
			found = append(found, e)
		}
		inputs = append(inputs, router.Input{Config: router.Config{Name: name, Hosts: []string{name + ".test"}}})
	}
	h.found = found
	h.registry.Replace(found)
	for i := range inputs {
		inputs[i].Members = h.registry.Members(inputs[i].Name)
	}
	h.others = inputs
	h.publish()
}

func (h *harness) benchForward(b *testing.B) {
	h.serveBytes("v1", 0)
	request := []byte("GET /a/b?c=d HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: test/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n\r\n")
	answer := []byte("HTTP/1.1 200 OK\r\nServer: test\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n")
	var client inlet
	client.memory = &h.proxy.memory
	b.ReportAllocs()
	for b.Loop() {
		ex := h.proxy.exchange(nil, &client, nil)
		ex.peerText, ex.proto = "192.0.2.1", "HTTP/1.1"
		if _, err := ex.req.Parse(request); err != nil {
			b.Fatal(err)
		}
		ex.body.begin(ex)
		h.proxy.identify(ex)
		if err := h.proxy.admit(ex); err != nil {
			b.Fatal(err)
		}
		h.proxy.decide(ex)
		if err := ex.compose(); err != nil {
			b.Fatal(err)
		}
		backend := ex.nextBackend()
		if _, err := ex.res.Parse(answer, ex.req.Method); err != nil {
			b.Fatal(err)
		}
		ex.answering = ex.answerHead(backend)
		backend.Release()
		h.proxy.recycle(ex)
	}
}

// BenchmarkStreams measures a request over HTTP/2, client and origin included.
func BenchmarkStreams(b *testing.B) {
	door := newHarness(b, openHTTP2)
	door.proxy.Sink = door.meters
	door.serveBytes("v1", 100)
	r := door.request("GET", "/a/b?c=d", nil, "Cookie: a=b", "Accept: */*")
	b.ReportAllocs()
	for b.Loop() {
		res, err := door.transport.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}
