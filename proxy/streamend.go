package proxy

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"divvy/proxy/http1"
)

// Over HTTP/2 and HTTP/3 a WebSocket has a stream of its own, which a client opens
// by a CONNECT that names the protocol (RFC 8441, RFC 9220). To the origin it is an
// ordinary upgrade, so that whatever is done to one is done to it.

// Names of what belongs to WebSockets (RFC 6455), as net/http has them.
const (
	webSocket       = "websocket"
	webSocketKey    = "Sec-Websocket-Key"
	webSocketAccept = "Sec-Websocket-Accept"
)

var (
	errProtocol  = errors.New("the protocol that the stream is to carry is not known: only websocket is")
	errNoTunnel  = errors.New("this version of HTTP cannot switch protocols")
	errWebSocket = errors.New("the backend's answer does not belong to the handshake of the WebSocket")
)

// connectProtocol returns what a request wants to speak on its stream, "" for HTTP.
func connectProtocol(r *http.Request) string {
	switch {
	case r.Method != http.MethodConnect:
		return ""
	case r.ProtoMajor == 3 && r.Proto != "HTTP/3.0":
		return r.Proto
	default:
		return r.Header.Get(":protocol")
	}
}

func newWebSocketKey() string {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // which does not fail
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// acceptOf returns what a server answers to a key (RFC 6455 section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// appendHandshake appends what opens a WebSocket over HTTP/1.1.
func appendHandshake(dst []byte, key string) []byte {
	dst = append(dst, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	return http1.AppendField(dst, webSocketKey, key)
}

// hijack implements door.
func (d *handlerDoor) hijack(head []byte) (way, error) {
	if !d.connects {
		return way{}, errNoTunnel
	}
	if err := d.header(head); err != nil {
		return way{}, err
	}
	h := d.w.Header()
	if got := h.Get(webSocketAccept); got != acceptOf(d.key) {
		clear(h)
		return way{}, fmt.Errorf("%w: %s is %q", errWebSocket, webSocketAccept, got)
	}
	delete(h, webSocketAccept)
	d.w.WriteHeader(http.StatusOK)
	d.tunnel.door = d
	d.tunnel.out.open(&d.tunnel)
	w := way{&d.inlet, &d.tunnel.out}
	if err := d.control.Flush(); err != nil {
		return w, &sendError{err}
	}
	return w, nil
}

// streamEnd is a stream as one end of a tunnel. net/http can end it as a whole only:
// when the origin has no more to say, there is nobody any more who listens.
type streamEnd struct {
	door *handlerDoor
	out  outlet
	over atomic.Bool
}

var _ net.Conn = (*streamEnd)(nil)

func (s *streamEnd) read(p []byte) (int, error) {
	n, err := s.door.r.Body.Read(p)
	if err != nil && s.over.Load() {
		err = net.ErrClosed
	}
	return n, err
}

// Write implements net.Conn.
func (s *streamEnd) Write(p []byte) (int, error) {
	n, err := s.door.w.Write(p)
	if err == nil {
		err = s.door.control.Flush()
	}
	if err != nil && s.over.Load() {
		err = net.ErrClosed
	}
	return n, err
}

// CloseWrite ends the stream, after what has been written.
func (s *streamEnd) CloseWrite() error {
	s.over.Store(true)
	_ = s.SetReadDeadline(longAgo)
	return nil
}

// Close implements net.Conn: it breaks the stream, unless that has come to its end.
func (s *streamEnd) Close() error {
	if !s.over.Swap(true) {
		_ = s.SetReadDeadline(longAgo)
		_ = s.SetWriteDeadline(longAgo)
	}
	return nil
}

// The rest of net.Conn.

func (s *streamEnd) Read(p []byte) (int, error)         { return s.read(p) }
func (s *streamEnd) SetReadDeadline(t time.Time) error  { return s.door.control.SetReadDeadline(t) }
func (s *streamEnd) SetWriteDeadline(t time.Time) error { return s.door.control.SetWriteDeadline(t) }
func (s *streamEnd) LocalAddr() net.Addr                { return nil }
func (s *streamEnd) RemoteAddr() net.Addr               { return nil }

// SetDeadline implements net.Conn.
func (s *streamEnd) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}
