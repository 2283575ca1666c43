package http1

import (
	"bytes"
	"math"
	"testing"
)

func TestAppendHead(t *testing.T) {
	r := requestOf(t, "GET http://h?a HTTP/1.1\r\nA: 1\r\nHost: H:80\r\nB:2\r\nConnection: C\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6 \r\nContent-Length: 07\r\nG: 8\r\n\r\n")
	r.Omit("d")
	dst := r.AppendHead([]byte("before|"))
	dst = AppendField(dst, "Via", "1.1 divvy")
	dst = AppendEnd(r.Body.Append(dst))
	want := "before|GET /?a HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nE: 5\r\nF: 6\r\nG: 8\r\nVia: 1.1 divvy\r\nContent-Length: 7\r\n\r\n"
	if string(dst) != want {
		t.Errorf("got  %q\nwant %q", dst, want)
	}
	r.Host = []byte("other")
	if got := r.AppendHead(nil); !bytes.Contains(got, []byte("\r\nHost: other\r\n")) {
		t.Errorf("got %q", got)
	}
	// RFC 9112 section 3.2: Host is sent though it did not come.
	if got := requestOf(t, "GET / HTTP/1.0\r\n\r\n").AppendHead(nil); string(got) != "GET / HTTP/1.1\r\nHost: \r\n" {
		t.Errorf("got %q", got)
	}
	var a Response
	if _, err := a.Parse([]byte("HTTP/1.0 404 No\tway\r\nHost: kept\r\nKeep-Alive: 1\r\nServer: x\r\n\r\n"), nil); err != nil {
		t.Fatal(err)
	}
	if got := a.AppendHead(nil); string(got) != "HTTP/1.1 404 No\tway\r\nHost: kept\r\nServer: x\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestAppendField(t *testing.T) {
	f := func(name, value, want string) {
		t.Helper()
		if got := AppendField([]byte("x"), name, value); string(got) != "x"+want {
			t.Errorf("%q: %q: got %q, want %q", name, value, got, want)
		}
	}
	f("A", "b", "A: b\r\n")
	f("A", "", "A: \r\n")
	f("A", " \tb c\t", "A: b c\r\n")
	f("A", "\xe4\t\u00e4", "A: \xe4\t\u00e4\r\n")
	// RFC 9110 section 5.5
	f("A", "b\r\nC: d\r\n\r\n\x00\x7f\x1b", "A: b  C: d\r\n")
	f("A", "\n b\x00 ", "A: b\r\n")
	f("A", "\r\n", "A: \r\n")
	// Nothing that a name must not contain can be replaced without making it another one.
	f("", "b", "")
	f("A b", "c", "")
	f("A:", "c", "")
	f("A\r\nB", "c", "")
	f("\u00e4", "c", "")
}

func TestAppendStartLines(t *testing.T) {
	f := func(got []byte, want string) {
		t.Helper()
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(AppendStatusLine(nil, 200, "OK"), "HTTP/1.1 200 OK\r\n")
	f(AppendStatusLine(nil, 204, ""), "HTTP/1.1 204 \r\n")
	f(AppendStatusLine(nil, 200, "O\r\nK"), "HTTP/1.1 200 O  K\r\n")
	f(AppendStatusLine(nil, 99, "?"), "HTTP/1.1 500 ?\r\n")
	f(AppendStatusLine(nil, 1000, "?"), "HTTP/1.1 500 ?\r\n")
	f(AppendRequestLine(nil, "GET", "/a?b"), "GET /a?b HTTP/1.1\r\n")
	f(AppendRequestLine(nil, "G T\r\n", "/a b\r\n#\x7f\xe4"), "G_T__ /a%20b%0D%0A%23%7F\xe4 HTTP/1.1\r\n")
	f(AppendRequestLine(nil, "", ""), "_ / HTTP/1.1\r\n")
}

func TestAppendBody(t *testing.T) {
	f := func(b Body, want string) {
		t.Helper()
		if got := b.Append(nil); string(got) != want {
			t.Errorf("%v: got %q, want %q", b, got, want)
		}
	}
	f(Body{}, "")
	f(Body{Length, 0}, "Content-Length: 0\r\n")
	f(Body{Length, math.MaxInt64}, "Content-Length: 9223372036854775807\r\n")
	f(Body{Length, -1}, "Content-Length: 0\r\n")
	f(Body{Announced, 5}, "Content-Length: 5\r\n")
	f(Body{Framing: Chunks}, "Transfer-Encoding: chunked\r\n")
	f(Body{Framing: UntilClose}, "")
	f(Body{Framing: Tunnel}, "")
	for b, want := range map[Body]bool{
		{}: true, {Announced, 5}: true, {Length, 0}: true, {Length, 1}: false, {Chunks, 0}: false, {UntilClose, 0}: false, {Tunnel, 0}: false,
	} {
		if b.Empty() != want {
			t.Errorf("%v: got %v", b, b.Empty())
		}
	}
}

func TestAppendChunks(t *testing.T) {
	f := func(got []byte, want string) {
		t.Helper()
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(AppendChunkHeader(nil, 255), "ff\r\n")
	f(AppendChunkHeader(nil, math.MaxInt64), "7fffffffffffffff\r\n")
	f(AppendChunkHeader(nil, 0), "")
	f(AppendChunkHeader(nil, -1), "")
	f(AppendChunk(nil, []byte("hello")), "5\r\nhello\r\n")
	f(AppendChunk(nil, nil), "")
	f(AppendLastChunk(nil, nil), "0\r\n\r\n")
	f(AppendLastChunk(nil, &requestOf(t, usual+"A: b\r\n\r\n").Fields), "0\r\nA: b\r\n\r\n")
}
