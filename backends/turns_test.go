package backends

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// waiters are those who wait for turns, by name, and the order in which these
// began.
type waiters struct {
	turns turns
	begun []string
	has   map[string]*turn
	left  map[string]context.CancelFunc
}

func newWaiters(all, each int) *waiters {
	return &waiters{turns: turns{all: all, each: each}, has: map[string]*turn{}, left: map[string]context.CancelFunc{}}
}

func (w *waiters) wait(name, service string, as rank) {
	ctx, leave := context.WithCancel(context.Background())
	w.left[name] = leave
	go func() {
		if turn := w.turns.wait(ctx, lane{service: service}, as); turn != nil {
			w.turns.mu.Lock()
			defer w.turns.mu.Unlock()
			w.has[name] = turn
			w.begun = append(w.begun, name)
		}
	}()
	synctest.Wait()
}

func (w *waiters) end(name string) {
	w.has[name].end()
	synctest.Wait()
}

// leave has nobody wait any more.
func (w *waiters) leave() {
	for _, leave := range w.left {
		leave()
	}
}

func (w *waiters) is(t *testing.T, want string) {
	t.Helper()
	w.turns.mu.Lock()
	defer w.turns.mu.Unlock()
	if got := strings.Join(w.begun, " "); got != want {
		t.Errorf("began %s, want %s", got, want)
	}
}

func TestTurnsGoByRankAndLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWaiters(3, 2)
		defer w.leave()
		for _, name := range []string{"a1", "a2", "a3"} {
			w.wait(name, "a", rankUsual)
		}
		w.is(t, "a1 a2") // a lane is full
		w.wait("b1", "b", rankUsual)
		w.is(t, "a1 a2 b1") // all is full
		w.wait("b2", "b", rankUsual)
		w.wait("a4", "a", rankUrgent)
		w.end("a1")
		w.is(t, "a1 a2 b1 a4") // the first in rank
		w.end("b1")
		w.is(t, "a1 a2 b1 a4 b2") // the lane with the fewest, though a3 came first
		w.end("a2")
		w.is(t, "a1 a2 b1 a4 b2 a3")
		for _, name := range []string{"a4", "a3", "b2"} {
			w.end(name)
		}
		if len(w.turns.lanes) != 0 || w.turns.taken != (load{}) {
			t.Errorf("something is left: %+v", w.turns.lanes)
		}
	})
}

func TestThoseThatHangHaveHalfOfTheTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWaiters(6, 4)
		defer w.leave()
		for i := range 3 {
			w.wait(fmt.Sprint("a", i), "a", rankHung)
			w.wait(fmt.Sprint("b", i), "b", rankHung)
		}
		w.is(t, "a0 b0 a1")
		w.wait("a", "a", rankUsual)
		w.wait("b", "b", rankUsual)
		w.is(t, "a0 b0 a1 a b")
	})
}

func TestNobodyWaitsForATurnForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWaiters(1, 1)
		defer w.leave()
		w.wait("0", "a", rankUrgent)
		w.wait("last", "a", rankHung)
		for i := range lastFirst {
			w.wait(fmt.Sprint(i+1), "a", rankUrgent)
			w.end(fmt.Sprint(i))
			if w.has["last"] != nil {
				return
			}
		}
		t.Error("it still waits")
	})
}

func TestWhoLeavesTakesNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWaiters(1, 1)
		defer w.leave()
		w.wait("a1", "a", rankUsual)
		w.wait("b1", "b", rankUsual)
		w.wait("a2", "a", rankUsual)
		w.left["b1"]()
		synctest.Wait()
		w.end("a1")
		w.is(t, "a1 a2")
		w.end("a2")
		if len(w.turns.lanes) != 0 {
			t.Errorf("something is left: %+v", w.turns.lanes)
		}
	})
}
