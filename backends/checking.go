package backends

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// checkBody is how much of an answer is looked at.
const checkBody = 64 << 10

// keepCheck starts or ends the checks of b as its state demands.
func (r *Registry) keepCheck(b *Backend) {
	wants, addr, d := b.wantsCheck(), b.endpoint.checkAddr(), b.Dialect()
	if b.asker != nil && (wants == nil || !wants.equal(b.asked) || addr != b.askedAt || d != b.askedIn) {
		b.asker()
		b.asker, b.asked = nil, nil
	}
	if wants != nil && b.asker == nil && r.running != nil {
		ctx, stop := context.WithCancel(r.running)
		b.asker, b.asked, b.askedAt, b.askedIn = stop, wants, addr, d
		r.probes.Go(func() { r.checkAgainAndAgain(ctx, b, &question{wants, addr, d}) })
	}
}

// question is a check, where it is made and how that is spoken to.
type question struct {
	*Check
	addr    string
	dialect *Dialect
}

// url returns the address of a path.
func (q *question) url(path string) string {
	if q.dialect.Secure() {
		return "https://" + q.addr + path
	}
	return "http://" + q.addr + path
}

// checkAgainAndAgain asks b until ctx ends: often until it has passed once, since a
// container is usually about to, then at the interval. The first goes before the
// others, as it keeps a backend from its requests.
func (r *Registry) checkAgainAndAgain(ctx context.Context, b *Backend, q *question) {
	as := rankUrgent
	for soon := probeFirst; ; soon *= 2 {
		late, passed := r.checkOnce(ctx, b, q, as)
		if soon = min(soon, q.Interval); passed {
			soon = q.Interval
		}
		if as = rankUsual; late {
			as = rankHung
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(jitter(soon)):
		}
	}
}

// jitter returns a tenth more than d, or less, so that what began together does
// not stay together.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

// checkOnce asks b, when it is its turn, and reports whether that took all the time
// there is, and whether b has ever passed.
func (r *Registry) checkOnce(ctx context.Context, b *Backend, q *question, as rank) (late, passed bool) {
	turn := r.checkTurns.wait(ctx, r.lane(b), as)
	if turn == nil {
		return false, false
	}
	asking, stop := context.WithTimeout(ctx, q.Timeout)
	err := r.ask(asking, q)
	late = asking.Err() != nil
	stop()
	turn.end()
	r.mu.Lock()
	defer r.unlock()
	if ctx.Err() != nil {
		return false, false // nobody wants to know any more
	}
	b.checked.note(err, q.Check)
	r.settle(b)
	return late, b.checked.passed
}

// ask makes a check.
func (r *Registry) ask(ctx context.Context, q *question) error {
	switch {
	case q.TCP:
		return r.dial(ctx, q.addr)
	case q.GRPC:
		return r.askGRPC(ctx, q)
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, q.url(q.Path), nil)
	if err != nil {
		return err
	}
	req.Host = q.Host
	req.Header.Set("User-Agent", checkAgent)
	res, err := r.clientFor(q).Do(req)
	if err != nil {
		return plain(err, q.Check)
	}
	defer res.Body.Close()
	if !q.passes(res.StatusCode) {
		return fmt.Errorf("it answered %d", res.StatusCode)
	}
	if q.Text == "" {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, checkBody))
	switch {
	case strings.Contains(string(body), q.Text):
		return nil
	case err != nil:
		return plain(err, q.Check)
	default:
		return fmt.Errorf("%q is not in its answer", q.Text)
	}
}

// checkAgent is what checks call themselves.
const checkAgent = "divvy (health check)"

// clientFor returns what makes the requests of a check.
func (r *Registry) clientFor(q *question) *http.Client {
	http2 := q.GRPC || q.dialect.HTTP2()
	if r.Transport != nil || !http2 && !q.dialect.Secure() {
		return r.client
	}
	t := &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: checkBody, Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP1(!http2)
	t.Protocols.SetHTTP2(http2)
	t.Protocols.SetUnencryptedHTTP2(http2)
	if q.dialect.Secure() {
		t.TLSClientConfig = q.dialect.TLS.Clone()
		t.TLSClientConfig.NextProtos = nil // the transport's concern
	}
	return checkClient(t)
}

// plain returns why a check failed, without what is said beside it.
func plain(err error, c *Check) error {
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v", c.Timeout)
	}
	return err
}

// checkClient returns what makes the requests of checks: each over a connection of
// its own, to the backend itself, and its answer is taken as it is.
func checkClient(t http.RoundTripper) *http.Client {
	if t == nil {
		t = &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: checkBody}
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
