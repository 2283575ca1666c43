package state

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// rollback goes back to the weights before the last edit that was not gone back
// on, so that it can be repeated through the history:
//
//	edits     a  b  c  rollback  rollback  d  rollback  rollback
//	undone            c         b             d         a
//
// An edit whose end would change what nobody gets is passed over: one that had no
// effect, or took out of the split what had no weight.
func (c *change) rollback() error {
	standing := standing(c.service.History)
	for _, e := range slices.Backward(standing) {
		c.to = c.undo(e)
		if c.to.effective().equal(c.from.effective()) {
			continue
		}
		c.undone = e.Revision
		c.restore(e.Images)
		return c.leavesSomebody()
	}
	return invalid("there is nothing to go back to: the history has no earlier split")
}

// standing returns the entries that were not gone back on. What divvy did by
// itself is not among them.
func standing(history []Entry) []Entry {
	var all []Entry
	for _, e := range history {
		switch e.Kind {
		case Takeover:
		case Rollback:
			all = slices.DeleteFunc(all, func(o Entry) bool { return o.Revision >= e.Undone })
		default:
			all = append(all, e)
		}
	}
	return all
}

// undo returns the split without what an entry did. What has been found out since
// of who has the weight of a tag stays, unless the entry was about that.
func (c *change) undo(e Entry) Split {
	to := Split{Weights: maps.Clone(e.From.Weights), Holders: maps.Clone(c.from.Holders)}
	for name, was := range e.From.Holders {
		if e.To.Holders[name] != was {
			to.setHolder(name, was)
		}
	}
	to.prune()
	return to
}

// restore lets those have weight again that had it before, though they were
// rolled back since: the stable version, say, that came back as a candidate once
// and was rolled back as such.
func (c *change) restore(had []string) {
	bad := c.service.Images()
	others := slices.DeleteFunc(slices.Clone(bad), func(image string) bool { return slices.Contains(had, image) })
	c.lifted = slices.DeleteFunc(keysOf(weighing(c.apply(c.to, others))), func(image string) bool { return !slices.Contains(bad, image) })
}

// stillRolledBack returns the images that the edit does not give weight.
func (c *change) stillRolledBack() []string {
	return slices.DeleteFunc(c.service.Images(), func(image string) bool { return slices.Contains(c.lifted, image) })
}

// rolledBack returns what is rolled back after the edit: what was before, but
// for what it gives weight, and what loses all of its weight by going back.
func (c *change) rolledBack(now time.Time) []RolledBack {
	all := slices.DeleteFunc(slices.Clone(c.service.RolledBack), func(r RolledBack) bool { return slices.Contains(c.lifted, r.Image) })
	if c.Kind != Rollback {
		return all
	}
	after := keysOf(weighing(c.apply(c.to, c.stillRolledBack())))
	for _, v := range c.before {
		if !slices.Contains(after, v.Key()) {
			all = append(all, RolledBack{v.Key(), v.Name, now})
		}
	}
	for _, gone := range c.goneBad(now) {
		known := slices.ContainsFunc(all, func(r RolledBack) bool { return r.Image == gone.Image })
		if !known && !slices.Contains(after, gone.Image) {
			all = append(all, gone)
		}
	}
	return all[max(0, len(all)-maxRolledBack):]
}

// goneBad returns the images that lose their weight by going back and do not run
// now: who goes back often does so because they have crashed.
func (c *change) goneBad(now time.Time) []RolledBack {
	var all []RolledBack
	to := c.to.effective()
	for name, image := range c.from.effective().Holders {
		if to.Holders[name] != image {
			_, digest, _ := strings.Cut(image, ":")
			shown := tagOf(name) + "@" + digest[:min(8, len(digest))]
			all = append(all, RolledBack{image, shown, now})
		}
	}
	slices.SortFunc(all, func(a, b RolledBack) int { return strings.Compare(a.Name, b.Name) })
	return all
}
