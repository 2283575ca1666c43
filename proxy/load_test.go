package proxy

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"divvy/router"
)

// Whatever happens to requests, at once and in any order, nothing is mixed up,
// counted twice or left behind. It does not run beside other tests, whose
// goroutines it would count.
func TestNothingIsLeftAfterTheLoad(t *testing.T) {
	for _, d := range doors {
		if !d.wire {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			t.Cleanup(func() { // after the harness and its origins have ended
				eventually(t, fmt.Sprintf("there are no more than %d goroutines", before), func() bool {
					return runtime.NumGoroutine() <= before
				})
			})
			load(t, newHarness(t, d.open))
		})
	}
}

// A tunnel whose both sides have ended looks closed from outside, whether its
// connections are or not. This does not run beside other tests either.
func TestATunnelThatEndedLeavesNothingOpen(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which closes what is lost
	for _, d := range doors {
		if !d.wire {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			door := newHarness(t, d.open)
			door.raw("v1", echo)
			before := openFiles()
			for range 5 {
				w := door.upgraded("")
				w.half()
				w.rest()
				w.Close()
				door.observed()
			}
			eventually(t, fmt.Sprintf("there are no more than %d open files", before), func() bool {
				return openFiles() <= before
			})
		})
	}
}

// openFiles counts connections and other open files, where the system tells.
func openFiles() int {
	files, _ := os.ReadDir("/proc/self/fd")
	return len(files)
}

func load(t *testing.T, door *harness) {
	for _, v := range []string{"v1", "v1", "v2"} {
		door.origin(v, chameleon)
	}
	door.refusing("v1")
	door.raw("v2", func(c *wire) {
		if head := c.head(); strings.HasPrefix(head, "GET /upgrade") {
			c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
			c.rest()
		}
		c.reset()
	})
	door.configure(func(c *Config, s *router.Config) {
		s.Weights = map[string]int{"v1": 3, "v2": 1}
		s.Sticky.By = []string{"cookie"}
		c.Timeouts.Response = patience / 2
	})

	const workers, rounds = 16, 25
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			random := rand.New(rand.NewSource(int64(i)))
			for j := range rounds {
				door.oneOfMany(random, fmt.Sprintf("%d.%d", i, j))
			}
		})
	}
	reload := make(chan bool)
	wg.Go(func() {
		for range 50 {
			<-reload
			door.publish()
		}
	})
	for range 50 {
		reload <- true
		door.get("/echo?x=reload")
	}
	wg.Wait()
	door.transport.CloseIdleConnections()
	door.stop()

	seen := map[int]int{}
	for range workers*rounds + 50 {
		o := door.observed()
		seen[o.Status]++
		if failed := o.Status >= 499; failed != (o.Err != "") && o.Status != 200 && !o.Upgraded {
			t.Errorf("%s: observed %d, %q", o.Target, o.Status, o.Err)
		}
	}
	t.Log(seen)
	select {
	case o := <-door.seen:
		t.Errorf("observed once too often: %+v", o)
	default:
	}
}

// chameleon is a backend that does as it is told.
func chameleon(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		_ = http.NewResponseController(w).EnableFullDuplex()
		fmt.Fprintf(w, "%s:", r.URL.Query().Get("x"))
		_, _ = io.Copy(w, r.Body)
	case "/cut":
		fmt.Fprint(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	case "/early":
		_ = http.NewResponseController(w).EnableFullDuplex() // or it waits for the body first
		w.WriteHeader(403)
	case "/silent":
		<-r.Context().Done()
	}
}

// oneOfMany does one of the things that clients do.
func (h *harness) oneOfMany(random *rand.Rand, name string) {
	switch body := bytes.Repeat([]byte(name), random.Intn(20_000)); random.Intn(8) {
	default: // an ordinary request must get its own answer, if it gets one
		r := h.request("POST", "/echo?x="+name, bytes.NewReader(body))
		res, err := h.transport.RoundTrip(r)
		if err != nil {
			h.t.Error(err)
			return
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if res.StatusCode == 200 && (err != nil || string(got) != name+":"+string(body)) {
			h.t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
	case 0:
		if res, err := h.transport.RoundTrip(h.request("GET", "/cut", nil)); err == nil {
			if _, err := io.ReadAll(res.Body); err == nil && res.StatusCode == 200 {
				h.t.Errorf("%s: a cut answer looks complete", name)
			}
			res.Body.Close()
		}
	case 1:
		w := newWire(must(h.connect())(h.t))
		w.say("POST /early HTTP/1.1", "Host: h", "Content-Length: 100000")
		w.send(string(body))
		w.head()
		w.Close()
	case 2:
		w := newWire(must(h.connect())(h.t))
		w.say("GET /silent HTTP/1.1", "Host: h")
		w.Close()
	case 3:
		w := newWire(must(h.connect())(h.t))
		w.say("GET /upgrade HTTP/1.1", "Host: h", "Connection: Upgrade", "Upgrade: echo")
		w.head()
		w.reset()
	}
}
