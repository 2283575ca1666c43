package http1

import (
	"bytes"
	"errors"
	"testing"

	corpus "divvy/testdata/http1"
)

// hostile is one message, or several in a row, of testdata/http1.
type hostile struct{ *corpus.Message }

// hostiles reads the whole corpus.
func hostiles(tb testing.TB) (all []*hostile) {
	tb.Helper()
	for _, m := range corpus.Messages(tb) {
		all = append(all, &hostile{m})
	}
	return all
}

// receive reads raw as a connection would, and returns what is passed on of
// messages that are complete, and how it ends.
func (h *hostile) receive() (passed []byte, end string) {
	for rest := h.Raw; ; {
		n, body, more, err := 0, Body{}, true, error(nil)
		head := passed
		if h.Answer {
			var res Response
			n, err = res.Parse(rest, []byte(h.Method))
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
	if h.Answer {
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
		if h.Source == "" || seen[h.Name] {
			t.Errorf("%s: %s has no source, or a name that is used twice", h.At, h.Name)
		}
		seen[h.Name] = true
		passed, end := h.receive()
		if end != h.Expect {
			t.Errorf("%s: %s: got %q, want %q", h.At, h.Name, end, h.Expect)
		}
		if !bytes.Equal(passed, h.Passed) {
			t.Errorf("%s: %s: passed on\ngot  %q\nwant %q", h.At, h.Name, passed, h.Passed)
		}
	}
}
