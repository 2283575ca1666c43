package docker

import "time"

// handover is how long a task must have been seen running before those that it
// replaces are let go: so long it may take until it has been tried and is in use.
const handover = 500 * time.Millisecond

// handOver completes the census c that was taken now. Tasks that shall run no
// more are not in it, which drains them before their stop signal is sent. That
// is too early for the last of a service, while nobody can take their place:
//
//	                  old task                       new task
//	update, if the    shall end, and is kept         was seen running
//	new one starts    …                              has been tried, and is in use
//	first             is let go                      handover later
//	or at last        its stop signal is sent
//
// What runs on another machine, where a stop signal cannot be heard, is kept no
// longer than that.
func (c *census) handOver(last *census, local []Summary, now time.Time) {
	c.date(last, now)
	if last == nil {
		return
	}
	settled := map[string]bool{} // by service: others can do the work
	for _, t := range c.tasks {
		if !t.since.IsZero() && now.Sub(t.since) >= handover {
			settled[t.service] = true
		}
	}
	running := map[string]bool{}
	for _, l := range local {
		running[l.ID] = true
	}
	for id, t := range last.tasks {
		if _, stays := c.tasks[id]; stays || settled[t.service] || t.since.IsZero() {
			continue
		}
		if t.leaving.IsZero() {
			t.leaving = now
		}
		if t.here && running[id] || !t.here && now.Sub(t.leaving) < handover {
			c.tasks[id] = t
			c.handing = true
		}
	}
}

// date notes since when tasks are seen running. Those that were there first have
// been for long.
func (c *census) date(last *census, now time.Time) {
	for id, t := range c.tasks {
		switch {
		case !t.running:
		case last == nil:
			t.since = now.Add(-handover)
		case last.tasks[id].since.IsZero():
			t.since = now
		default:
			t.since = last.tasks[id].since
		}
		c.tasks[id] = t
	}
}
