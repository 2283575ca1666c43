package http1

import (
	"errors"
	"strings"
	"testing"
)

func TestTrailer(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		var c Chunked
		if _, used, err := unchunk(&c, []byte("0\r\n"+in+"\r\n")); used != len(in)+5 || err != nil {
			t.Errorf("%q: got %d, %v", in, used, err)
		}
		if got := string(c.Trailer().Append(nil)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	f("", "")
	f("A: b\r\n", "A: b\r\n")
	f("Grpc-Status: 0\r\nServer-Timing:a\r\nETag: b\r\nDigest: c\r\n", "Grpc-Status: 0\r\nServer-Timing: a\r\nETag: b\r\nDigest: c\r\n")
	// RFC 9110 section 6.5.1
	for _, name := range append([]string{"Content-Length", "Transfer-Encoding", "Connection", "TE", "Trailer", "Upgrade", "Keep-Alive"}, notInTrailers...) {
		f("A: b\r\n"+name+": x\r\n"+strings.ToUpper(name)+": y\r\nC: d\r\n", "A: b\r\nC: d\r\n")
	}
}

func TestTrailersAreBounded(t *testing.T) {
	f := func(limits Limits, in string, want error) {
		t.Helper()
		c := Chunked{Limits: limits}
		if _, _, err := unchunk(&c, []byte("0\r\n"+in)); !errors.Is(err, want) {
			t.Errorf("%.20q: got %v, want %v", in, err, want)
		}
	}
	f(Limits{Head: 8}, "A: b\r\n\r\n", nil)
	f(Limits{Head: 7}, "A: b\r\n\r\n", ErrHeaderTooLarge)
	f(Limits{Head: 7}, "A: bcde", ErrHeaderTooLarge)
	f(Limits{Fields: 1}, "A: b\r\n\r\n", nil)
	f(Limits{Fields: 1}, "A: b\r\nA: b\r\n\r\n", ErrHeaderTooLarge)
	f(Limits{}, "A: "+strings.Repeat("a", 70_000), ErrHeaderTooLarge)
}

// Large trailers are not remembered by a connection that is idle.
func TestMemoryForTrailersIsGivenBack(t *testing.T) {
	var c Chunked
	if _, _, err := unchunk(&c, []byte("0\r\nA: "+strings.Repeat("a", 10_000)+"\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if c.Reset(); cap(c.trailer.raw) > keepTrailer {
		t.Errorf("%d bytes are kept", cap(c.trailer.raw))
	}
}
