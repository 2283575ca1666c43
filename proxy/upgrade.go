package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"divvy/backends"
)

// upgrade passes a switch of protocols on and then moves bytes both ways until
// both ends are done (RFC 9110 section 7.8).
func (p *Proxy) upgrade(ex *exchange, b *backends.Backend, res *http.Response) error {
	asked, got := ex.upgrade(), upgradeType(res.Header)
	origin, both := res.Body.(io.ReadWriteCloser)
	switch {
	case !both || !isOneOf(asked, got):
		return fmt.Errorf("%w: asked for %q, got %q", errUpgrade, asked, got)
	case !ex.body.finished():
		// Its rest would be taken for the new protocol.
		return errUpgradeEarly
	}
	client, early, err := ex.door.hijack()
	if err != nil {
		return err
	}
	defer client.Close()
	defer p.tunnels.add(client, origin)()
	ex.begun, ex.record.Upgraded = true, true
	ex.record.Status = http.StatusSwitchingProtocols
	ex.body.detach(0)

	h := endToEnd(res.Header)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{got}
	ex.dress(h, b)
	if err := writeSwitch(client, h); err != nil {
		ex.fail(fmt.Errorf("writing to the client: %w", err))
		return nil
	}
	t := &tunnel{client: client, origin: origin, limit: ex.world.config.Timeouts.Tunnel}
	in, out, err := t.run(early)
	ex.record.RequestBytes, ex.record.ResponseBytes = in, out
	if err != nil {
		ex.fail(err)
	}
	return nil
}

// upgrade returns the protocol that the client asks to change to, "" for none.
// HTTP/1.0 knows nothing of it (RFC 9110 section 7.8).
func (ex *exchange) upgrade() string {
	if !ex.req.ProtoAtLeast(1, 1) {
		return ""
	}
	return upgradeType(ex.req.Header)
}

// isOneOf reports whether got is among the protocols that were asked for.
func isOneOf(asked, got string) bool {
	return got != "" && slices.ContainsFunc(strings.Split(asked, ","), func(protocol string) bool {
		return strings.EqualFold(strings.TrimSpace(protocol), got)
	})
}

// writeSwitch writes the head of a 101 answer.
func writeSwitch(w io.Writer, h http.Header) error {
	bw := bufio.NewWriter(w)
	fmt.Fprintf(bw, "HTTP/1.1 101 %s\r\n", http.StatusText(http.StatusSwitchingProtocols))
	if err := h.Write(bw); err != nil {
		return err
	}
	bw.WriteString("\r\n")
	return bw.Flush()
}

// tunnel is two connections that have left HTTP.
type tunnel struct {
	client net.Conn
	origin io.ReadWriteCloser
	limit  time.Duration // without a byte in either direction; 0 for none
}

// run moves bytes until both directions have ended, one has failed, or nothing
// has moved for too long. It returns the bytes moved each way.
func (t *tunnel) run(early io.Reader) (in, out int64, err error) {
	var idle atomic.Bool
	watch := newWatchdog(t.limit, func() {
		idle.Store(true)
		t.close()
	})
	watch.start()
	defer watch.end()
	var wg sync.WaitGroup
	var inErr, outErr error
	wg.Go(func() { in, inErr = t.move(t.origin, early, watch) })
	wg.Go(func() { out, outErr = t.move(t.client, t.origin, watch) })
	wg.Wait()
	if idle.Load() {
		return in, out, errTunnelIdle
	}
	return in, out, errors.Join(inErr, outErr)
}

// move copies one direction and then tells the receiver that no more comes,
// which leaves the other direction open.
func (t *tunnel) move(dst io.Writer, src io.Reader, watch *watchdog) (int64, error) {
	n, err := io.Copy(&watched{dst, watch}, src)
	if half, ok := dst.(interface{ CloseWrite() error }); ok && err == nil {
		err = half.CloseWrite()
	} else {
		t.close()
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		err = nil // the other direction ended the tunnel and says why
	}
	return n, err
}

func (t *tunnel) close() {
	t.client.Close()
	t.origin.Close()
}

// watched keeps a tunnel's watchdog quiet while bytes move.
type watched struct {
	io.Writer
	watch *watchdog
}

func (w *watched) Write(p []byte) (int, error) {
	w.watch.start()
	return w.Writer.Write(p)
}

// tunnels are the upgraded connections that are open: the servers do not know
// of them any more.
type tunnels struct {
	mu   sync.Mutex              // guards the fields below
	open map[io.Closer]io.Closer // client's and origin's side
	idle chan struct{}           // closed when open is empty; nil while nobody waits
}

func (t *tunnels) add(client, origin io.Closer) (remove func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[io.Closer]io.Closer{}
	}
	t.open[client] = origin
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.open, client)
		if t.idle != nil && len(t.open) == 0 {
			close(t.idle)
			t.idle = nil
		}
	}
}

// wait returns when all tunnels have ended, and ends them when done is closed.
func (t *tunnels) wait(done <-chan struct{}) {
	t.mu.Lock()
	if len(t.open) == 0 {
		t.mu.Unlock()
		return
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
	case <-done:
		t.mu.Lock()
		for client, origin := range t.open {
			client.Close()
			origin.Close()
		}
		t.mu.Unlock()
		<-idle
	}
}
