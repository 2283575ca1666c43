package http1

import (
	"bytes"
	"testing"
)

// A request and an answer as they are, and a body of two chunks.
var (
	benchRequest = []byte("GET /api/v1/items?page=2&sort=price HTTP/1.1\r\n" +
		"Host: shop.example.com\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Referer: https://shop.example.com/api/v1/items?page=1\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n" +
		"Connection: keep-alive\r\n\r\n")
	benchResponse = []byte("HTTP/1.1 200 OK\r\n" +
		"Date: Sun, 23 Nov 2025 20:00:00 GMT\r\n" +
		"Content-Type: application/json; charset=utf-8\r\n" +
		"Content-Length: 512\r\n" +
		"Cache-Control: private, max-age=0, must-revalidate\r\n" +
		"ETag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\n" +
		"Vary: Accept-Encoding\r\n" +
		"Connection: keep-alive\r\n\r\n")
	benchChunks = append(AppendChunk(AppendChunk(nil, bytes.Repeat([]byte("x"), 4096)), bytes.Repeat([]byte("y"), 4096)), "0\r\n\r\n"...)
	get         = []byte("GET")
)

func BenchmarkRequest(b *testing.B) {
	var r Request
	b.SetBytes(int64(len(benchRequest)))
	for b.Loop() {
		r.Reset()
		if _, err := r.Parse(benchRequest); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResponse(b *testing.B) {
	var r Response
	b.SetBytes(int64(len(benchResponse)))
	for b.Loop() {
		r.Reset()
		if _, err := r.Parse(benchResponse, get); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	var r Request
	if _, err := r.Parse(benchRequest); err != nil {
		b.Fatal(err)
	}
	var dst []byte
	for b.Loop() {
		dst = r.AppendHead(dst[:0])
		dst = AppendField(dst, "X-Forwarded-For", "192.0.2.1")
		dst = AppendEnd(r.Body.Append(dst))
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	var r Response
	if _, err := r.Parse(benchResponse, get); err != nil {
		b.Fatal(err)
	}
	var dst []byte
	for b.Loop() {
		dst = r.AppendHead(dst[:0])
		dst = AppendEnd(r.Body.Append(dst))
	}
}

func BenchmarkGet(b *testing.B) {
	var r Request
	if _, err := r.Parse(benchRequest); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r.Get("Cookie") == nil {
			b.Fatal("not found")
		}
	}
}

func BenchmarkChunkedNext(b *testing.B) {
	var c Chunked
	b.SetBytes(int64(len(benchChunks)))
	for b.Loop() {
		c.Reset()
		for in := benchChunks; !c.Done(); {
			_, n, err := c.Next(in)
			if err != nil {
				b.Fatal(err)
			}
			in = in[n:]
		}
	}
}

func BenchmarkChunkedRaw(b *testing.B) {
	var c Chunked
	b.SetBytes(int64(len(benchChunks)))
	for b.Loop() {
		c.Reset()
		if _, n, err := c.Raw(benchChunks); n != len(benchChunks) || err != nil {
			b.Fatal(n, err)
		}
	}
}

// A message costs no allocation once the structures have been used.
func TestNothingIsAllocated(t *testing.T) {
	var (
		req      Request
		res      Response
		c        Chunked
		dst      []byte
		trailing = []byte("5;a=b\r\nhello\r\n0\r\nA: b\r\nHost: c\r\n\r\n")
		upgrade  = []byte("GET http://h HTTP/1.1\r\nHost: H:80\r\nConnection: X-A, upgrade\r\nX-A: b\r\nUpgrade: websocket\r\nTE: trailers\r\n" +
			"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
		fields, values int
	)
	f := func(what string, do func()) {
		t.Helper()
		do()
		if n := testing.AllocsPerRun(100, do); n != 0 {
			t.Errorf("%s: %v allocations, want 0", what, n)
		}
	}
	for _, head := range [][]byte{benchRequest, upgrade} {
		f("a request", func() {
			req.Reset()
			n1, err1 := req.Parse(head[:len(head)/2])
			n2, err2 := req.Parse(head)
			if n1 != 0 || n2 != len(head) || err1 != nil || err2 != nil {
				t.Fatal(n1, n2, err1, err2)
			}
			req.Omit("accept")
			dst = req.AppendHead(dst[:0])
			dst = AppendField(dst, "Via", "1.1 divvy")
			dst = AppendFieldBytes(dst, "X-Forwarded-Host", req.Host)
			dst = AppendEnd(req.Body.Append(dst))
			if req.Get("nothing") != nil || req.Count("host") != 1 || req.Path() == nil {
				t.Fatal("nothing")
			}
			for name := range req.All() {
				fields += len(name)
			}
			for value := range req.Values("host") {
				values += len(value)
			}
		})
	}
	f("an answer", func() {
		res.Reset()
		if n, err := res.Parse(benchResponse, get); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		dst = AppendEnd(res.Body.Append(res.AppendHead(dst[:0])))
	})
	for _, in := range [][]byte{benchChunks, trailing} {
		f("chunks", func() {
			c.Reset()
			var err error
			if dst, _, err = relay(&c, dst[:0], in); err != nil || !c.Done() {
				t.Fatal(err)
			}
			c.Reset()
			for rest := in; !c.Done(); {
				data, n, err := c.Next(rest)
				if err != nil {
					t.Fatal(err)
				}
				dst, rest = AppendChunk(dst[:0], data), rest[n:]
			}
			dst = AppendLastChunk(dst, c.Trailer())
		})
	}
	if fields == 0 || values == 0 {
		t.Error("nothing was iterated over")
	}
}
