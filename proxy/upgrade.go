package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"divvy/backends"
	"divvy/proxy/http1"
)

// upgrade passes a switch of protocols on and then moves bytes both ways until
// both ends are done (RFC 9110 section 7.8).
func (p *Proxy) upgrade(ex *exchange, b *backends.Backend, l *link) error {
	defer l.close()
	asked, got := ex.upgrade(), upgradable(ex.res.Upgrade)
	switch {
	case got == nil || !http1.HasToken(asked, view(got)):
		return ex.refuseSwitch(l, fmt.Errorf("%w: asked for %q, got %q", errUpgrade, asked, got))
	case !ex.body.done.Load() || ex.stopPump(l).owed:
		// Its rest would be taken for the new protocol.
		return ex.refuseSwitch(l, errUpgradeEarly)
	}
	client, err := ex.door.hijack()
	if err != nil {
		return ex.refuseSwitch(l, err)
	}
	ex.begun, ex.record.Upgraded, ex.record.Status = true, true, 101
	head := http1.AppendEnd(ex.answerHead(b))
	l.in.skip(ex.headLength)
	ex.door.mayTake(ex.world.config.Timeouts.Stream)
	if _, err := client.out.send(head, nil); err != nil {
		ex.leash.release()
		ex.fail(fmt.Errorf("writing to the client: %w", err))
		return nil
	}
	t := newTunnel(client, l, ex.world.config.Timeouts.Tunnel)
	in, out, err := t.run()
	ex.leash.release()
	ex.record.RequestBytes, ex.record.ResponseBytes = in, out
	if err != nil {
		ex.fail(err)
	}
	return nil
}

func (ex *exchange) refuseSwitch(l *link, err error) error {
	ex.stopPump(l)
	ex.leash.release()
	return err
}

// tunnel is two connections that have left HTTP.
type tunnel struct {
	client, origin way
	limit          time.Duration // without a byte in either direction; 0 for none
	moved          atomic.Int64  // when the last one did, in Unix nanoseconds
	idle           atomic.Bool   // none has for too long
}

// way is one side of a tunnel.
type way struct {
	in  *inlet
	out *outlet
}

func newTunnel(client *clientConn, l *link, limit time.Duration) *tunnel {
	t := &tunnel{client: way{&client.inlet, &client.out}, origin: way{&l.inlet, &l.out}, limit: limit}
	for _, w := range []way{t.client, t.origin} {
		w.out.within(limit)
		w.in.size, w.in.waits = largeSize, nil
	}
	t.moved.Store(time.Now().UnixNano())
	return t
}

// run moves bytes until both directions have ended, one has failed, or nothing
// has moved for too long. It returns the bytes moved each way.
func (t *tunnel) run() (in, out int64, err error) {
	var wg sync.WaitGroup
	var inErr, outErr error
	wg.Go(func() { in, inErr = t.move(t.origin.out, t.client.in) })
	out, outErr = t.move(t.client.out, t.origin.in)
	wg.Wait()
	if t.idle.Load() {
		return in, out, errTunnelIdle
	}
	return in, out, errors.Join(inErr, outErr)
}

// move copies one direction and then tells the receiver that no more comes,
// which leaves the other direction open.
func (t *tunnel) move(dst *outlet, src *inlet) (n int64, err error) {
	for err == nil {
		if src.in.len() == 0 {
			if err = t.fill(src); err != nil {
				break
			}
		}
		t.moved.Store(time.Now().UnixNano())
		dst.within(t.limit)
		var m int
		m, err = dst.conn.Write(src.in.bytes())
		n += int64(m)
		src.in.skip(src.in.len())
	}
	if half, ok := dst.conn.(interface{ CloseWrite() error }); ok && err == io.EOF {
		err = half.CloseWrite()
	} else {
		t.close()
	}
	if errors.Is(err, net.ErrClosed) || err == io.EOF {
		err = nil // the other direction ended the tunnel and says why
	}
	return n, err
}

// fill waits for bytes, for as long as any move in either direction.
func (t *tunnel) fill(src *inlet) error {
	for {
		var last time.Time
		if t.limit > 0 {
			last = time.Unix(0, t.moved.Load())
			src.until(last.Add(t.limit))
		} else {
			src.within(0)
		}
		err := src.fill()
		if err == nil || !isTimeout(err) {
			return err
		}
		if src.kicked.Load() || t.moved.Load() == last.UnixNano() {
			t.idle.Store(!src.kicked.Load())
			return err
		}
	}
}

func (t *tunnel) close() {
	t.client.out.conn.Close()
	t.origin.out.conn.Close()
}
