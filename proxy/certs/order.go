package certs

import (
	"crypto/tls"
	"time"
)

// order is one host that wants a certificate, and how that goes. The manager's
// mutex guards it.
type order struct {
	host     string
	demanded bool // by a handshake; without a certificate it is not tried again by itself
	asked    bool // by a handshake, now

	cert     *tls.Certificate // nil until there is one
	failures int              // in a row
	total    uint64           // failures ever
	err      error            // of the last look, nil if it did well
	failed   time.Time        // when that was
	next     time.Time        // when it is looked at next; zero for never
	loaded   bool             // it was looked for in the storage
	busy     bool             // somebody looks now

	tried chan struct{} // closed when there is one, and after a look that was waited for
}

// due reports whether it is to be looked at now.
func (o *order) due(now time.Time) bool {
	if o.busy || !o.loaded || o.next.IsZero() || o.next.After(now) {
		return false
	}
	return !o.demanded || o.asked || o.cert != nil
}

// answer tells those who wait that it has been tried. It may be called again.
func (o *order) answer() {
	select {
	case <-o.tried:
	default:
		close(o.tried)
	}
}

// backoff is how long it is waited after each failure in a row, and after all
// further ones the last. Public authorities allow five failures an hour for a
// host; here it is five in the first, and then two.
var backoff = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour,
}

// afterLimit is how long it is waited at least when there were too many requests
// and nobody says until when.
const afterLimit = time.Hour

// again returns when to try again after a number of failures in a row: by our
// own patience, or later if the authority wants that.
func again(now time.Time, waits []time.Duration, failures int, err error, until time.Time) time.Time {
	next := now.Add(waits[min(failures, len(waits))-1])
	if !limited(err) {
		return next
	}
	if until.Before(now) {
		until = now.Add(afterLimit)
	}
	if until.After(next) {
		return until
	}
	return next
}

// upkeep returns when a certificate is looked at again: as often as every, and
// ten times in a short life.
func upkeep(now time.Time, every time.Duration, c *tls.Certificate) time.Time {
	life := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)
	return now.Add(max(min(every, life/10), 100*time.Millisecond))
}
