package proxy

import (
	"bytes"
	"io"
	"sync"

	"divvy/backends"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// peer is a backend that speaks HTTP/2 for itself.
type peer struct {
	*wire
	mu     sync.Mutex // guards what is written
	frames *http2.Framer
}

// framed adds a backend whose connections are peers. asked gets each request, in the
// goroutine that reads; over is called with each stream that the proxy has reset,
// if it is not nil.
func (h *harness) framed(version string, settings []http2.Setting, asked func(p *peer, stream uint32), reset func(http2.ErrCode)) string {
	h.wire.Protocol = backends.H2C
	return h.raw(version, func(c *wire) {
		p := &peer{wire: c, frames: http2.NewFramer(c.Conn, c.r)}
		if _, err := io.CopyN(io.Discard, c.r, int64(len(http2.ClientPreface))); err != nil {
			return
		}
		_ = p.frames.WriteSettings(settings...)
		for {
			f, err := p.frames.ReadFrame()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.SettingsFrame:
				if !f.IsAck() {
					p.write(func() error { return p.frames.WriteSettingsAck() })
				}
			case *http2.PingFrame:
				if !f.IsAck() {
					p.write(func() error { return p.frames.WritePing(true, f.Data) })
				}
			case *http2.HeadersFrame:
				asked(p, f.StreamID)
			case *http2.RSTStreamFrame:
				if reset != nil {
					reset(f.ErrCode)
				}
			}
		}
	})
}

// write writes frames. That they do not arrive shows at the other end.
func (p *peer) write(frames func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = frames()
}

// answer answers a request with 200 and this body.
func (p *peer) answer(stream uint32, body string) {
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	p.write(func() error {
		_ = p.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
		return p.frames.WriteData(stream, true, []byte(body))
	})
}

func (p *peer) refuse(stream uint32, code http2.ErrCode) {
	p.write(func() error { return p.frames.WriteRSTStream(stream, code) })
}

func (p *peer) goAway(last uint32) {
	p.write(func() error { return p.frames.WriteGoAway(last, http2.ErrCodeNo, nil) })
}
