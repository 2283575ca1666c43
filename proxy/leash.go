package proxy

import (
	"context"
	"sync"
)

// leash ends what an exchange waits for, from another goroutine: because its
// client is gone, say. It outlives the exchange.
type leash struct {
	mu    sync.Mutex // guards the fields below
	held  kicker
	cause error // why it was pulled
}

// kicker is something that can be waited for. kick ends the wait, and may be
// called from any goroutine.
type kicker interface{ kick() }

// kick implements kicker for connections that are being opened.
func (c cancelled) kick() { context.CancelFunc(c)() }

type cancelled context.CancelFunc

// hold puts k on the leash. If that was pulled already, it says why.
func (l *leash) hold(k kicker) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = k
	return l.cause
}

// release takes what is held off the leash, and returns why it was pulled, nil
// if it was not.
func (l *leash) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = nil
	return l.cause
}

// pull ends what is waited for, now and later.
func (l *leash) pull(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return
	}
	l.cause = cause
	if l.held != nil {
		l.held.kick()
	}
}

// reason returns why it was pulled, nil if it was not.
func (l *leash) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}
