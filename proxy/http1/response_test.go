package http1

import (
	"errors"
	"testing"
)

func TestResponse(t *testing.T) {
	f := func(method, head string, wantStatus int, wantBody Body, wantKeep bool) {
		t.Helper()
		var r Response
		if n, err := r.Parse([]byte(head), []byte(method)); n != len(head) || err != nil {
			t.Errorf("%q: got %d, %v", head, n, err)
		}
		if r.Status != wantStatus || r.Body != wantBody || r.KeepAlive != wantKeep {
			t.Errorf("%s %q: got %d, %v, %v", method, head, r.Status, r.Body, r.KeepAlive)
		}
	}
	const five, chunks = "Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"
	length, chunked, announced := Body{Length, 5}, Body{Framing: Chunks}, Body{Announced, 5}
	untilClose, tunnel, none := Body{Framing: UntilClose}, Body{Framing: Tunnel}, Body{}
	// RFC 9112 section 6.3
	f("GET", "HTTP/1.1 200 OK\r\n"+five, 200, length, true)
	f("GET", "HTTP/1.1 200 OK\r\n"+chunks, 200, chunked, true)
	f("GET", "HTTP/1.1 200 OK\r\n\r\n", 200, untilClose, false)
	f("HEAD", "HTTP/1.1 200 OK\r\n"+five, 200, announced, true)
	f("HEAD", "HTTP/1.1 200 OK\r\n"+chunks, 200, none, true)
	f("HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200, none, true)
	f("head", "HTTP/1.1 200 OK\r\n"+five, 200, length, true)
	f("GET", "HTTP/1.1 304 Not Modified\r\n"+five, 304, announced, true)
	f("GET", "HTTP/1.1 304 Not Modified\r\n\r\n", 304, none, true)
	f("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, none, true)
	f("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, none, true)
	f("GET", "HTTP/1.1 204 No Content\r\n"+five, 204, none, false)
	f("GET", "HTTP/1.1 204 No Content\r\n"+chunks, 204, none, false)
	f("GET", "HTTP/1.1 205 Reset Content\r\n\r\n", 205, untilClose, false)
	f("GET", "HTTP/1.1 100 Continue\r\n\r\n", 100, none, true)
	f("GET", "HTTP/1.1 103 Early Hints\r\n"+five, 103, none, false)
	f("GET", "HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, tunnel, false)
	f("CONNECT", "HTTP/1.1 200 OK\r\n"+five, 200, tunnel, false)
	f("CONNECT", "HTTP/1.1 407 Proxy Authentication Required\r\n"+five, 407, length, true)
	// RFC 9112 section 9.3
	f("GET", "HTTP/1.0 200 OK\r\n"+five, 200, length, false)
	f("GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"+five, 200, length, true)
	f("GET", "HTTP/1.1 200 OK\r\nConnection: close\r\n"+five, 200, length, false)
	f("GET", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", 200, untilClose, false)
}

func TestReason(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		var r Response
		if n, err := r.Parse([]byte(line+"\r\n\r\n"), nil); n != len(line)+4 || err != nil || string(r.Reason) != want {
			t.Errorf("%q: got %d, %v, %q", line, n, err, r.Reason)
		}
	}
	f("HTTP/1.1 200 OK", "OK")
	f("HTTP/1.1 200 Not at all", "Not at all")
	f("HTTP/1.1 200 ", "")
	f("HTTP/1.1 200", "")
	f("HTTP/1.1 200  ", " ")
}

func TestResponseUpgrade(t *testing.T) {
	var r Response
	if _, err := r.Parse([]byte("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), nil); err != nil || string(r.Upgrade) != "websocket" {
		t.Errorf("got %q, %v", r.Upgrade, err)
	}
	if r.Reset(); r.Upgrade != nil {
		t.Errorf("got %q after Reset", r.Upgrade)
	}
}

func TestResponseLimits(t *testing.T) {
	r := Response{Limits: Limits{Head: 20}}
	if _, err := r.Parse([]byte("HTTP/1.1 200 aaaaaaaaaaaaa"), nil); !errors.Is(err, ErrHeaderTooLarge) {
		t.Errorf("got %v", err)
	}
}
