package backends

import (
	"strings"
	"testing"
)

func TestABarredBackendIsOutOfRotationAndForgetsNothing(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	good, odd := endpoint("c1", "sha256:aa", "v1", 0), endpoint("c2", "sha256:aa", "v1", 1)
	r.Replace([]Endpoint{good, odd})
	pool := only(t, r).Pool
	first := pool.Acquire(nil)
	busy := pool.Acquire([]*Backend{first}) // has a request in flight when it is barred
	if first.ID == odd.ID {
		first, busy = busy, first
	}

	odd.Barred = "it may not be what its image says"
	odd.Mutations = []Mutation{{Kind: MutationExec, Detail: "touched by hand"}}
	r.Replace([]Endpoint{good, odd})
	if s, reason := state(t, r, "c2"); s != StateInvalid || reason != odd.Barred {
		t.Errorf("it is %s: %s", s, reason)
	}
	for range 100 {
		b := pool.Acquire(nil)
		if b.ID != "c1" {
			t.Fatalf("%s was sent a request", b.ID)
		}
		b.Release()
	}
	if busy.Draining() || busy.InFlight() != 1 {
		t.Error("its request in flight was not left alone")
	}
	var said []string
	for _, s := range r.Backends(pool) {
		for _, m := range s.Mutations {
			said = append(said, s.ID+" "+m.Detail)
		}
	}
	if strings.Join(said, ", ") != "c2 touched by hand" {
		t.Errorf("the status says %q", said)
	}

	odd.Barred, odd.Mutations = "", nil
	r.Replace([]Endpoint{good, odd})
	if s, _ := state(t, r, "c2"); s != StateReady || busy.InFlight() != 1 {
		t.Errorf("it is %s with %d requests in flight, want the same backend again", s, busy.InFlight())
	}
	first.Release()
	busy.Release()
}

func TestAVersionWhoseBackendsAreAllBarredIsPresent(t *testing.T) {
	t.Parallel()
	r := &Registry{}
	e := endpoint("c1", "sha256:aa", "v1", 0)
	r.Replace([]Endpoint{e})
	pool := only(t, r).Pool
	f := func(change func(), usable, present bool) {
		t.Helper()
		change()
		r.Replace([]Endpoint{e})
		if p := only(t, r).Pool; p.Usable() != usable || p.Present() != present {
			t.Errorf("usable %t, present %t, want %t, %t", p.Usable(), p.Present(), usable, present)
		}
	}
	f(func() { e.Barred = "it may not be what its image says" }, false, true)
	f(func() { e.Barred = "" }, true, true)
	f(func() { e.Barred, e.Problem = "both", "it exposes no port" }, false, false)
	if pool.Present() {
		t.Error("a pool that has lost its only backend is present")
	}
}
