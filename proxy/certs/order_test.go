package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

func TestTheNextTryIsLaterEachTimeAndNotBeforeTheAuthorityWants(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := func(failures int, err error, until, want time.Duration) {
		t.Helper()
		var end time.Time
		if until != 0 {
			end = now.Add(until)
		}
		if got := again(now, backoff, failures, err, end).Sub(now); got != want {
			t.Errorf("failure %d: got %v, want %v", failures, got, want)
		}
	}
	down, enough := errors.New("no route to host"), plainly(acme.Problem{Status: 429})
	f(1, down, 0, time.Minute)
	f(2, down, 0, 5*time.Minute)
	f(9, down, 0, 6*time.Hour)
	f(100, down, 0, 6*time.Hour)
	f(1, down, time.Hour, time.Minute) // what it said was about another host
	f(1, enough, 0, time.Hour)
	f(1, enough, -time.Second, time.Hour) // it is over
	f(1, enough, 10*time.Minute, 10*time.Minute)
	f(9, enough, 10*time.Minute, 6*time.Hour)
	// Public authorities allow five failures an hour for a host.
	tries := 0
	for at := now; at.Before(now.Add(time.Hour)); at = again(at, backoff, tries, down, time.Time{}) {
		tries++
	}
	if tries != 5 {
		t.Errorf("%d tries in the first hour", tries)
	}
}

func TestACertificateIsLookedAtTenTimesInAShortLife(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := func(life, want time.Duration) {
		t.Helper()
		c := &tls.Certificate{Leaf: &x509.Certificate{NotBefore: now, NotAfter: now.Add(life)}}
		if got := upkeep(now, lookEvery, c).Sub(now); got != want {
			t.Errorf("%v: got %v, want %v", life, got, want)
		}
	}
	f(90*day, time.Hour)
	f(time.Hour, 6*time.Minute)
	f(0, 100*time.Millisecond)
}
