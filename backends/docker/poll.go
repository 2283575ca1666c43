package docker

import (
	"context"
	"maps"
	"strings"
	"time"
)

const (
	// stirTime is how long after an event tasks are looked at most often: what
	// an update of a service brings about begins within it.
	stirTime = 10 * time.Second

	pollHanding   = handover / 2           // while a task is kept though it shall end
	pollStirred   = 500 * time.Millisecond // after an event, and while a service is updated
	pollUnsettled = 2 * time.Second        // while Swarm is not where it wants to be
	pollSettled   = 5 * time.Second        // else; bounds how late the end of a task elsewhere is noticed
)

// actionTasks is the action of an event that no engine sends: tasks are not as
// they were listed.
const actionTasks = "tasks"

// pace returns how long to wait before tasks are looked at again that are as in
// c, when the last event was that long ago.
func (c *census) pace(quiet time.Duration) time.Duration {
	switch {
	case c == nil:
		return pollSettled
	case c.handing:
		return pollHanding
	case c.updating, quiet < stirTime:
		return pollStirred
	case !c.settled:
		return pollUnsettled
	default:
		return pollSettled
	}
}

// stir notes that something happened, after which tasks are looked at soon.
func (s *Swarm) stir() {
	s.mu.Lock()
	s.moved = time.Now()
	s.mu.Unlock()
	select {
	case s.stirred <- struct{}{}:
	default:
	}
}

// stirs reports whether tasks may be about to change after an event. Health
// checks, of which each run may be an event, and what people do in a container
// go on for ever without moving any task.
func stirs(e Event) bool {
	return e.Action != actionExec && e.Action != actionCopy && !strings.HasPrefix(e.Action, actionHealth)
}

// poll looks at the tasks until ctx ends, and tells when they are not as they
// were listed: whoever is told lists. So it does when they cannot be looked at,
// for then it is the list that says what is wrong.
func (s *Swarm) poll(ctx context.Context, tell func(Event)) {
	for {
		s.mu.Lock()
		last, quiet := s.last, time.Since(s.moved)
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-s.stirred:
			continue // sooner
		case <-time.After(last.pace(quiet)):
		}
		if last = s.known(); last == nil {
			continue
		}
		if same, err := s.sameTasks(ctx, last); ctx.Err() == nil && (err != nil || !same) {
			s.stir()
			tell(Event{Container: last.cluster, Action: actionTasks})
		}
	}
}

// sameTasks reports whether the tasks are as they were in c, and shall be so.
func (s *Swarm) sameTasks(ctx context.Context, c *census) (bool, error) {
	if c.handing {
		return false, nil
	}
	ctx, stop := context.WithTimeout(ctx, callTimeout)
	defer stop()
	api, err := s.negotiated(ctx)
	if err != nil {
		return false, err
	}
	tasks, err := wantedTasks(ctx, api)
	if err != nil {
		return false, err
	}
	return maps.Equal(revisions(tasks), c.revisions), nil
}
