package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
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
	if len(res.Trailer) > 0 {
		for name := range res.Trailer {
			h.Add("Trailer", name)
		}
	}
	ex.begun = true
	ex.record.Status = res.StatusCode
	if err := ex.door.begin(res.StatusCode, h); err != nil {
		ex.giveUp(err)
		return nil
	}
	if err := p.copyBody(ex, res); err != nil {
		ex.giveUp(err)
		return nil
	}
	ex.door.trailer(res.Trailer)
	return nil
}

// giveUp ends an answer that cannot be completed.
func (ex *exchange) giveUp(err error) {
	ex.cut = true
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
	buf := p.buffer()
	defer p.buffers.Put(buf)
	left := res.ContentLength
	limit := ex.world.config.Timeouts.Stream
	var deadline time.Time
	for {
		n, err := res.Body.Read(buf[:])
		if n > 0 {
			if now := time.Now(); limit > 0 && deadline.Sub(now) < limit*3/4 {
				deadline = now.Add(limit)
				ex.door.writeDeadline(deadline)
			}
			m, werr := ex.door.Write(buf[:n])
			ex.record.ResponseBytes += int64(m)
			if werr != nil {
				return fmt.Errorf("writing to the client: %w", werr)
			}
			// The end of an answer of known length is sent when it ends.
			if left -= int64(n); left != 0 && err == nil {
				if err := ex.door.flush(); err != nil {
					return fmt.Errorf("writing to the client: %w", err)
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if !deadline.IsZero() {
				ex.door.writeDeadline(time.Time{})
			}
			return nil
		case err != nil:
			return fmt.Errorf("the answer was cut short: %w", err)
		}
	}
}
