package http1

import (
	"fmt"
	"strings"
	"testing"
)

func TestFields(t *testing.T) {
	r := requestOf(t, "GET / HTTP/1.1\r\nHost: h\r\nAccept: a\r\nX:\r\naccept:\t b \t\r\nConnection: x\r\n\r\n")
	var got []string
	for name, value := range r.All() {
		got = append(got, string(name)+"="+string(value))
	}
	if want := "Host=h Accept=a X= accept=b Connection=x"; strings.Join(got, " ") != want || r.Len() != 5 {
		t.Errorf("got %d %q, want %q", r.Len(), got, want)
	}
	got = nil
	for value := range r.Values("ACCEPT") {
		got = append(got, string(value))
	}
	if fmt.Sprint(got) != "[a b]" {
		t.Errorf("got %q", got)
	}
	for range r.Values("accept") {
		break
	}
	for range r.All() {
		break
	}
	if v := r.Get("aCCEPT"); string(v) != "a" {
		t.Errorf("got %q", v)
	}
	if v := r.Get("x"); v == nil || len(v) > 0 {
		t.Errorf("a value that is empty is %v", v)
	}
	if v := r.Get("y"); v != nil {
		t.Errorf("a field that is not there is %q", v)
	}
	if a, x, y := r.Count("Accept"), r.Count("X"), r.Count("Y"); a != 2 || x != 1 || y != 0 {
		t.Errorf("got %d, %d, %d", a, x, y)
	}
	if n := r.Omit("ACCEPT"); n != 2 || r.Omit("y") != 0 {
		t.Errorf("omitted %d", n)
	}
	var left []int
	for i := range r.Len() {
		if !r.Omitted(i) {
			left = append(left, i)
		}
	}
	if left != nil {
		t.Errorf("not left out: %v", left)
	}
}

// No slice that is handed out can be used to write behind its end.
func TestSlicesAreCapped(t *testing.T) {
	r := requestOf(t, "GET /a?b HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n")
	for _, b := range [][]byte{r.Method, r.Target, r.Host, r.Path(), r.Name(1), r.Value(1), r.Get("a")} {
		if cap(b) != len(b) {
			t.Errorf("%q has room for %d", b, cap(b))
		}
	}
}

func TestEveryByteInAField(t *testing.T) {
	for b := range 256 {
		c := string([]byte{byte(b)})
		var r Request
		_, err := r.Parse([]byte(usual + "A" + c + "b: c\r\n\r\n"))
		inName := strings.Contains("!#$%&'*+-.^_`|~:", c) || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' // RFC 9110 section 5.6.2
		if (err == nil) != inName {
			t.Errorf("%q in a name: got %v", c, err)
		}
		for pad := range 20 { // eight bytes are looked at together
			r.Reset()
			_, err = r.Parse([]byte(usual + "A: " + strings.Repeat("x", pad) + c + strings.Repeat("y", 19-pad) + "\r\n\r\n"))
			inValue := b == '\t' || b >= ' ' && b != 0x7f // RFC 9110 section 5.5
			if (err == nil) != inValue {
				t.Errorf("%q at %d in a value: got %v", c, pad, err)
			}
		}
	}
}

func TestNames(t *testing.T) {
	f := func(name string, want kind) {
		t.Helper()
		for _, n := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := kindOf([]byte(n)); got != want {
				t.Errorf("%s: got %d, want %d", n, got, want)
			}
		}
		if got := kindOf([]byte("X" + name[1:])); got != ordinary {
			t.Errorf("X%s: got %d", name[1:], got)
		}
	}
	for k, names := range map[kind]string{
		host: "Host", contentLength: "Content-Length", transferEncoding: "Transfer-Encoding", connection: "Connection",
		expect: "Expect", upgrade: "Upgrade", te: "TE",
		hopByHop: "Keep-Alive Proxy-Connection Proxy-Authenticate Proxy-Authorization Trailer HTTP2-Settings",
		ordinary: "Cookie Accept User-Agent Content-Type X A",
	} {
		for _, name := range strings.Fields(names) {
			f(name, k)
		}
	}
}
