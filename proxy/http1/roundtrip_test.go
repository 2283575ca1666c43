package http1

import (
	"bytes"
	"strings"
	"testing"
)

// What is written is read by us as what it was meant to be, and by net/http
// the same.
func FuzzRoundTrip(f *testing.F) {
	seeds(f, false, func(h *hostile) { f.Add(h.Raw, "X-A", "b", "GET", "/", 200, "OK") })
	seeds(f, true, func(h *hostile) { f.Add(h.Raw, "X-A", "b\r\n", "GET", "/ ", 200, "OK\n") })
	f.Fuzz(func(t *testing.T, raw []byte, name, value, method, target string, status int, reason string) {
		againRequest(t, raw, name, value)
		againResponse(t, raw)
		ownRequest(t, name, value, method, target)
		ownResponse(t, name, value, status, reason)
	})
}

// againRequest passes a request on as a proxy does.
func againRequest(t *testing.T, raw []byte, name, value string) {
	var a, b Request
	if n, err := a.Parse(raw); n == 0 || err != nil {
		return
	}
	written := a.AppendHead(nil)
	written = AppendEnd(a.Body.Append(AppendField(written, "X-"+name, value)))
	n, err := b.Parse(written)
	if n != len(written) || err != nil {
		t.Fatalf("%q was written as %q: got %d, %v", raw, written, n, err)
	}
	if !bytes.Equal(a.Method, b.Method) || !bytes.Equal(a.Host, b.Host) || a.Body != b.Body || !bytes.Equal(a.AppendTarget(nil), b.Target) {
		t.Errorf("%q was written as %q", raw, written)
	}
	for _, gone := range []string{"connection", "te", "upgrade", "keep-alive", "proxy-authorization"} {
		if !strings.EqualFold("X-"+name, gone) && b.Count(gone) > 0 {
			t.Errorf("%q was written as %q, with %s", raw, written, gone)
		}
	}
	// Written again, nothing changes.
	if again := AppendEnd(b.Body.Append(b.AppendHead(nil))); !bytes.Equal(again, written) {
		t.Errorf("%q was written as %q and then as %q", raw, written, again)
	}
	check(t, written)
}

// check compares with net/http, for a request whose body follows if it needs one.
func check(t *testing.T, head []byte) {
	t.Helper()
	ours, ok := ourRequest(head)
	theirs, too := theirRequest(head)
	if ok && too {
		agree(t, head, ours, theirs)
	}
}

func againResponse(t *testing.T, raw []byte) {
	var a, b Response
	if n, err := a.Parse(raw, get); n == 0 || err != nil {
		return
	}
	written := AppendEnd(a.Body.Append(a.AppendHead(nil)))
	n, err := b.Parse(written, get)
	if n != len(written) || err != nil {
		t.Fatalf("%q was written as %q: got %d, %v", raw, written, n, err)
	}
	if a.Status != b.Status || !bytes.Equal(a.Reason, b.Reason) || a.Body != b.Body {
		t.Errorf("%q was written as %q", raw, written)
	}
}

// framing are the fields that mean something to us; a field of our own is none.
func framing(name string) bool { return kindOf([]byte(name)) != ordinary }

// ownRequest writes a request of whatever it is given.
func ownRequest(t *testing.T, name, value, method, target string) {
	if framing(name) || len(name)+len(value)+len(method)+len(target) > 1000 {
		return
	}
	dst := AppendRequestLine(nil, method, "/"+target)
	dst = AppendField(dst, "Host", "h")
	dst = AppendField(dst, name, value)
	dst = AppendField(dst, "X-Last", "1")
	dst = AppendEnd(Body{Length, 0}.Append(dst))
	var r Request
	n, err := r.Parse(dst)
	switch {
	case err != nil && (method == "CONNECT" || strings.Contains(target, "%")):
		return // not for us to mend
	case n != len(dst) || err != nil:
		t.Fatalf("%q, %q, %q, %q: wrote %q: got %d, %v", name, value, method, target, dst, n, err)
	}
	want := 3
	if name != "" && all([]byte(name), token) {
		want = 4
	}
	if r.Len() != want || r.Get("X-Last") == nil || r.Count("Content-Length") != 1 {
		t.Errorf("%q, %q: wrote %q, read %d fields", name, value, dst, r.Len())
	}
	check(t, dst)
}

func ownResponse(t *testing.T, name, value string, status int, reason string) {
	if framing(name) {
		return
	}
	dst := AppendStatusLine(nil, status, reason)
	dst = AppendField(dst, name, value)
	dst = AppendEnd(Body{Length, 0}.Append(dst))
	var r Response
	if n, err := r.Parse(dst, get); n != len(dst) && len(dst) < 1000 || err != nil && len(dst) < 1000 {
		t.Fatalf("%d, %q, %q, %q: wrote %q: got %d, %v", status, reason, name, value, dst, n, err)
	}
}
