package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
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
			door := newHarness(b, openServer)
			door.serveBytes("v1", size)
			door.bench(b, size, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
		})
	}
	b.Run("sticky", func(b *testing.B) {
		door := newHarness(b, openServer)
		door.serveBytes("v1", 100)
		door.serveBytes("v2", 100)
		door.configure(func(_ *Config, s *router.Config) {
			s.Weights = map[string]int{"v1": 90, "v2": 10}
			s.Sticky.By = []string{"cookie"}
		})
		door.bench(b, 100, "GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: divvy-shop=0123456789abcdef\r\n\r\n")
	})
	b.Run("POST", func(b *testing.B) {
		door := newHarness(b, openServer)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
		})
		door.bench(b, 100, "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1000\r\n\r\n"+strings.Repeat("x", 1000))
	})
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
	c := must(net.Dial("tcp", h.addr))(t)
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
// sockets: reading both heads, deciding, and writing both heads anew.
func BenchmarkForward(b *testing.B) {
	door := newHarness(b, openServer)
	door.serveBytes("v1", 0)
	request := []byte("GET /a/b?c=d HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: test/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n\r\n")
	answer := []byte("HTTP/1.1 200 OK\r\nServer: test\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n")
	var client inlet
	client.memory = &door.proxy.memory
	b.ReportAllocs()
	for b.Loop() {
		ex := door.proxy.exchange(nil, &client, nil)
		ex.peerText, ex.proto = "192.0.2.1", "HTTP/1.1"
		if _, err := ex.req.Parse(request); err != nil {
			b.Fatal(err)
		}
		ex.body.begin(ex)
		door.proxy.identify(ex)
		if err := door.proxy.admit(ex); err != nil {
			b.Fatal(err)
		}
		door.proxy.decide(ex)
		if err := ex.compose(); err != nil {
			b.Fatal(err)
		}
		backend := ex.nextBackend()
		if _, err := ex.res.Parse(answer, ex.req.Method); err != nil {
			b.Fatal(err)
		}
		ex.answering = ex.answerHead(backend)
		backend.Release()
		door.proxy.recycle(ex)
	}
}
