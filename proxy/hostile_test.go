package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	"divvy/router"
	corpus "divvy/testdata/http1"
)

func TestHostileMessages(t *testing.T) {
	t.Parallel()
	for _, m := range corpus.Messages(t) {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			door := newHarness(t, openHTTP1)
			door.configure(func(c *Config, _ *router.Config) { c.Timeouts.HalfClose = 0 })
			if m.Answer {
				hostileAnswer(t, door, m)
			} else {
				hostileRequest(t, door, m)
			}
		})
	}
}

// policies are well-formed requests that divvy refuses all the same.
var policies = map[string]string{"connect": "405", "expect-something": "417", "host-empty": "400"}

func hostileRequest(t *testing.T, door *harness, m *corpus.Message) {
	o := &recorder{}
	door.raw("v1", o.serve)
	status, body := strings.CutSuffix(m.Expect, " body")
	want := string(m.Passed)
	if p := policies[m.Name]; p != "" {
		status, want = p, ""
	}
	want = strings.ReplaceAll(want, "X_Forwarded_For: 2\r\n", "")   // looks like ours
	want = strings.ReplaceAll(want, "Host: \r\n", "Host: shop\r\n") // HTTP/1.0 need not have one

	w := door.dial()
	w.send(string(m.Raw))
	if m.Expect == "forward" || m.Expect == "cut" {
		w.half() // else the door has to close by itself
	}
	raw, err := io.ReadAll(w)
	if err != nil {
		t.Errorf("the connection did not end: %v", err)
	}
	var answers []string
	for _, r := range requests(want) {
		answers = append(answers, "200 "+line(r))
	}
	if status != "forward" && status != "cut" {
		answers = append(answers, status)
	}
	if got := statuses(t, string(raw)); !reflect.DeepEqual(got, answers) {
		t.Errorf("the client got %q, want %q", got, answers)
	}

	// What follows on another connection comes after all that was sent on this.
	door.is(door.get("/the-end"), 200, "GET /the-end HTTP/1.1")
	eventually(t, "broken connections are closed", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.active <= 1
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	if got := o.whole.String(); got != want {
		t.Errorf("whole messages at the origin:\ngot  %q\nwant %q", got, want)
	}
	for _, part := range o.pieces {
		if !body && m.Expect != "cut" {
			t.Errorf("part of a request reached the origin: %q", part)
		}
		if r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(part))); err == nil {
			if _, err = io.Copy(io.Discard, r.Body); err == nil {
				t.Errorf("net/http takes this for a whole request: %q", part)
			}
		}
	}
}

// statuses returns the answers in raw: "200" with the body, or only the status.
func statuses(t *testing.T, raw string) (all []string) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(raw))
	for _, end := r.Peek(1); end == nil; _, end = r.Peek(1) {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Errorf("the client got %q: %v", raw, err)
			return all
		}
		s, body := strconv.Itoa(res.StatusCode), text(res.Body)
		if s == "200" {
			s += " " + body
		}
		all = append(all, s)
	}
	return all
}

// recorder is an origin that records what it gets, and answers each whole
// request with its first line. The last one ends the record.
type recorder struct {
	mu     sync.Mutex
	whole  strings.Builder // requests, without what divvy adds
	pieces []string        // what came of others
	active int             // connections
}

func (o *recorder) serve(c *wire) {
	o.mu.Lock()
	o.active++
	o.mu.Unlock()
	all, done := lines{}, 0
	c.r = bufio.NewReader(io.TeeReader(c.Conn, &all))
	for head, body, err := c.message(); err == nil; head, body, err = c.message() {
		done = len(all.String()) - c.r.Buffered()
		if line(head) != "GET /the-end HTTP/1.1" {
			o.mu.Lock()
			o.whole.WriteString(without(head) + body)
			o.mu.Unlock()
		}
		c.send(ok(line(head)))
	}
	c.rest() // to close first would be an answer of its own
	o.mu.Lock()
	defer o.mu.Unlock()
	o.active--
	if part := all.String()[done:]; part != "" {
		o.pieces = append(o.pieces, part)
	}
}

// message reads a request as simply as can be, not by the code that is tested.
func (w *wire) message() (head, body string, err error) {
	if head = w.head(); head == "" {
		return "", "", io.ErrUnexpectedEOF
	}
	take := func(digits string, base int, more int64) {
		n, bad := strconv.ParseInt(digits, base, 64)
		var b strings.Builder
		_, short := io.CopyN(&b, w.r, n+more)
		body, err = body+b.String(), errors.Join(bad, short)
	}
	if field(head, "Transfer-Encoding") == nil {
		if l := field(head, "Content-Length"); l != nil {
			take(l[0], 10, 0)
		}
		return head, body, err
	}
	for err == nil {
		size, _ := w.r.ReadString('\n')
		if body += size; size == "0\r\n" {
			if end := w.head(); end != "" { // the trailer
				return head, body + end, nil
			}
		}
		take(strings.TrimSuffix(size, "\r\n"), 16, 2)
	}
	return head, body, err
}

func requests(raw string) (heads []string) {
	w := &wire{nil, bufio.NewReader(strings.NewReader(raw))}
	for head, _, err := w.message(); err == nil; head, _, err = w.message() {
		heads = append(heads, head)
	}
	return heads
}

func line(head string) string {
	first, _, _ := strings.Cut(head, "\r\n")
	return first
}

// added are the fields that are divvy's own.
const added = " X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto Forwarded X-Request-ID Connection Upgrade TE Trailer Via Date "

// without returns a message without these fields.
func without(message string) string {
	var b strings.Builder
	for l := range strings.SplitAfterSeq(message, "\r\n") {
		if name, _, ok := strings.Cut(l, ": "); !ok || !strings.Contains(added, " "+name+" ") {
			b.WriteString(l)
		}
	}
	return b.String()
}

func hostileAnswer(t *testing.T, door *harness, m *corpus.Message) {
	raw, want, once := string(m.Raw), string(m.Passed), m.Expect != "forward" // once: the connection is not used again
	switch m.Name {
	case "answer-with-too-many-fields": // an answer may be longer than a request
		raw = strings.Replace(raw, "A: b\r\n", strings.Repeat("A: b\r\n", 10), 1)
	case "answer-with-endless-head":
		raw += strings.Repeat("a", maxAnswerHeader)
	case "answer-100-and-200": // nobody waits for that
		want = strings.TrimPrefix(want, "HTTP/1.1 100 Continue\r\n\r\n")
	case "answer-until-close":
		want = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	case "answers-split", "answer-to-head-with-body", "answer-204-with-body", "answer-204-with-length":
		once = true
	}
	first := make(chan bool, 1)
	first <- true
	door.raw("v1", func(c *wire) {
		hostile := false
		for c.head() != "" {
			if hostile && once {
				t.Error("the connection is used again")
			}
			select {
			case hostile = <-first:
				c.send(raw)
				if m.Expect == "cut" || m.Name == "answer-until-close" {
					return
				}
			default:
				c.send(ok("next"))
			}
		}
	})
	got := door.exchange(m.Method+" / HTTP/1.1", "Host: h", "Connection: close")
	door.is(door.get("/next"), 200, "next")
	if m.Expect == "forward" {
		if got = without(got); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		return
	}
	res := must(http.ReadResponse(bufio.NewReader(strings.NewReader(got)), &http.Request{Method: m.Method}))(t)
	_, err := io.Copy(io.Discard, res.Body)
	switch {
	case m.Expect == "502" && (res.StatusCode != 502 || err != nil):
		t.Errorf("got %q, %v, want a whole 502", got, err)
	case m.Expect != "502" && err == nil:
		t.Errorf("got %q, which looks complete", got)
	}
}
