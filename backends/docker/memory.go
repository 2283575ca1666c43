package docker

import (
	"maps"
	"time"
)

// memory is what a watcher knows of the containers of its engine. It knows no
// network and no clock but the engine's.
type memory struct {
	// known is what the last list and the inspections said, by container ID. The
	// map is never changed, only replaced.
	known map[string]known

	// doubtful are those of whom something was heard since the last list began,
	// so that what is known of them may not hold any more.
	doubtful map[string]bool

	// stopping are those that were told to stop in the life that they have.
	stopping map[string]stop

	// touches are what was done to them by hand.
	touches touches

	// last is the time of the latest event, latest is the one heard last.
	last   time.Time
	latest Event
}

// known is what is known of one container.
type known struct {
	summary   Summary
	container Container
	inspected bool  // container is filled in; it may be old if err is not nil
	err       error // why the last inspection failed
}

// stop is a stop signal, or the end that followed.
type stop struct {
	at     time.Time // by the engine's clock
	heard  time.Time // by ours
	reason string
}

// happened takes note of an event. It returns why its container stops, or "" if
// it does not, and whether there is anything new to publish.
func (m *memory) happened(e Event) (stopping string, news bool) {
	if m.latest = e; e.At.After(m.last) {
		m.last = e.At
	}
	if e.Container == "" {
		return "", true
	}
	if touchKinds[e.Action] != "" {
		news = m.touches.happened(e, m.known[e.Container])
		if e.Action != actionUpdate { // what inspection says is as it was
			return "", news
		}
	}
	m.doubt(e.Container)
	return m.stopped(e), true
}

// stopped takes note of an event that stops its container, and returns why it
// does, or "".
func (m *memory) stopped(e Event) string {

	c := &Container{StopSignal: defaultStopSignal}
	if k := m.known[e.Container]; k.inspected {
		c = &k.container
	}
	reason := stopReason(e, c.StopSignal)
	if reason == "" {
		return ""
	}
	at := e.At
	if at.IsZero() {
		at = c.Started
	}
	// An event that comes late or twice, as it may after a reconnect, must not
	// stop the life after the one that it tells of.
	if c.Started.After(at) {
		return ""
	}
	if m.stopping == nil {
		m.stopping = map[string]stop{}
	}
	m.stopping[e.Container] = stop{at: at, heard: time.Now(), reason: reason}
	return reason
}

// stopReason returns why a container whose stop signal is own stops, if e says
// that it does.
func stopReason(e Event, own string) string {
	switch {
	case e.Action == actionDie:
		return "it exited"
	case e.Action != actionKill || !stops(e.Signal, own):
		return ""
	case e.Signal == "":
		return "a stop signal was sent"
	default:
		return "stop signal " + e.Signal + " was sent"
	}
}

func (m *memory) doubt(id string) {
	if m.doubtful == nil {
		m.doubtful = map[string]bool{}
	}
	m.doubtful[id] = true
}

// doubtAll makes the next list inspect every container.
func (m *memory) doubtAll() {
	for id := range m.known {
		m.doubt(id)
	}
}

// doubtFailed makes the next list inspect those again that could not be.
func (m *memory) doubtFailed() {
	for id, k := range m.known {
		if k.err != nil {
			m.doubt(id)
		}
	}
}

// failure returns why one of the containers could not be inspected, nil if all
// could.
func (m *memory) failure() error {
	for _, k := range m.known {
		if k.err != nil {
			return k.err
		}
	}
	return nil
}

// takeDoubtful returns those that the list that begins now must inspect. With
// them are those that were told to stop: should the event of their restart be
// lost, they would be without traffic for ever.
func (m *memory) takeDoubtful() map[string]bool {
	all := m.doubtful
	m.doubtful = nil
	if all == nil {
		all = map[string]bool{}
	}
	for id := range m.stopping {
		all[id] = true
	}
	return all
}

// learn replaces what is known by the outcome of a list that began then. It
// returns those that were told to stop before anybody knew of them, and why.
func (m *memory) learn(next map[string]known, began time.Time) map[string]string {
	before := m.known
	m.known = next
	m.touches.learn(next, began)
	late := map[string]string{}
	maps.DeleteFunc(m.stopping, func(id string, s stop) bool {
		k, listed := next[id]
		switch {
		case !listed:
			return s.heard.Before(began) // else the list may be too old to have it
		case !k.inspected:
			return false
		case k.container.Started.After(s.at):
			return true
		case !before[id].inspected:
			late[id] = s.reason
		}
		return false
	})
	return late
}

// sameSummaries reports whether two lists said the same of what events tell of.
// No event tells of what a manager says of its tasks.
func sameSummaries(a, b map[string]known) bool {
	return maps.EqualFunc(withoutTasks(a), withoutTasks(b), func(a, b known) bool { return a.summary == b.summary })
}

func withoutTasks(all map[string]known) map[string]known {
	rest := maps.Clone(all)
	maps.DeleteFunc(rest, func(_ string, k known) bool { return k.summary.Revision != "" })
	return rest
}
