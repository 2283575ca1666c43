package docker

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ledger is an Inventory that writes down what it is told.
type ledger struct {
	mu       sync.Mutex
	entries  []string // "replace a b", "stopping a: it exited"
	replaced int
	found    []Container
	changed  chan struct{} // closed and replaced after each entry
}

func newLedger() *ledger { return &ledger{changed: make(chan struct{})} }

func (l *ledger) Replace(host string, found []Container) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found = found
	l.replaced++
	var all []string
	for _, c := range found {
		all = append(all, c.Name)
	}
	slices.Sort(all)
	l.enter(strings.TrimSpace("replace " + strings.Join(all, " ")))
}

func (l *ledger) Stopping(host, container, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(fmt.Sprintf("stopping %s: %s", container, reason))
}

func (l *ledger) enter(entry string) {
	l.entries = append(l.entries, entry)
	close(l.changed)
	l.changed = make(chan struct{})
}

// take returns the entries since it was last called.
func (l *ledger) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.entries
	l.entries = nil
	return all
}

// replacements returns how often Replace was called.
func (l *ledger) replacements() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.replaced
}

// container returns the container of that name, as last told.
func (l *ledger) container(name string) (Container, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.found, func(c Container) bool { return c.Name == name })
	if i < 0 {
		return Container{}, false
	}
	return l.found[i], true
}

// size returns how many containers there are, as last told.
func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.found)
}

// heard reports whether there is an entry that begins with prefix.
func (l *ledger) heard(prefix string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.entries, func(e string) bool { return strings.HasPrefix(e, prefix) })
}

// await waits until ok, which is asked again after each entry.
func (l *ledger) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	timeout := time.After(time.Minute) // a thousand containers take long on a busy machine
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			told := fmt.Sprintf("%q", l.take())
			t.Fatalf("waiting for %s in vain; told last: …%s", what, told[max(0, len(told)-2000):])
		}
	}
}
