package proxy

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"divvy/backends"
	"divvy/proxy/http1"
	"divvy/router"
)

// ServedByHeader is the field that names what answered, where that is
// configured.
const ServedByHeader = "Divvy-Served-By"

// answer passes the answer of b, whose head has come on l, on to the client.
func (p *Proxy) answer(ex *exchange, b *backends.Backend, l *link) error {
	if ex.res.Status == 101 || ex.connects && ex.res.Status < 300 { // which the client would take for the same
		return p.upgrade(ex, b, l)
	}
	head := ex.answerHead(b)
	l.in.skip(ex.headLength)
	err := ex.begin(ex.res.Status, head, ex.res.Body)
	if err == nil {
		err = ex.copyBody(l)
	}
	ex.settle(l, err)
	return nil
}

// settle ends the use of l: after a sound answer to a request that has been sent
// to its end, it can be used again.
func (ex *exchange) settle(l *link, err error) {
	l.waits = nil
	ex.stopPump(l)
	cause := ex.leash.release()
	if err != nil && l.ended.Load() {
		err = errDrained
	}
	ex.praise(l.up.backend, err, cause)
	if err != nil {
		ex.giveUp(err, cause)
	}
	if err != nil || cause != nil || !ex.res.KeepAlive || !ex.body.done.Load() || ex.body.owed || l.in.len() > 0 {
		l.close()
		return
	}
	l.in.release(l.memory)
	ex.link = nil
	l.up.give(l)
}

// giveUp ends an answer that cannot be completed.
func (ex *exchange) giveUp(err, cause error) {
	ex.cut = true
	ex.lostCall()
	lost := new(sendError)
	switch {
	case cause != nil:
		err = cause
	case errors.As(err, &lost) && !isTimeout(err):
		err = errClientGone
	case errors.As(err, &lost):
		err = fmt.Errorf("writing to the client: %w", err)
	default:
		ex.tally.short = !errors.Is(err, errDrained)
		switch {
		case isTimeout(err):
			err = errSlow
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		}
		err = fmt.Errorf("the answer was cut short: %w", err)
	}
	ex.fail(err)
}

// answerHead returns status line and fields of the answer as the client gets
// them.
func (ex *exchange) answerHead(b *backends.Backend) []byte {
	res := &ex.res
	sets := ex.decision.Sets()
	cache := ""
	// What somebody named a version for is nobody else's either.
	if sets || ex.decision.Reason == router.ByOverride {
		cache = private(&res.Fields)
	}
	if ex.world.config.ServedBy {
		res.Omit(ServedByHeader)
	}
	head := res.AppendHead(ex.answering[:0])
	if protocols := upgradable(res.Upgrade); protocols != nil && (res.Status == 426 || res.Status == 101) {
		head = append(head, "Connection: Upgrade\r\n"...)         // RFC 9110 section 15.5.22
		head = http1.AppendFieldBytes(head, "Upgrade", protocols) // the door knows whether it can have that
	}
	head = appendAnnounced(head, &res.Fields, res.Body)
	if !res.Passes("Date") {
		head = ex.proxy.date.append(head)
	}
	if sets {
		head = ex.service.AppendCookies(head, &ex.decision, ex.scheme == "https")
	}
	if cache != "" {
		head = http1.AppendField(head, "Cache-Control", cache)
	}
	head = ex.appendAbout(head)
	if ex.world.config.ServedBy {
		head = appendServedBy(head, ex.record.Version, b)
	}
	if ex.world.config.Via {
		head = append(head, "Via: 1.1 divvy\r\n"...)
	}
	return head
}

func appendServedBy(dst []byte, version string, b *backends.Backend) []byte {
	dst = append(append(append(dst, ServedByHeader...), ": "...), version...)
	dst = strconv.AppendQuote(append(dst, "; image="...), b.Version.ImageID)
	dst = strconv.AppendQuote(append(dst, "; container="...), b.ID)
	return append(dst, "\r\n"...)
}

// cdnCacheControl are the fields that some shared caches read instead of
// Cache-Control (RFC 9213).
var cdnCacheControl = []string{"CDN-Cache-Control", "Surrogate-Control"}

// private marks an answer that carries one user's cookie, so that no shared
// cache hands it to another (RFC 9111 section 5.2.2.7): it omits what says
// otherwise, and returns what is to be said instead, "" if nothing.
func private(f *http1.Fields) string {
	for _, name := range cdnCacheControl {
		f.Omit(name)
	}
	var keep []string
	for line := range f.Values("Cache-Control") {
		for _, directive := range splitQuoted(string(line), ',') {
			directive = strings.TrimSpace(directive)
			name, _, _ := strings.Cut(strings.ToLower(directive), "=")
			switch name {
			case "", "public", "private", "s-maxage":
			case "no-store":
				return "" // nobody keeps it anyway
			default:
				keep = append(keep, directive)
			}
		}
	}
	f.Omit("Cache-Control")
	if len(keep) == 0 {
		return "private"
	}
	return "private, " + strings.Join(keep, ", ")
}

// copyBody streams the body of the answer. What has come is sent on before more
// is waited for.
func (ex *exchange) copyBody(l *link) error {
	l.waits = ex.flushNow
	var trailer *http1.Fields
	closed := false
	var err error
	switch ex.res.Body.Framing {
	case http1.Length:
		err = ex.copyLength(l)
	case http1.Chunks:
		err = ex.copyChunks(l)
		trailer, closed = ex.chunked.Trailer(), ex.chunked.Closed()
	case http1.UntilClose:
		err = ex.copyRest(l)
	}
	if err != nil {
		_ = ex.door.flush() // what was read is the client's
		return err
	}
	ex.sawCall(trailer)
	ex.door.mayTake(ex.world.config.Timeouts.Stream)
	if err := ex.door.end(trailer, closed); err != nil {
		return &sendError{err}
	}
	return nil
}

// flushWaiting sends what was held back, because nothing more has come. If
// that fails nothing need be waited for.
func (ex *exchange) flushWaiting() {
	if err := ex.door.flush(); err != nil {
		ex.leash.pull(errClientGone)
	}
}

// write writes data of the answer's body.
func (ex *exchange) write(data []byte) error {
	ex.door.mayTake(ex.world.config.Timeouts.Stream)
	n, err := ex.door.Write(data)
	ex.record.ResponseBytes += int64(n)
	if err != nil {
		return &sendError{err}
	}
	return nil
}

func (ex *exchange) copyLength(l *link) error {
	for left := ex.res.Body.Length; left > 0; {
		if l.in.len() == 0 {
			n, spliced, err := ex.splice(l, left)
			if err != nil {
				return err
			}
			if left -= n; spliced {
				continue
			}
			l.within(ex.world.config.Timeouts.Stream)
			if err := l.fill(); err != nil {
				return err
			}
		}
		piece := l.in.bytes()
		piece = piece[:min(left, int64(len(piece)))]
		l.in.skip(len(piece))
		if err := ex.write(piece); err != nil {
			return err
		}
		left -= int64(len(piece))
	}
	return nil
}

// splice moves a part of the body within the kernel, where that can be done.
func (ex *exchange) splice(l *link, left int64) (n int64, done bool, err error) {
	if left < spliceLeast {
		return 0, false, nil
	}
	to, err := ex.door.raw()
	if err != nil {
		return 0, false, &sendError{err}
	}
	if to == nil || !canSplice(&l.inlet, to, left) {
		return 0, false, nil
	}
	l.within(ex.world.config.Timeouts.Stream)
	n, err = ex.download.move(&ex.proxy.pipes, &l.inlet, to.raw, left)
	if err == errNoPipe {
		return 0, false, nil
	}
	ex.record.ResponseBytes += n
	return n, true, err
}

// boundTaking bounds the time that the client may take for what is sent next.
func (ex *exchange) boundTaking() { ex.door.mayTake(ex.world.config.Timeouts.Stream) }

func (ex *exchange) copyChunks(l *link) error {
	c := &ex.chunked
	c.Reset()
	c.Limits = answerLimits
	for asTheyAre := ex.door.takesChunks(); !c.Done(); {
		var piece []byte
		var n int
		var err error
		in := l.in.bytes()
		if asTheyAre {
			piece, n, err = c.Raw(in)
		} else {
			piece, n, err = c.Next(in)
		}
		l.in.skip(n)
		if werr := ex.passChunk(piece, asTheyAre); werr != nil {
			return werr
		}
		if err != nil {
			return err
		}
		if n == 0 && !c.Done() {
			l.within(ex.world.config.Timeouts.Stream)
			if err := l.fill(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (ex *exchange) passChunk(piece []byte, asItIs bool) error {
	switch {
	case len(piece) == 0:
		return nil
	case !asItIs:
		return ex.write(piece)
	}
	ex.door.mayTake(ex.world.config.Timeouts.Stream)
	err := ex.door.pass(piece)
	ex.record.ResponseBytes = ex.chunked.Received
	if err != nil {
		return &sendError{err}
	}
	return nil
}

func (ex *exchange) copyRest(l *link) error {
	for {
		if l.in.len() == 0 {
			l.within(ex.world.config.Timeouts.Stream)
			if err := l.fill(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
		piece := l.in.bytes()
		l.in.skip(len(piece))
		if err := ex.write(piece); err != nil {
			return err
		}
	}
}
