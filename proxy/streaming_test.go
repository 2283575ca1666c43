package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"divvy/backends"
)

func TestTheHeadOfAnAnswerDoesNotWaitForItsBody(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		rest := make(chan string)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/known" {
				w.Header().Set("Content-Length", "4")
			}
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			fmt.Fprint(w, next(r, rest))
		})
		for _, path := range []string{"/known", "/unknown"} {
			res := door.send(door.request("GET", path, nil)) // returns with the head
			rest <- "body"
			if got := text(res.Body); got != "body" {
				t.Errorf("%s: got %q", path, got)
			}
		}
	})
}

// next returns the next value of ch, "" at its end or when the client is gone.
func next(r *http.Request, ch <-chan string) string {
	select {
	case v := <-ch:
		return v
	case <-r.Context().Done():
		return ""
	}
}

func TestEventsArriveAsTheyHappen(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		events := make(chan string)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			for e := next(r, events); e != ""; e = next(r, events) {
				fmt.Fprintf(w, "data: %s\n\n", e)
				w.(http.Flusher).Flush()
			}
		})
		res := door.send(door.request("GET", "/", nil))
		lines := bufio.NewScanner(res.Body)
		for _, e := range []string{"one", "two", "three"} {
			events <- e
			if lines.Scan(); lines.Text() != "data: "+e {
				t.Fatalf("got %q, want %q", lines.Text(), e)
			}
			lines.Scan()
		}
		close(events)
		if lines.Scan() || lines.Err() != nil {
			t.Errorf("got %q, %v after the end", lines.Text(), lines.Err())
		}
	})
}

func TestPartsOfAnAnswerOfKnownLengthArriveAsTheyCome(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		parts := make(chan string)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "6")
			w.(http.Flusher).Flush()
			for p := next(r, parts); p != ""; p = next(r, parts) {
				fmt.Fprint(w, p)
				w.(http.Flusher).Flush()
			}
		})
		res := door.send(door.request("GET", "/", nil))
		for _, p := range []string{"one", "two"} {
			parts <- p
			got := make([]byte, 3)
			if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != p {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		close(parts)
	})
}

func TestARequestArrivesAsItIsSent(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		got := make(chan string)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			part := make([]byte, 3)
			for {
				n, err := io.ReadFull(r.Body, part)
				if err != nil {
					return
				}
				got <- string(part[:n])
			}
		})
		for _, length := range []int64{6, -1} {
			body, send := io.Pipe()
			r := door.request("POST", "/", body)
			r.ContentLength = length
			done := make(chan *answer)
			go func() { done <- door.do(r) }()
			for _, part := range []string{"one", "two"} {
				fmt.Fprint(send, part)
				if part == "two" {
					send.Close() // some clients send the last part only then
				}
				if got := receive(t, got); got != part {
					t.Errorf("got %q, want %q", got, part)
				}
			}
			if a := receive(t, done); a.StatusCode != 200 {
				t.Errorf("got %d", a.StatusCode)
			}
		}
	})
}

func TestBothSidesMayTalkAtOnce(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			_ = control.EnableFullDuplex()
			_ = control.Flush()
			for lines := bufio.NewScanner(r.Body); lines.Scan(); _ = control.Flush() {
				fmt.Fprintln(w, "you said", lines.Text())
			}
		})
		body, say := io.Pipe()
		res := door.send(door.request("POST", "/", body))
		answers := bufio.NewScanner(res.Body)
		for i := range 5 {
			fmt.Fprintln(say, i)
			if want := fmt.Sprintf("you said %d", i); !answers.Scan() || answers.Text() != want {
				t.Fatalf("got %q, %v, want %q", answers.Text(), answers.Err(), want)
			}
		}
		say.Close()
		if answers.Scan() || answers.Err() != nil {
			t.Errorf("got %q, %v after the end", answers.Text(), answers.Err())
		}
		if o := door.observed(); o.RequestBytes != 10 || o.ResponseBytes != 55 || o.Err != "" {
			t.Errorf("observed %d in, %d out, %q", o.RequestBytes, o.ResponseBytes, o.Err)
		}
	})
}

// A backend that has heard enough says so at once. Over HTTP/1.1 the server that is
// used here would hear more first.
func TestAnAnswerDoesNotWaitForTheRestOfTheRequest(t *testing.T) {
	between(t, true, []backends.Protocol{backends.H2C, backends.H2}, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) })
		for _, framing := range []string{"Content-Length: 10000000", "Transfer-Encoding: chunked"} {
			w := door.dial()
			w.say("POST / HTTP/1.1", "Host: h", framing)
			w.send("3\r\nabc\r\n")
			res, err := w.answer("POST")
			if err != nil {
				t.Fatal(err)
			}
			if got := text(res.Body); res.StatusCode != 403 || got != "no\n" {
				t.Errorf("%s: got %d %q", framing, res.StatusCode, got)
			}
			if o := door.observed(); o.Status != 403 || o.Err != "" || o.Attempts != 1 {
				t.Errorf("%s: observed %d %q", framing, o.Status, o.Err)
			}
		}
	})
}

// Who reads slowly holds the backend back, and not all that it has to say in memory.
func TestAnAnswerIsTakenInAsItIsTaken(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		const size = 64 << 20
		var written atomic.Int64
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			for piece := make([]byte, 64<<10); written.Load() < size; written.Add(int64(len(piece))) {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		})
		res := door.send(door.request("GET", "/", nil))
		last := int64(-1)
		eventually(t, "it waits", func() bool {
			<-time.After(50 * time.Millisecond)
			now := written.Load()
			stands := now == last
			last = now
			return stands
		})
		if last > size/2 {
			t.Errorf("%d bytes were taken of which nobody has read one", last)
		}
		if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
			t.Errorf("%d bytes came, %v", n, err)
		}
	})
}

// What is left of the request must not be taken for the next one, and the
// client must not wait for the answer until it has sent what nobody wants.
func TestAnAnswerThatComesEarlyIsPassedOnEarly(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			c.head()
			c.send("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
			c.rest()
		})
		for _, framing := range []string{"Content-Length: 100", "Transfer-Encoding: chunked", "Content-Length: 10000000"} {
			w := door.dial()
			w.say("POST / HTTP/1.1", "Host: h", framing)
			w.send("3\r\nabc\r\n")
			res, err := w.answer("POST")
			if err != nil {
				t.Fatal(err)
			}
			if got := text(res.Body); res.StatusCode != 403 || got != "no" || !res.Close {
				t.Errorf("%s: got %d %q, close %t", framing, res.StatusCode, got, res.Close)
			}
			if o := door.observed(); o.Status != 403 || o.Err != "" || o.Attempts != 1 {
				t.Errorf("%s: observed %d %q", framing, o.Status, o.Err)
			}
			// The rest, which is no request, whatever it looks like.
			w.say("GET /smuggled HTTP/1.1", "Host: h")
			// A client that takes long to send it may find the connection reset:
			// it has the answer by then.
			if got := w.rest(); got != "" && !strings.Contains(got, "connection reset") {
				t.Errorf("%s: after the answer came %q", framing, got)
			}
		}
		select {
		case o := <-door.seen:
			t.Errorf("%s %s was taken for a request", o.Method, o.Target)
		default:
		}
	})
}
