package proxy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"divvy/router"
)

func TestAnAnswerArrivesAsTheOriginGaveIt(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
			w.Header().Set("Content-Type", "text/x-odd")
			w.Header().Set("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, "short and stout")
		})
		a := door.get("/")
		door.is(a, http.StatusTeapot, "short and stout")
		want := http.Header{
			"Set-Cookie":     {"a=1", "b=2"},
			"Content-Type":   {"text/x-odd"},
			"Date":           {"Thu, 01 Jan 1970 00:00:00 GMT"},
			"Content-Length": {"15"},
		}
		if door.secure && door.client != nil { // who could speak HTTP/3 is told so
			want["Alt-Svc"] = []string{`h3=":` + portOf(door.addr) + `"; ma=86400`}
		}
		if !reflect.DeepEqual(a.Header, want) {
			t.Errorf("got %v, want %v", a.Header, want)
		}
	})
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

func TestARequestArrivesAsTheClientGaveIt(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s %s %q %d %s", r.Method, r.Host, r.RequestURI, r.Header["X-Two"], r.ContentLength, text(r.Body))
		})
		door.is(door.post("/a?b=c", "body", "X-Two: 1", "X-Two: 2"), 200, `POST shop.test /a?b=c ["1" "2"] 4 body`)
		// A body of unknown length stays one.
		unknown := struct{ io.Reader }{strings.NewReader("body")}
		door.is(door.do(door.request("PUT", "/", unknown)), 200, "PUT shop.test / [] -1 body")
		door.is(door.do(door.request("DELETE", "/x", nil)), 200, "DELETE shop.test /x [] 0 ")
		door.is(door.do(door.request("BREW", "/x", nil)), 200, "BREW shop.test /x [] 0 ")
	})
}

func TestNothingIsAddedThatTheClientDidNotSay(t *testing.T) {
	overTheWire(t, func(t *testing.T, door *harness) {
		heads := make(chan string, 1)
		door.raw("v1", func(c *wire) {
			heads <- c.head()
			c.send(ok(""))
		})
		door.exchange("GET / HTTP/1.1", "Host: ShOp.TeSt:8080", "Connection: close")
		head := receive(t, heads)
		for line := range strings.SplitSeq(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n") {
			name, _, _ := strings.Cut(line, ":")
			switch name {
			case "GET / HTTP/1.1", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Request-ID":
			case "Host":
				if line != "Host: ShOp.TeSt:8080" {
					t.Errorf("got %q", line)
				}
			default:
				t.Errorf("the origin got %q", line)
			}
		}
	})
}

func TestAnAnswerToHEADHasALengthAndNoBody(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/unknown" {
				return
			}
			w.Header().Set("Content-Length", "1234")
		})
		for range 2 { // the connection can be used again
			a := door.do(door.request("HEAD", "/", nil))
			door.is(a, 200, "")
			if a.ContentLength != 1234 {
				t.Errorf("length %d", a.ContentLength)
			}
		}
		door.is(door.do(door.request("HEAD", "/unknown", nil)), 200, "")
	})
}

func TestAnswersThatHaveNoBodyHaveNone(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"x"`)
			switch r.URL.Path {
			case "/204":
				w.WriteHeader(204)
			case "/304":
				w.WriteHeader(304)
			default:
				fmt.Fprint(w, "after")
			}
		})
		w := door.dial()
		w.say("GET /204 HTTP/1.1", "Host: h")
		w.say("GET /304 HTTP/1.1", "Host: h")
		w.say("GET / HTTP/1.1", "Host: h", "Connection: close")
		for _, want := range []string{"204", "304"} {
			head := w.head()
			if !strings.HasPrefix(head, "HTTP/1.1 "+want) {
				t.Fatalf("got %q, want %s", head, want)
			}
			if field(head, "Content-Length") != nil || field(head, "Transfer-Encoding") != nil || field(head, "Etag") == nil {
				t.Errorf("got %q", head)
			}
		}
		if got := w.rest(); !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.HasSuffix(got, "\r\n\r\nafter") {
			t.Errorf("got %q", got)
		}
	})
}

func TestAnEmptyAnswerIsComplete(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			for c.head() != "" {
				c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
			}
		})
		door.is(door.get("/"), 200, "")
		door.is(door.get("/"), 200, "")
	})
}

func TestTheTypeOfAnAnswerIsNotGuessed(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.raw("v1", func(c *wire) {
			for c.head() != "" {
				c.send(ok("<html><script>alert(1)</script>"))
			}
		})
		if a := door.get("/"); a.Header["Content-Type"] != nil {
			t.Errorf("got %q", a.Header["Content-Type"])
		}
	})
}

func TestAnEncodedBodyIsNotTouched(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("X-Accepted", r.Header.Get("Accept-Encoding"))
			fmt.Fprint(w, "\x1f\x8bnot really")
		})
		a := door.get("/")
		door.is(a, 200, "\x1f\x8bnot really")
		if got := a.Header.Get("Content-Encoding"); got != "gzip" {
			t.Errorf("Content-Encoding %q", got)
		}
		if got := a.Header.Get("X-Accepted"); got != "" {
			t.Errorf("the client accepts nothing, the origin was told %q", got)
		}
		if got := door.get("/", "Accept-Encoding: br").Header.Get("X-Accepted"); got != "br" {
			t.Errorf("the client accepts br, the origin was told %q", got)
		}
	})
}

func TestLargeBodiesArriveWhole(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		const size = 8 << 20
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			if r.URL.Path == "/known" {
				w.Header().Set("Content-Length", fmt.Sprint(size))
			}
			_, _ = io.Copy(w, r.Body)
		})
		sent := make([]byte, size)
		_, _ = rand.New(rand.NewSource(1)).Read(sent)
		for _, path := range []string{"/known", "/unknown"} {
			for _, body := range []io.Reader{bytes.NewReader(sent), io.MultiReader(bytes.NewReader(sent))} {
				res := door.send(door.request("POST", path, body))
				got := sha256.New()
				if n, err := io.Copy(got, res.Body); n != size || err != nil {
					t.Fatalf("%s: %d bytes came back, %v", path, n, err)
				}
				if [32]byte(got.Sum(nil)) != sha256.Sum256(sent) {
					t.Errorf("%s: other bytes came back than were sent", path)
				}
				if o := door.observed(); o.RequestBytes != size || o.ResponseBytes != size || o.Err != "" {
					t.Errorf("%s: observed %d in, %d out, %q", path, o.RequestBytes, o.ResponseBytes, o.Err)
				}
			}
		}
	})
}

func TestHTTP10IsServed(t *testing.T) {
	wireToWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush() // of unknown length
			fmt.Fprintf(w, "%s %q", r.Host, r.Header["X-Forwarded-Host"])
		})
		got := door.exchange("GET / HTTP/1.0", "Host: h")
		if !strings.HasSuffix(got, "\r\n\r\nh [\"h\"]") || strings.Contains(got, "chunked") {
			t.Errorf("got %q", got)
		}
		// Without a Host field there is none to tell of.
		if got := door.exchange("GET / HTTP/1.0"); !strings.HasSuffix(got, " []") {
			t.Errorf("got %q", got)
		}
	})
}

func TestTheCookieNamesTheUnitOnlyOnce(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			if c := r.URL.Query().Get("cache"); c != "" {
				w.Header().Set("Cache-Control", c)
			}
			w.Header().Set("Cdn-Cache-Control", "max-age=600")
			w.Header().Set("Set-Cookie", "own=1")
		})
		door.configure(func(_ *Config, s *router.Config) { s.Sticky.By = []string{"cookie"} })

		a := door.get("/?cache=public,max-age=60")
		cookies := a.Cookies()
		if len(cookies) != 2 || cookies[0].Name != "own" || cookies[1].Name != "divvy-shop" {
			t.Fatalf("got %v", cookies)
		}
		unit := cookies[1]
		if len(unit.Value) != 16 || !unit.HttpOnly || unit.SameSite != http.SameSiteLaxMode || unit.Path != "/" || unit.Secure != door.secure || unit.MaxAge <= 0 {
			t.Errorf("got %v", unit)
		}
		if got := a.Header["Cache-Control"]; !reflect.DeepEqual(got, []string{"private, max-age=60"}) {
			t.Errorf("Cache-Control %q: a shared cache might keep the cookie", got)
		}
		if got := a.Header["Cdn-Cache-Control"]; got != nil {
			t.Errorf("Cdn-Cache-Control %q: it goes before Cache-Control (RFC 9213)", got)
		}

		a = door.get("/?cache=public,max-age=60", "Cookie: divvy-shop="+unit.Value)
		if len(a.Cookies()) != 1 || a.Header.Get("Cache-Control") != "public,max-age=60" || a.Header.Get("Cdn-Cache-Control") == "" {
			t.Errorf("a known unit's answer was changed: %v", a.Header)
		}
	})
}

func TestTheAnswerNamesWhatServedIt(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		id := door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(ServedByHeader, "an impostor")
		})
		door.configure(func(c *Config, _ *router.Config) { c.ServedBy = true })
		want := fmt.Sprintf(`v1@76317631; image=%q; container=%q`, imageID("v1"), id)
		if got := door.get("/").Header[ServedByHeader]; !reflect.DeepEqual(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
