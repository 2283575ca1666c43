package docker

import (
	"context"
	"time"
)

// Daemon is the part of a Docker engine that the watcher needs.
type Daemon interface {
	// List returns a summary of every running or paused container.
	List(ctx context.Context) ([]Summary, error)

	// Inspect returns all about one of them. The error wraps ErrGone if it does
	// not run any more.
	Inspect(ctx context.Context, id string) (Container, error)

	// Watch reads the engine's events until the stream ends, which it says why,
	// or ctx does. It returns after its last call of a function of s.
	Watch(ctx context.Context, s Subscription) error
}

// Subscription is what Watch is told.
type Subscription struct {
	// Since asks for the events from that time on, the engine's time, as far as
	// it remembers them; it may send some that are older. Zero asks for what
	// happens from now on.
	Since time.Time

	// Opened is called once the stream is open: what happens from now on will
	// be an event. It may also be called when the stream then fails to open.
	Opened func()

	// Handle is called for each event in the order of arrival. The engine drops
	// events for those who read slowly, so it must not block.
	Handle func(Event)
}

// Summary is what a list says about one container. Two equal summaries of a
// container mean that, as far as lists tell, nothing about it has changed.
type Summary struct {
	ID       string
	ImageID  string
	Names    string
	State    string
	Health   string
	Networks string

	// Of a Swarm's task, its ID and what changes with whatever its manager says
	// of it, "" if no manager has been asked.
	Task     string
	Revision string
}

// Event says that something happened to a container, or to a service or node of
// a Swarm, whose ID is in its place.
type Event struct {
	Container string
	Action    string
	Signal    string    // of a kill event; "" if the engine does not say
	Command   string    // of a process that was started; it may hold secrets
	At        time.Time // the engine's time; zero if it does not say
}

// The events that say more than that a list may say something new.
const (
	actionKill = "kill" // it was sent a signal
	actionDie  = "die"  // its process has ended
	actionOOM  = "oom"  // a process in it was killed for want of memory, which it may survive

	// actionHealth begins what tells how its health check went: at each change,
	// and by some engines at each run.
	actionHealth = "health_status"
)

// Inventory is told what runs. Calls for one host never overlap, and none may
// block: events wait until it returns.
type Inventory interface {
	// Replace says which containers run on host now: the whole list, oldest
	// known state included where the engine gave no newer one. The slice
	// belongs to the receiver, what its elements refer to does not.
	Replace(host string, found []Container)

	// Stopping says that the container was just sent a stop signal, or has
	// ended. It may be said of a container that was never listed, more than
	// once, and again right after the Replace that lists it for the first time.
	// It holds until a Replace without the container or with a later Started.
	Stopping(host, container, reason string)
}
