package proxy

import (
	"net/http"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// What HTTP/1.1 has refused for, HTTP/2 has not rewritten: a length that cannot be
// read is no length of zero, after which an origin takes a part for the whole.
func TestWhatCouldBeReadInTwoWaysIsRefusedOnStreams(t *testing.T) {
	for _, open := range []func(*harness){openH2C, openHTTP2} {
		door := newHarness(t, open)
		var asked atomic.Int64
		door.origin("v1", func(http.ResponseWriter, *http.Request) { asked.Add(1) })
		type fields = []hpack.HeaderField
		f := func(want string, fields fields, body string) {
			t.Helper()
			c := door.frames()
			for _, field := range fields {
				_ = c.pack.WriteField(field)
			}
			_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head.Bytes(), EndStream: body == "", EndHeaders: true})
			if body != "" {
				_ = c.WriteData(1, true, []byte(body))
			}
			c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			for {
				frame, err := c.ReadFrame()
				if err != nil {
					t.Fatalf("%v: %v", fields, err)
				}
				got := ""
				switch frame := frame.(type) {
				case *http2.MetaHeadersFrame:
					got = frame.PseudoValue("status")
				case *http2.RSTStreamFrame:
					got = "400" // net/http was faster, because of the body
				default:
					continue
				}
				if got != want {
					t.Errorf("%v: got %s, want %s", fields, got, want)
				}
				return
			}
		}
		request := func(method, path string, extra ...string) (all fields) {
			all = fields{{Name: ":method", Value: method}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "shop.test"}, {Name: ":path", Value: path}}
			for i := 0; i < len(extra); i += 2 {
				all = append(all, hpack.HeaderField{Name: extra[i], Value: extra[i+1]})
			}
			return all
		}
		f("200", request("POST", "/a%20b?c=%zz", "content-length", "5", "host", "Shop.test"), "hello")
		f("200", request("OPTIONS", "*"), "")
		f("400", request("POST", "/", "content-length", "5, 5"), "hello")
		f("400", request("POST", "/", "content-length", "+5"), "hello")
		f("400", request("POST", "/", "content-length", "5", "content-length", "5"), "hello")
		f("400", request("POST", "/", "content-length", "5", "content-length", "6"), "hello")
		f("400", request("GET", "/", "host", "other.test"), "")
		f("400", request("GET", "/", "host", "shop.test", "host", "shop.test"), "")
		f("400", request("GET", "/a b"), "")
		f("400", request("GET", "/a#b"), "")
		f("400", request("GET /evil", "/"), "")
		door.nothingInFlight()
		if got := asked.Load(); got != 2 {
			t.Errorf("the origin was asked %d times, not twice", got)
		}
	}
}
