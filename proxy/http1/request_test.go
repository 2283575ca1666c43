package http1

import (
	"errors"
	"strings"
	"testing"
)

// requestOf parses a head that must be complete and sound.
func requestOf(t *testing.T, head string) *Request {
	t.Helper()
	r := new(Request)
	if n, err := r.Parse([]byte(head)); n != len(head) || err != nil {
		t.Fatalf("%q: got %d, %v", head, n, err)
	}
	return r
}

const usual = "GET / HTTP/1.1\r\nHost: h\r\n"

func TestRequest(t *testing.T) {
	f := func(fields string, want Request) {
		t.Helper()
		line := "POST / HTTP/1.1\r\nHost: h\r\n"
		if want.Minor == 0 {
			line = "POST / HTTP/1.0\r\n"
		}
		r := requestOf(t, line+fields+"\r\n")
		if r.Minor != want.Minor || r.Body != want.Body || r.KeepAlive != want.KeepAlive || r.ExpectContinue != want.ExpectContinue ||
			r.TakesTrailers != want.TakesTrailers || string(r.Upgrade) != string(want.Upgrade) || (r.Upgrade == nil) != (want.Upgrade == nil) {
			t.Errorf("%q: got %+v", fields, r)
		}
	}
	five := Body{Length, 5}
	f("", Request{Minor: 1, KeepAlive: true})
	f("", Request{})
	// RFC 9112 section 9.3
	f("Connection: close\r\n", Request{Minor: 1})
	f("connection: a, Close\r\n", Request{Minor: 1})
	f("Connection: keep-alive\r\nConnection: close\r\n", Request{Minor: 1})
	f("Connection: Keep-Alive\r\n", Request{KeepAlive: true})
	f("Connection: keep-alive, close\r\n", Request{})
	f("Connection: closed\r\n", Request{Minor: 1, KeepAlive: true})
	f("Connection: a b\r\n", Request{Minor: 1})
	// RFC 9112 section 6.3
	f("Content-Length: 5\r\n", Request{Minor: 1, KeepAlive: true, Body: five})
	f("Content-Length: 9223372036854775807\r\n", Request{Body: Body{Length, 1<<63 - 1}})
	f("Content-Length: 0\r\n", Request{Body: Body{Length, 0}})
	f("Transfer-Encoding: Chunked\r\n", Request{Minor: 1, KeepAlive: true, Body: Body{Framing: Chunks}})
	// RFC 9110 section 10.1.1
	f("Expect: 100-Continue\r\nContent-Length: 5\r\n", Request{Minor: 1, KeepAlive: true, Body: five, ExpectContinue: true})
	f("Expect: 100-continue\r\nContent-Length: 5\r\n", Request{Body: five})
	f("Expect: 100-continue\r\nContent-Length: 0\r\n", Request{Minor: 1, KeepAlive: true, Body: Body{Length, 0}})
	f("Expect: a\r\nContent-Length: 5\r\n", Request{Minor: 1, KeepAlive: true, Body: five})
	// RFC 9110 section 10.1.4
	f("TE: deflate\r\nTE: gzip;q=0.5, Trailers\r\n", Request{Minor: 1, KeepAlive: true, TakesTrailers: true})
	f("TE: gzip\r\n", Request{Minor: 1, KeepAlive: true})
	// RFC 9110 section 7.8
	f("Connection: keep-alive, Upgrade\r\nUpgrade: websocket, x/1\r\n", Request{Minor: 1, KeepAlive: true, Upgrade: []byte("websocket, x/1")})
	f("Connection: upgrade, keep-alive\r\nUpgrade: websocket\r\n", Request{KeepAlive: true})
	f("Upgrade: websocket\r\n", Request{Minor: 1, KeepAlive: true})
	f("Connection: upgrade\r\n", Request{Minor: 1, KeepAlive: true})
	f("Connection: upgrade\r\nUpgrade:\r\n", Request{Minor: 1, KeepAlive: true})
	f("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n", Request{Minor: 1, KeepAlive: true})
}

func TestParseTakesOneHead(t *testing.T) {
	head := "\r\nPOST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
	buf := []byte(head + "body" + usual + "\r\n")
	var r Request
	n, err := r.Parse(buf)
	if n != len(head) || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	if string(r.Method) != "POST" || string(r.Target) != "/a?b" || string(r.Host) != "h" {
		t.Errorf("got %s %s of %s", r.Method, r.Target, r.Host)
	}
	r.Reset()
	if n, err = r.Parse(buf[n+len("body"):]); n != len(usual)+2 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if string(r.Method) != "GET" || r.Body.Framing != None {
		t.Errorf("got %s, %v", r.Method, r.Body)
	}
}

func TestParseWaitsForMore(t *testing.T) {
	f := func(begin string) {
		t.Helper()
		var r Request
		if n, err := r.Parse([]byte(begin)); n != 0 || err != nil {
			t.Errorf("%q: got %d, %v", begin, n, err)
		}
	}
	for i := range usual {
		f(usual[:i])
	}
	f("\r")
	f("\r\n")
	f(usual)
	f(usual + "\r")
}

// What is wrong is refused when its line has come, not when the head has.
func TestWrongLinesAreRefusedAtOnce(t *testing.T) {
	f := func(begin string) {
		t.Helper()
		var r Request
		if n, err := r.Parse([]byte(begin)); n != 0 || !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: got %d, %v", begin, n, err)
		}
	}
	f("\x16")
	f("GET\r\n")
	f(usual + "a b: c\r\n")
}

func TestLimits(t *testing.T) {
	f := func(limits Limits, head string, want error) {
		t.Helper()
		r := Request{Limits: limits}
		n, err := r.Parse([]byte(head))
		if !errors.Is(err, want) || (want == nil) != (n == len(head)) {
			t.Errorf("%+v: got %d, %v, want %v", limits, n, err, want)
		}
	}
	long := "GET /" + strings.Repeat("a", 99) + " HTTP/1.1\r\nHost: h\r\n\r\n"
	f(Limits{Target: 100}, long, nil)
	f(Limits{Target: 99}, long, ErrTargetTooLong)
	f(Limits{Target: 10}, long, ErrTargetTooLong)
	f(Limits{Head: 50}, long, ErrTargetTooLong)
	f(Limits{Head: len(long)}, long, nil)
	f(Limits{Head: len(long) - 1}, long, ErrHeaderTooLarge)
	many := usual + strings.Repeat("A: b\r\n", 9) + "\r\n"
	f(Limits{Fields: 10}, many, nil)
	f(Limits{Fields: 9}, many, ErrHeaderTooLarge)
	f(Limits{}, usual+strings.Repeat("A: b\r\n", 127)+"\r\n", nil)
	f(Limits{}, usual+strings.Repeat("A: b\r\n", 128)+"\r\n", ErrHeaderTooLarge)
}

func TestHTTP2Preface(t *testing.T) {
	var r Request
	_, err := r.Parse([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) // RFC 9113 section 3.4
	if !errors.Is(err, ErrHTTP2Preface) || !errors.Is(err, ErrVersion) {
		t.Errorf("got %v", err)
	}
	r.Reset()
	if _, err = r.Parse([]byte("GET * HTTP/2.0\r\n\r\n")); errors.Is(err, ErrHTTP2Preface) || !errors.Is(err, ErrVersion) {
		t.Errorf("got %v", err)
	}
}

// An error is for a log: it says what is wrong, and nothing that could be taken
// for another line or for a command to a terminal.
func TestErrorsAreReadable(t *testing.T) {
	f := func(head, want string) {
		t.Helper()
		var r Request
		if _, err := r.Parse([]byte(head)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", head, err, want)
		}
	}
	f(usual+"A : b\r\n", `malformed message: whitespace in or after the name of field "A"`)
	f(usual+"A: \x1b[2J\r\n", `malformed message: control character in field "A"`)
	f(usual+"\x1b\xff: b\r\n", `malformed message: not a field name: "\x1b\xff: b"`)
	f("GET / HTTP/9.9\r\n", `HTTP version not supported: this is "HTTP/9.9"`)
	f(usual+"Transfer-Encoding: br, chunked\r\n\r\n", `transfer coding not supported: before chunked "br, chunked"`)
	f(usual+strings.Repeat("é", 30)+"\r\n", `malformed message: not a field name: "`+strings.Repeat(`\u00e9`, 20)+`"`)
	for _, h := range hostiles(t) {
		var r Request
		if _, err := r.Parse(h.Raw); err != nil && (len(err.Error()) > 300 || !all([]byte(err.Error()), text) || !isASCII(err.Error())) {
			t.Errorf("%s: %q", h.Name, err)
		}
	}
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7e }) < 0
}
