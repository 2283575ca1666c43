package proxy

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"divvy/router"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framer is a client of HTTP/2 that writes its own frames.
type framer struct {
	*http2.Framer
	conn net.Conn
	head bytes.Buffer
	pack *hpack.Encoder
}

// frames opens a connection that speaks HTTP/2.
func (h *harness) frames() *framer {
	h.t.Helper()
	c := must(h.connect(func(c *net.TCPConn) { _ = c.SetReadBuffer(16 << 10) }))(h.t)
	h.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, http2.ClientPreface)
	f := &framer{Framer: http2.NewFramer(c, c), conn: c}
	f.pack = hpack.NewEncoder(&f.head)
	_ = f.WriteSettings()
	return f
}

// ask opens a stream with a request, of whose head more follows if it is not whole.
func (f *framer) ask(id uint32, whole bool, extra ...hpack.HeaderField) error {
	f.head.Reset()
	for _, field := range append([]hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "shop.test"}, {Name: ":path", Value: "/"},
	}, extra...) {
		_ = f.pack.WriteField(field)
	}
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.head.Bytes(), EndStream: true, EndHeaders: whole})
}

// end reads frames until the connection ends, and returns what it ended with.
func (f *framer) end() error {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return err
		}
		if away, ok := frame.(*http2.GoAwayFrame); ok && away.ErrCode != http2.ErrCodeNo {
			return http2.ConnectionError(away.ErrCode)
		}
	}
}

// overFrames runs a test once for each door that speaks HTTP/2.
func overFrames(t *testing.T, test func(t *testing.T, door *harness)) {
	overStreams(t, func(t *testing.T, door *harness) {
		if door.client != nil {
			test(t, door)
		}
	})
}

// A client that opens streams and resets them at once keeps no more backends busy
// than one that waits (CVE-2023-44487).
func TestStreamsThatAreResetAtOnceAreBounded(t *testing.T) {
	overFrames(t, func(t *testing.T, door *harness) {
		var now, most, all atomic.Int64
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" && r.Header.Get("X-Flood") != "" {
				all.Add(1)
				n := now.Add(1)
				defer now.Add(-1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				<-r.Context().Done()
			}
		})
		door.unobserved()
		f := door.frames()
		go func() { _ = f.end() }()
		const n = 10_000
		for i := range uint32(n) {
			if f.ask(2*i+1, true, hpack.HeaderField{Name: "x-flood", Value: "1"}) != nil || f.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
				break // it was told to be calm
			}
		}
		if got := most.Load(); got > maxStreams {
			t.Errorf("%d requests were at backends at a time, more than %d", got, maxStreams)
		}
		t.Logf("%d of %d requests reached a backend, %d at a time", all.Load(), n, most.Load())
		f.conn.Close()
		eventually(t, "they have ended", func() bool { return now.Load() == 0 })
		door.is(door.get("/"), 200, "")
	})
}

func TestMoreStreamsThanAllowedAreRefused(t *testing.T) {
	overFrames(t, func(t *testing.T, door *harness) {
		backend := newUnanswered()
		backend.got = make(chan bool, 2*maxStreams)
		backend.cancelled = make(chan bool, 2*maxStreams)
		door.origin("v1", backend.serve)
		f := door.frames()
		for i := range uint32(maxStreams + 10) {
			_ = f.ask(2*i+1, true)
		}
		refused := 0
		for refused < 10 {
			frame, err := f.ReadFrame()
			if err != nil {
				t.Fatalf("after %d: %v", refused, err)
			}
			if reset, ok := frame.(*http2.RSTStreamFrame); ok && (reset.ErrCode == http2.ErrCodeRefusedStream || reset.ErrCode == http2.ErrCodeProtocol) {
				refused++
			}
		}
		f.conn.Close()
	})
}

// A head in ever more pieces is given up (CVE-2023-45288), and so is one whose
// fields are larger than limits.header.
func TestAHeadWithoutEndIsGivenUp(t *testing.T) {
	overFrames(t, func(t *testing.T, door *harness) {
		f := door.frames()
		_ = f.ask(1, false)
		go func() {
			for {
				f.head.Reset()
				_ = f.pack.WriteField(hpack.HeaderField{Name: "x-more", Value: strings.Repeat("x", 8<<10), Sensitive: true})
				if f.WriteContinuation(1, false, f.head.Bytes()) != nil {
					return
				}
			}
		}()
		if err := f.end(); isTimeout(err) {
			t.Errorf("it was listened to: %v", err)
		}
	})
}

// What is owed to a client that reads nothing is bounded by net/http (CVE-2019-9512,
// CVE-2019-9515), once all buffers of the system are full.
func TestAFloodOfControlFramesHarmsNobody(t *testing.T) {
	overFrames(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(http.ResponseWriter, *http.Request) {})
		pings := door.frames() // and nothing of what comes back is read
		ping := append([]byte{0, 0, 8, byte(http2.FramePing), 0, 0, 0, 0, 0}, "12345678"...)
		many := bytes.Repeat(ping, 1000)
		_ = pings.conn.SetDeadline(time.Now().Add(2 * time.Second))
		var err error
		for range 500 {
			if _, err = pings.conn.Write(many); err != nil {
				break
			}
		}
		door.is(door.get("/"), 200, "")
		settings := door.frames() // for all of which one answer is owed
		for range 5000 {
			if err := settings.WriteSettings(); err != nil {
				t.Fatal(err)
			}
		}
		_ = settings.ask(1, true)
		for answered := false; !answered; {
			frame, err := settings.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			_, answered = frame.(*http2.HeadersFrame)
		}
	})
}

// A connection on which nothing is asked is told to leave when the server stops,
// and one with a request once that is answered.
func TestStreamsAreFinishedWhenTheServerStops(t *testing.T) {
	overStreams(t, func(t *testing.T, door *harness) {
		got, finish := door.slow()
		door.is(door.get("/"), 200, "")
		answered := make(chan *answer)
		go func() { answered <- door.get("/slow") }()
		receive(t, got)
		stopped := door.stopping()
		door.waits(stopped)
		finish <- "in the end"
		door.is(receive(t, answered), 200, "in the end")
		receive(t, stopped)
	})
}

func TestStreamsThatDoNotFinishAreCutOff(t *testing.T) {
	overStreams(t, func(t *testing.T, door *harness) {
		backend := newUnanswered()
		door.origin("v1", backend.serve)
		door.configure(func(c *Config, _ *router.Config) { c.Timeouts.Shutdown = 100 * time.Millisecond })
		failed := make(chan error)
		go func() {
			_, err := door.transport.RoundTrip(door.request("GET", "/", nil))
			failed <- err
		}()
		receive(t, backend.got)
		door.stop()
		if err := receive(t, failed); err == nil {
			t.Error("there was an answer")
		}
		receive(t, backend.cancelled)
		if o := door.observed(); o.Status != 499 {
			t.Errorf("observed %d", o.Status)
		}
	})
}
