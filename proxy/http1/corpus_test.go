package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// hostile is one message, or several in a row, of testdata/http1, whose README
// explains the format.
type hostile struct {
	at     string // file and line
	name   string
	source string
	answer bool   // else a request
	method string // that an answer answers
	expect string
	raw    []byte
	passed []byte // what is passed on
}

// hostiles reads the whole corpus.
func hostiles(tb testing.TB) (all []*hostile) {
	tb.Helper()
	files, err := filepath.Glob("../../testdata/http1/*.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		var h *hostile
		lines := bufio.NewScanner(bytes.NewReader(text))
		for n := 1; lines.Scan(); n++ {
			at := fmt.Sprintf("%s:%d", filepath.Base(file), n)
			if name, ok := strings.CutPrefix(lines.Text(), "== "); ok {
				h = &hostile{at: at, name: name, method: "GET"}
				all = append(all, h)
			} else if err := h.line(lines.Text()); err != nil {
				tb.Fatalf("%s: %v", at, err)
			}
		}
	}
	return all
}

func (h *hostile) line(line string) error {
	key, text, _ := strings.Cut(line, " ")
	switch key {
	case "", "#", "note:":
	case "source:":
		h.source = text
	case "from:":
		h.answer = text == "origin"
	case "to:":
		h.method = text
	case "expect:":
		h.expect = text
	case "|", ">", "*":
		times := 1
		if key == "*" {
			var count string
			var err error
			count, text, _ = strings.Cut(text, " ")
			if times, err = strconv.Atoi(count); err != nil {
				return err
			}
		}
		b, err := unescape(text)
		if err != nil {
			return err
		}
		into := &h.raw
		if key == ">" {
			into = &h.passed
		}
		*into = append(*into, bytes.Repeat(b, times)...)
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

func unescape(s string) (b []byte, err error) {
	for s != "" {
		r, multi, rest, err := strconv.UnquoteChar(s, 0)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		if s = rest; multi {
			b = append(b, string(r)...)
		} else {
			b = append(b, byte(r))
		}
	}
	return b, nil
}

// receive reads raw as a connection would, and returns what is passed on of
// messages that are complete, and how it ends.
func (h *hostile) receive() (passed []byte, end string) {
	for rest := h.raw; ; {
		n, body, more, err := 0, Body{}, true, error(nil)
		head := passed
		if h.answer {
			var res Response
			n, err = res.Parse(rest, []byte(h.method))
			if n > 0 {
				body, more = res.Body, res.Status < 200
				head = body.Append(res.AppendHead(passed))
			}
		} else {
			var req Request
			n, err = req.Parse(rest)
			if n > 0 {
				body, more = req.Body, req.KeepAlive
				head = body.Append(req.AppendHead(passed))
			}
		}
		switch {
		case err != nil:
			return passed, h.status(err)
		case n == 0:
			return passed, "cut"
		}
		whole, n, err := appendBody(AppendEnd(head), rest[n:], n, body)
		switch {
		case err != nil:
			return passed, h.status(err) + " body"
		case n > len(rest):
			return passed, "cut"
		case !more || n == len(rest):
			return whole, "forward"
		}
		passed, rest = whole, rest[n:]
	}
}

// appendBody passes on the body that in begins with, and returns n and its
// length: more than there is if it is cut short.
func appendBody(dst, in []byte, n int, body Body) ([]byte, int, error) {
	switch body.Framing {
	case Length:
		return append(dst, in[:min(int(body.Length), len(in))]...), n + int(body.Length), nil
	case UntilClose:
		return append(dst, in...), n + len(in), nil
	case Chunks:
		var c Chunked
		dst, used, err := relay(&c, dst, in)
		if !c.Done() {
			used = len(in) + 1
		}
		return dst, n + used, err
	}
	return dst, n, nil
}

// relay passes on chunks as they came.
func relay(c *Chunked, dst, in []byte) ([]byte, int, error) {
	used := 0
	for {
		keep, n, err := c.Raw(in[used:])
		dst, used = append(dst, keep...), used+n
		switch {
		case err != nil:
			return dst, used, err
		case c.Done() && !c.Closed():
			return AppendLastChunk(dst, c.Trailer()), used, nil
		case c.Done() || n == 0:
			return dst, used, nil
		}
	}
}

func (h *hostile) status(err error) string {
	if h.answer {
		return "502"
	}
	return requestStatus(err)
}

func requestStatus(err error) string {
	for _, known := range []struct {
		class  error
		status string
	}{
		{ErrMalformed, "400"}, {ErrTargetTooLong, "414"}, {ErrHeaderTooLarge, "431"}, {ErrUnsupportedCoding, "501"}, {ErrVersion, "505"},
	} {
		if errors.Is(err, known.class) {
			return known.status
		}
	}
	return "an error of no class"
}

func TestHostileMessages(t *testing.T) {
	all := hostiles(t)
	if len(all) < 150 {
		t.Fatalf("only %d messages were found", len(all))
	}
	seen := map[string]bool{}
	for _, h := range all {
		if h.source == "" || seen[h.name] {
			t.Errorf("%s: %s has no source, or a name that is used twice", h.at, h.name)
		}
		seen[h.name] = true
		passed, end := h.receive()
		if end != h.expect {
			t.Errorf("%s: %s: got %q, want %q", h.at, h.name, end, h.expect)
		}
		if !bytes.Equal(passed, h.passed) {
			t.Errorf("%s: %s: passed on\ngot  %q\nwant %q", h.at, h.name, passed, h.passed)
		}
	}
}
