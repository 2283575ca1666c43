package http1

import "testing"

func TestSplitHost(t *testing.T) {
	good := func(in, host, port string) {
		t.Helper()
		if h, p, ok := splitHost([]byte(in)); !ok || string(h) != host || string(p) != port {
			t.Errorf("%q: got %q, %q, %v", in, h, p, ok)
		}
	}
	bad := func(in string) {
		t.Helper()
		if h, p, ok := splitHost([]byte(in)); ok {
			t.Errorf("%q: got %q, %q", in, h, p)
		}
	}
	// RFC 3986 section 3.2
	good("", "", "")
	good("h", "h", "")
	good("h:", "h", "")
	good("h:0", "h", "0")
	good("h:65535", "h", "65535")
	good("A-b_c.d~.:08080", "A-b_c.d~.", "08080")
	good("192.0.2.1:80", "192.0.2.1", "80")
	good("[::]", "[::]", "")
	good("[::ffff:192.0.2.1]:80", "[::ffff:192.0.2.1]", "80")
	for _, in := range []string{
		":", ":80", "h:x", "h:+1", "h:65536", "h:000080", "h:80:80", "h: 80", "h h", "h,h", "u@h", "u:p@h", "h/", "h?", "h#", "h%41", "h;", "h\\",
		"[", "[]", "[:]", "[::", "::1", "[::1]h", "[::1]h:80", "[g::]", "[v1.a]", "[fe80::1%25a]", "h]", "\xe4", "h\x00", "h\t",
	} {
		bad(in)
	}
}

// Two ways to name a host must agree, or each of two recipients may believe
// another one (RFC 9112 section 3.2.2).
func TestTargetAndHostAgree(t *testing.T) {
	f := func(target, host, want string) {
		t.Helper()
		method := "GET"
		if target[0] != 'h' {
			method, target = "CONNECT", target[1:]
		}
		var r Request
		_, err := r.Parse([]byte(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"))
		if (err == nil) != (want != "") || string(r.Host) != want {
			t.Errorf("%s of %s: got %q, %v", target, host, r.Host, err)
		}
	}
	f("http://a/", "a", "a")
	f("http://A/", "a", "A")
	f("http://a:80/", "a", "a:80")
	f("http://a/", "a:80", "a")
	f("http://a:/", "a:80", "a:")
	f("https://a:443/", "a", "a:443")
	f("http://[::A]:1/", "[::a]:1", "[::A]:1")
	f("!a:80", "A:80", "a:80")
	f("http://a/", "b", "")
	f("http://a/", "", "")
	f("http://a:443/", "a", "")
	f("https://a:80/", "a", "")
	f("http://a:080/", "a:80", "")
	f("http://a./", "a", "")
	f("!a:80", "a", "")
	f("!a:443", "a:80", "")
}
