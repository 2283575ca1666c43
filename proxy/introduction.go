package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"time"

	"github.com/pires/go-proxyproto"
)

// heldMost is how much is read together with an introduction that belongs to what
// comes after it. It fits into the smallest buffer of a connection.
const heldMost = 512

// introduce reads for whom a connection is that a proxy has opened (PROXY protocol,
// version 1 or 2, https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt), and
// returns it as if it came from there. The introduction must come, within the limit:
// otherwise a client could leave out what the proxy would have said. One that is for
// the proxy itself, or for somebody it does not know, leaves the connection the
// proxy's; what else it says is ignored.
func introduce(c net.Conn, limit time.Duration) (net.Conn, error) {
	_ = c.SetReadDeadline(time.Now().Add(limit))
	r := bufio.NewReaderSize(c, heldMost)
	awaitLine(r)
	header, err := proxyproto.Read(r)
	_ = c.SetReadDeadline(time.Time{})
	if err != nil {
		return nil, err
	}
	first, _ := r.Peek(r.Buffered())
	from := c.RemoteAddr()
	if header.Command.IsProxy() && header.SourceAddr != nil {
		from = header.SourceAddr
	}
	return &begunConn{Conn: c, first: first, from: from}, nil
}

// awaitLine waits until the line is whole that version 1 is, which the library takes
// in one piece only. It gives up where there is no such line.
func awaitLine(r *bufio.Reader) {
	const longest = 107
	for n := 1; n <= longest; n = r.Buffered() + 1 {
		if _, err := r.Peek(n); err != nil {
			return
		}
		come, _ := r.Peek(r.Buffered())
		if come[0] != proxyproto.SIGV1[0] || bytes.IndexByte(come, '\n') >= 0 {
			return
		}
	}
}

// complainAgain is how long it is not said again that introductions are amiss.
const complainAgain = time.Minute

// complain tells that a proxy did not introduce a connection as it has to. One that
// has only looked whether somebody listens has done nothing wrong.
func (p *port) complain(c net.Conn, err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return
	}
	now := time.Now().UnixNano()
	if last := p.complained.Load(); now-last < int64(complainAgain) || !p.complained.CompareAndSwap(last, now) {
		return
	}
	p.log.Warn("a connection was closed: proxy_protocol has it begin with a valid introduction", "addr", p.listener.Addr().String(), "peer", c.RemoteAddr().String(), "err", err)
}
