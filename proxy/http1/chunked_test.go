package http1

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// unchunk reads all data of in, and returns how many bytes were used up.
func unchunk(c *Chunked, in []byte) (data []byte, used int, err error) {
	for {
		piece, n, err := c.Next(in[used:])
		data, used = append(data, piece...), used+n
		if err != nil || n == 0 || c.Done() {
			return data, used, err
		}
	}
}

func TestChunked(t *testing.T) {
	f := func(in, wantData, wantRaw string) {
		t.Helper()
		var c Chunked
		data, used, err := unchunk(&c, []byte(in+"GET"))
		if string(data) != wantData || used != len(in) || err != nil || !c.Done() || c.Received != int64(len(wantData)) {
			t.Errorf("%q: got %q, %d, %v", in, data, used, err)
		}
		c.Reset()
		raw, used, err := relay(&c, nil, []byte(in+"GET"))
		if string(raw) != wantRaw || used != len(in) || err != nil || !c.Done() || c.Received != int64(len(wantData)) {
			t.Errorf("%q: passed on %q, %d, %v", in, raw, used, err)
		}
	}
	// RFC 9112 section 7.1
	f("0\r\n\r\n", "", "0\r\n\r\n")
	f("5\r\nhello\r\n0\r\n\r\n", "hello", "5\r\nhello\r\n0\r\n\r\n")
	f("1\r\na\r\nA\r\n0123456789\r\n1\r\n\r\r\n0\r\n\r\n", "a0123456789\r", "1\r\na\r\nA\r\n0123456789\r\n1\r\n\r\r\n0\r\n\r\n")
	f("0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello", "5\r\nhello\r\n0\r\n\r\n")
	f("1\r\na\r\n05\r\nhello\r\n050\r\n"+strings.Repeat("x", 80)+"\r\n0\r\n\r\n", "ahello"+strings.Repeat("x", 80),
		"1\r\na\r\n5\r\nhello\r\n50\r\n"+strings.Repeat("x", 80)+"\r\n0\r\n\r\n")
	// section 7.1.1
	f("05;a;b=c;d=\"\";e=\"\\\"\t;\xff\"\r\nhello\r\n1;x\r\ny\r\n0;z\r\n\r\n", "helloy", "5\r\nhello\r\n1\r\ny\r\n0\r\n\r\n")
	// section 7.1.2
	f("1\r\na\r\n0\r\nA:b\r\nC: d\r\n\r\n", "a", "1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n")
	f("0\r\nA: b\r\n\r\n", "", "0\r\nA: b\r\n\r\n")
}

// A relay of chunks that are as they should be gets all of them at once, and
// what is there is passed on though its chunk is not complete.
func TestRawTakesAllThatIsThere(t *testing.T) {
	var c Chunked
	f := func(in, want string, left int) {
		t.Helper()
		keep, n, err := c.Raw([]byte(in))
		if string(keep) != want || n != len(in)-left || err != nil {
			t.Errorf("%q: got %q, %d, %v", in, keep, n, err)
		}
	}
	f("1\r\na\r\n2\r\nbc\r\n5\r\nhe", "1\r\na\r\n2\r\nbc\r\n5\r\nhe", 0)
	f("l", "l", 0)
	f("lo\r", "lo", 1)
	f("\r\n1", "\r\n", 1)
	f("1\r\n", "1\r\n", 0)
	if c.Pending() != 1 {
		t.Errorf("%d bytes are pending", c.Pending())
	}
	c.Reset()
	f("1;x\r\na\r\n0\r\n\r\n", "1", 10)
	f("\r\na\r\n0\r\n\r\n", "\r\na\r\n0\r\n\r\n", 0)
	if !c.Done() || !c.Closed() {
		t.Error("not done")
	}
	f("more", "", 4)
	c.Reset()
	f("1\r\na\r\n0\r\n", "1\r\na\r\n", 0)
	f("\r\n", "", 0)
	if !c.Done() || c.Closed() {
		t.Error("the relay is not told to write the end")
	}
}

func TestNextGivesWhatHasCome(t *testing.T) {
	var c Chunked
	f := func(in, want string, left int, done bool) {
		t.Helper()
		data, n, err := c.Next([]byte(in))
		if string(data) != want || n != len(in)-left || err != nil || c.Done() != done {
			t.Errorf("%q: got %q, %d, %v", in, data, n, err)
		}
	}
	f("5", "", 1, false)
	f("5\r\nhe", "he", 0, false)
	f("llo\r\n1\r\na", "llo", 1, false)
	f("a\r\n0\r\n\r\nGET", "a", 3, true)
	f("GET", "", 3, true)
}

func TestSkip(t *testing.T) {
	var c Chunked
	if c.Pending() != 0 {
		t.Errorf("%d bytes are pending", c.Pending())
	}
	if _, n, err := c.Next([]byte("ffff\r\n")); n != 6 || err != nil || c.Pending() != 0xffff {
		t.Fatalf("got %d, %v, %d", n, err, c.Pending())
	}
	c.Skip(0xff)
	c.Skip(0xff00)
	if _, n, err := c.Next([]byte("\r\n0\r\n\r\n")); n != 7 || err != nil || !c.Done() || c.Received != 0xffff {
		t.Errorf("got %d, %v, %d", n, err, c.Received)
	}
	defer func() {
		if recover() == nil {
			t.Error("data was skipped that is none")
		}
	}()
	c.Skip(1)
}

func TestMalformedChunks(t *testing.T) {
	f := func(in string) {
		t.Helper()
		var c Chunked
		if _, _, err := unchunk(&c, []byte(in)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.99q: got %v", in, err)
		}
		c.Reset()
		if _, _, err := relay(&c, nil, []byte(in)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.99q: relayed, got %v", in, err)
		}
	}
	for _, size := range []string{
		"", " 5", "5 ", "\t5", "5\t", "+5", "-5", "0x5", "5h", "5_", "0_5", "5,", "5.", "g", "\xd9\xa5", "\x005", "5\x00", "5\r", "5;\r",
		"00000000000000005", "8000000000000000", "ffffffffffffffff", "10000000000000005",
		"5;", "5;;", "5;a;", "5;a=", "5;=b", `5;a="`, `5;a="b`, `5;a="b"c`, `5;a=b"c"`, `5;a="\`, "5;a=\"\\\x00\"", "5;a=\"\x7f\"", "5; a", "5 ;a", "5;a =b", "5;a= b",
		"5;a b", "5;a\x00", "5;a:b", "5;" + strings.Repeat("a", 253), strings.Repeat("0", 300),
	} {
		f(size + "\r\nhello\r\n0\r\n\r\n")
	}
	for _, in := range []string{
		"5\nhello\r\n0\r\n\r\n", "\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5\r\nhelloo\r\n0\r\n\r\n", "5\r\nhell\r\n0\r\n\r\n",
		"0\r\n\n", "0\r\n\r\r\n", "0\r\nA\r\n\r\n", "0\r\nA: b\n\r\n", "0\r\n A: b\r\n\r\n", "0\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
		strings.Repeat("1;"+strings.Repeat("a", 200)+"\r\nx\r\n", 100),
		strings.Repeat("1;"+strings.Repeat("a", 251)+"\r\nx\r\n", 65) + "0;aaaa\r\n\r\n",
	} {
		f(in)
	}
}

// An extension that is allowed leaves no room for more than MaxChunkLine says.
func TestChunkLineIsBounded(t *testing.T) {
	f := func(in string, wantN int, want error) {
		t.Helper()
		var c Chunked
		if _, n, err := c.Next([]byte(in)); n != wantN || !errors.Is(err, want) {
			t.Errorf("%d bytes: got %d, %v", len(in), n, err)
		}
	}
	fits := "1;" + strings.Repeat("a", MaxChunkLine-4)
	f(fits+"\r\n", MaxChunkLine, nil)
	f(fits+"\r", 0, nil)
	f(fits+"a\r\n", 0, ErrMalformed)
	f(fits+"aa", 0, ErrMalformed)
}

func TestChunkedSplitEverywhere(t *testing.T) {
	in := []byte("0a;x=\"y\"\r\n0123456789\r\n1\r\na\r\n3\r\nbcd\r\n00\r\nA: b\r\nC:d\r\n\r\nGET")
	end := len(in) - len("GET")
	for i := range in {
		for j := i; j < len(in); j++ {
			data, raw, used := feed(t, in, i, j)
			if string(data) != "0123456789abcd" || string(raw) != "a\r\n0123456789\r\n1\r\na\r\n3\r\nbcd\r\n0\r\nA: b\r\nC: d\r\n\r\n" || used != end {
				t.Fatalf("at %d and %d: got %q, %q, %d", i, j, data, raw, used)
			}
		}
	}
}

// feed gives in to two readers, cut at i and j.
func feed(t *testing.T, in []byte, i, j int) (data, raw []byte, used int) {
	t.Helper()
	var c, r Chunked
	var usedRaw int
	for _, end := range []int{i, j, len(in)} {
		piece, n, err := unchunk(&c, bytes.Clone(in[used:end]))
		data, used = append(data, piece...), used+n
		if err != nil {
			t.Fatal(err)
		}
		if r.Done() {
			continue
		}
		raw, n, err = relay(&r, raw, bytes.Clone(in[usedRaw:end]))
		if usedRaw += n; err != nil {
			t.Fatal(err)
		}
	}
	if used != usedRaw {
		t.Fatalf("used up %d and %d", used, usedRaw)
	}
	return data, raw, used
}
