package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"divvy/backends"
)

// ServedByHeader is the field that names what answered, where that is
// configured.
const ServedByHeader = "Divvy-Served-By"

// cookieAge is how long a browser keeps the unit that was issued to it.
const cookieAge = 365 * 24 * time.Hour

// answer passes the answer of b on to the client.
func (p *Proxy) answer(ex *exchange, b *backends.Backend, res *http.Response) error {
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return p.upgrade(ex, b, res)
	}
	h := endToEnd(res.Header)
	ex.dress(h, b)
	if protocol := upgradeType(res.Header); protocol != "" && res.StatusCode == http.StatusUpgradeRequired && ex.req.ProtoMajor == 1 {
		h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{protocol} // RFC 9110 section 15.5.22
	}
	for name := range res.Trailer {
		h.Add("Trailer", name)
	}
	if err := ex.begin(res.StatusCode, h); err != nil {
		ex.giveUp(err)
		return nil
	}
	if err := p.copyBody(ex, res); err != nil {
		ex.giveUp(err)
		return nil
	}
	if dropHopByHop(res.Trailer); len(res.Trailer) > 0 {
		ex.door.trailer(res.Trailer)
	}
	return nil
}

// giveUp ends an answer that cannot be completed.
func (ex *exchange) giveUp(err error) {
	ex.cut = true
	switch failed := ex.body.failure(); {
	case failed != nil && !errors.Is(failed, errBodyBroken):
		err = failed
	case ex.gone() && !isTimeout(err):
		err = errClientGone
	case failed != nil:
		err = failed
	}
	ex.fail(err)
}

// dress adds divvy's own fields to an answer.
func (ex *exchange) dress(h http.Header, b *backends.Backend) {
	if unit := ex.decision.Issue; unit != "" {
		c := http.Cookie{
			Name: ex.service.Cookie, Value: unit, Path: "/", MaxAge: int(cookieAge.Seconds()),
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: ex.scheme == "https",
		}
		h.Add("Set-Cookie", c.String())
		private(h)
	}
	if ex.world.config.ServedBy {
		v := b.Version
		h[ServedByHeader] = []string{fmt.Sprintf("%s; image=%q; container=%q", v, v.ImageID, b.ID)}
	}
}

// copyBody streams the body of an answer. What has come is sent on before more
// is waited for.
func (p *Proxy) copyBody(ex *exchange, res *http.Response) error {
	if res.Body == http.NoBody {
		return nil
	}
	buf := p.buffer()
	defer p.buffers.Put(buf)
	head := holdHead(ex.door)
	defer head.release()
	left := res.ContentLength
	for {
		n, err := res.Body.Read(buf[:])
		head.release()
		if n > 0 {
			ex.mayTake()
			m, werr := ex.door.Write(buf[:n])
			ex.record.ResponseBytes += int64(m)
			// The end of an answer of known length is sent when it ends.
			if left -= int64(n); werr == nil && left != 0 && !errors.Is(err, io.EOF) {
				werr = ex.door.flush()
			}
			if werr != nil {
				return fmt.Errorf("writing to the client: %w", werr)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the answer was cut short: %w", err)
		}
	}
}

// heldHead is the head of an answer that waits for the first bytes of the body,
// so that both leave in one packet. It does not wait long: the body may be the
// events of the next hours.
type heldHead struct {
	timer *time.Timer
	mu    sync.Mutex // guards left; held while the head is sent
	left  bool       // with the first bytes
}

const headPatience = time.Millisecond

// holdHead sends the head of an answer that has begun unless release is called
// in time.
func holdHead(door door) *heldHead {
	h := &heldHead{}
	h.timer = time.AfterFunc(headPatience, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.left {
			_ = door.flush() // the next write tells what is wrong
		}
	})
	return h
}

// release returns when the door can be used.
func (h *heldHead) release() {
	if h.timer.Stop() {
		return
	}
	h.mu.Lock()
	h.left = true
	h.mu.Unlock()
}
