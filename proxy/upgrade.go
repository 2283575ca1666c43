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
	ex.door.mayTake(ex.world.config.Timeouts.Stream)
	client, err := ex.door.hijack(http1.AppendEnd(ex.answerHead(b)))
	if err != nil && !isSending(err) {
		return ex.refuseSwitch(l, err)
	}
	b.Saw(backends.Answered, 0)
	ex.begun, ex.record.Upgraded, ex.record.Status = true, true, 101
	l.in.skip(ex.headLength)
	if err != nil {
		ex.leash.release()
		ex.cut = true
		ex.fail(fmt.Errorf("writing to the client: %w", err))
		return nil
	}
	t := newTunnel(client, l, ex.world.config.Timeouts.Tunnel)
	in, out, err := t.run()
	ex.record.RequestBytes, ex.record.ResponseBytes = in, out
	if cause := ex.leash.release(); cause != nil && !errors.Is(err, errTunnelIdle) { // which breaks a stream
		err = cause
	}
	if l.ended.Load() {
		err = errDrained
	}
	if err != nil {
		ex.cut = true
		ex.fail(err)
	}
	return nil
}

func (ex *exchange) refuseSwitch(l *link, err error) error {
	ex.stopPump(l)
	ex.leash.release()
	ex.accuse(l.up.backend, err)
	return err
}

// tunnel is two connections that have left HTTP.
type tunnel struct {
	client, origin way
	limit          time.Duration // without a byte in either direction; 0 for none
	moved          atomic.Int64  // when the last one did, in Unix nanoseconds
	idle           atomic.Bool   // none has for too long
	clock          *time.Timer   // looks at that; nil without a limit
}

// way is one side of a tunnel.
type way struct {
	in  *inlet
	out *outlet
}

func newTunnel(client way, l *link, limit time.Duration) *tunnel {
	t := &tunnel{client: client, origin: way{&l.inlet, &l.out}, limit: limit}
	for _, w := range []way{t.client, t.origin} {
		w.out.within(limit)
		w.in.within(0)
		w.in.size, w.in.waits = largeSize, nil
	}
	return t
}

// run moves bytes until both directions have ended, one has failed, or nothing
// has moved for too long. It returns the bytes moved each way.
func (t *tunnel) run() (in, out int64, err error) {
	var wg sync.WaitGroup
	var inErr, outErr error
	t.moved.Store(time.Now().UnixNano())
	if t.limit > 0 {
		t.clock = time.AfterFunc(t.limit, t.look)
		defer t.clock.Stop()
	}
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
			if err = src.fill(); err != nil {
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

// look ends the tunnel if nothing has moved in either direction for too long. To
// bound the reads instead would not do: on a stream none works after one that took
// too long.
func (t *tunnel) look() {
	left := t.limit - time.Since(time.Unix(0, t.moved.Load()))
	if left > 0 {
		t.clock.Reset(left)
		return
	}
	t.idle.Store(true)
	t.close()
}

func (t *tunnel) close() {
	t.client.out.conn.Close()
	t.origin.out.conn.Close()
}
