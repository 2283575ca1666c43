package http1

import (
	"bytes"
	"fmt"
	"testing"
)

// However a message is cut up on its way, the same is found in it.
func FuzzSplit(f *testing.F) {
	for _, answers := range []bool{false, true} {
		seeds(f, answers, func(h *hostile) { f.Add(h.Raw, []byte{1, 3, 0}) })
	}
	f.Fuzz(func(t *testing.T, raw, cuts []byte) {
		if a, b := splitRequest(raw, nil), splitRequest(raw, cuts); a != b {
			t.Errorf("%q: request cut at %v\ngot  %s\nwant %s", raw, cuts, b, a)
		}
		if a, b := splitResponse(raw, nil), splitResponse(raw, cuts); a != b {
			t.Errorf("%q: answer cut at %v\ngot  %s\nwant %s", raw, cuts, b, a)
		}
		if _, body, ok := bytes.Cut(raw, []byte("\r\n\r\n")); ok {
			raw = body
		}
		if a, b := splitChunks(raw, nil), splitChunks(raw, cuts); a != b {
			t.Errorf("%q: chunks cut at %v\ngot  %s\nwant %s", raw, cuts, b, a)
		}
	})
}

// growing calls do with more and more of raw, each time in other memory, until
// do says that it is done. The last call has all of it.
func growing(raw, cuts []byte, do func(soFar []byte) (done bool)) {
	end := 0
	for i := 0; len(cuts) > 0 && end < len(raw); i++ {
		if end += int(cuts[i%len(cuts)]) + 1; end < len(raw) && do(bytes.Clone(raw[:end])) {
			return
		}
	}
	do(bytes.Clone(raw))
}

func splitRequest(raw, cuts []byte) (result string) {
	var r Request
	growing(raw, cuts, func(soFar []byte) bool {
		n, err := r.Parse(soFar)
		result = fmt.Sprint(n, err)
		if n > 0 {
			result += fmt.Sprintf("%s %s %d %s %v %v %v %v %s %q", r.Method, r.Target, r.Minor, r.Host, r.Body, r.KeepAlive, r.ExpectContinue,
				r.TakesTrailers, r.Upgrade, r.AppendHead(nil))
		}
		return n > 0 || err != nil
	})
	return result
}

func splitResponse(raw, cuts []byte) (result string) {
	var r Response
	growing(raw, cuts, func(soFar []byte) bool {
		n, err := r.Parse(soFar, []byte("GET"))
		result = fmt.Sprint(n, err)
		if n > 0 {
			result += fmt.Sprintf("%d %d %s %v %v %s %q", r.Minor, r.Status, r.Reason, r.Body, r.KeepAlive, r.Upgrade, r.AppendHead(nil))
		}
		return n > 0 || err != nil
	})
	return result
}

// splitChunks reads chunks in both ways, and leaves out what depends on where
// the input ended: what was read before an error.
func splitChunks(raw, cuts []byte) (result string) {
	for _, read := range []func(*Chunked, []byte, []byte) ([]byte, int, error){relay, gather} {
		var c Chunked
		var out []byte
		var err error
		used := 0
		growing(raw, cuts, func(soFar []byte) bool {
			var n int
			out, n, err = read(&c, out, soFar[used:])
			used += n
			return err != nil || c.Done()
		})
		if c.Done() {
			result += fmt.Sprintf("%d %q %d %q", used, out, c.Received, c.Trailer().Append(nil))
		} else {
			result += fmt.Sprint(err)
		}
	}
	return result
}

func gather(c *Chunked, dst, in []byte) ([]byte, int, error) {
	data, n, err := unchunk(c, in)
	return append(dst, data...), n, err
}

// All messages of the corpus, at every place.
func TestSplitEverywhere(t *testing.T) {
	for _, h := range hostiles(t) {
		if len(h.Raw) > 1000 {
			continue
		}
		request, response := splitRequest(h.Raw, nil), splitResponse(h.Raw, nil)
		for cut := range h.Raw {
			cuts := []byte{byte(cut), 255, 255, 255}
			if cut == 0 {
				cuts = []byte{0} // every byte by itself
			}
			if got := splitRequest(h.Raw, cuts); got != request {
				t.Errorf("%s at %d: got %s, want %s", h.Name, cut, got, request)
			}
			if got := splitResponse(h.Raw, cuts); got != response {
				t.Errorf("%s at %d: got %s, want %s", h.Name, cut, got, response)
			}
		}
	}
}
