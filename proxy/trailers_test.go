package proxy

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestTrailersOfAnAnswerArrive(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Announced")
			if r.URL.Path == "/flushed" {
				w.(http.Flusher).Flush()
			}
			fmt.Fprint(w, "body")
			w.Header().Set("X-Announced", "1")
			w.Header().Set(http.TrailerPrefix+"X-Not-Announced", "2")
		})
		for _, path := range []string{"/", "/flushed"} {
			a := door.get(path)
			door.is(a, 200, "body")
			want := http.Header{"X-Announced": {"1"}, "X-Not-Announced": {"2"}}
			if !reflect.DeepEqual(a.Trailer, want) {
				t.Errorf("%s: got %v, want %v", path, a.Trailer, want)
			}
		}
	})
}

func TestTrailersThatNobodyAnnouncedArrive(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			for c.head() != "" {
				c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n" +
					"Content-Length: 7\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n")
			}
		})
		for range 2 { // the connection can be used again
			a := door.get("/")
			door.is(a, 200, "hi")
			// Nor does anything arrive that could be taken for framing.
			if want := (http.Header{"X-Sum": {"1", "2"}}); !reflect.DeepEqual(a.Trailer, want) {
				t.Errorf("got %v, want %v", a.Trailer, want)
			}
		}
	})
}

func TestTrailersOfARequestArrive(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			announced := fmt.Sprint(r.Trailer)
			_, _ = io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, announced, r.Trailer)
		})
		r := door.request("POST", "/", io.MultiReader(strings.NewReader("body")))
		r.Trailer = http.Header{"X-Sum": {"1"}}
		door.is(door.do(r), 200, "map[X-Sum:[]]map[X-Sum:[1]]")
	})
}

func TestWhoTakesTrailersSaysSoToTheOrigin(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header["Te"]) })
		r := door.request("GET", "/", nil)
		r.Header.Set("Te", "trailers")
		door.is(door.do(r), 200, "[trailers]")
	})
}

func TestTrailersOfARequestThatNobodyAnnouncedArrive(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		tails := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			c.head()
			tails <- c.read(len("2\r\nhi\r\n")) + c.head()
			c.send(ok(""))
		})
		door.exchange("POST / HTTP/1.1", "Host: h", "Connection: close", "Transfer-Encoding: chunked", "",
			"2", "hi", "0", "X-Sum: 1", "Content-Length: 7", "Host: elsewhere")
		if got := receive(t, tails); got != "2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n" {
			t.Errorf("got %q", got)
		}
	})
}
