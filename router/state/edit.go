package state

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"divvy/router"
)

// Kind says what an edit does.
type Kind string

// The kinds of edits.
const (
	Weights  Kind = "weights"  // sets the weights of the names given, and leaves the others alone
	Replace  Kind = "replace"  // sets all weights; what is not given is dark
	Promote  Kind = "promote"  // gives everything to one version
	Drain    Kind = "drain"    // takes a version out of the split
	Adopt    Kind = "adopt"    // gives the weight of a tag that moved to the newest image
	Rollback Kind = "rollback" // goes back to the split before the last edit that was not gone back on
	File     Kind = "file"     // takes what the file says, or else the labels, if the file says something new
	Label    Kind = "label"    // records that labels were edited, which is in force already
	Takeover Kind = "takeover" // divvy's own: a holder is gone, or shares its name from now on
)

// Edit is a change of one service's split that somebody wants.
type Edit struct {
	Kind    Kind
	Weights map[string]int // of Weights, Replace and File; of Label what labels said before
	Version string         // of Promote, Drain and Adopt

	// Holders are the images of Takeover.
	Holders map[string]string

	// Absent lets an edit name versions that do not run, and leave nobody to
	// answer.
	Absent bool

	// Revision is that of the service which the edit is based on; nil for
	// whatever it is.
	Revision *uint64

	Who, Via, Why string
}

// World is what an edit is judged by: what the labels say, and what runs.
type World struct {
	Labels map[string]int

	// Input is the service as it is; its weights, holders and rolled-back
	// images are of no account.
	Input router.Input
}

// StaleError says that an edit is based on a revision that is not the present
// one.
type StaleError struct{ Based, Present uint64 }

// Error implements error.
func (e *StaleError) Error() string {
	return fmt.Sprintf("the edit is based on revision %d, and the split has revision %d now: look at it again", e.Based, e.Present)
}

// InvalidError says why an edit makes no sense.
type InvalidError struct{ Text string }

// Error implements error.
func (e *InvalidError) Error() string { return e.Text }

func invalid(format string, args ...any) error { return &InvalidError{fmt.Sprintf(format, args...)} }

// Edit returns the document with an edit of a service applied to it. An edit
// that changes nothing returns it as it is, under the same revision. It returns
// a StaleError or an InvalidError for what cannot be done.
func (d Document) Edit(service string, e Edit, w World, now time.Time) (Document, error) {
	s, known := d.Services[service]
	if e.Revision != nil && *e.Revision != s.Revision {
		return d, &StaleError{*e.Revision, s.Revision}
	}
	if err := e.validate(); err != nil {
		return d, err
	}
	if e.Kind == File && maps.Equal(e.Weights, s.File) {
		return d, nil // it says nothing new, so what was edited since stays
	}
	now = now.UTC().Truncate(time.Millisecond)
	c := newChange(s, e, w)
	if err := c.make(); err != nil {
		return d, err
	}
	c.hold()
	c.to.prune()
	from, to := c.from, c.to

	next := s
	next.Split = &to
	next.RolledBack = c.rolledBack(now)
	next.Labels = c.labels()
	if e.Kind == File {
		next.File = maps.Clone(e.Weights)
		if len(e.Weights) == 0 && to.Holders == nil {
			next.Split = nil // it is as if nobody had ever edited
		}
	}
	if e.Kind == Label && s.Split == nil {
		next.Split = nil // labels are in force as before
	}
	changed := !to.equal(from) || !slices.Equal(next.RolledBack, s.RolledBack)
	if !changed && e.Kind != File {
		return d, nil
	}
	switch {
	case e.Kind == File && !known: // what a file says at first goes back to nothing
	case e.Kind == Takeover && !from.moves(to): // nobody gets anything else: edits may be based on what was
		return d.put(service, next)
	case changed:
		next.History = d.remember(s.History, Entry{
			Revision: d.Revision + 1, Time: now, Kind: e.Kind, Undone: c.undone,
			Who: e.Who, Via: e.Via, Why: e.Why, From: from, To: to, Images: keysOf(c.before),
		})
	}
	next.Revision = d.Revision + 1
	return d.put(service, next)
}

// validate looks at what the history is to have of an edit.
func (e *Edit) validate() error {
	for key, text := range map[string]string{"who": e.Who, "via": e.Via, "why": e.Why} {
		if len(text) > maxText {
			return invalid("%s has %d bytes: use at most %d", key, len(text), maxText)
		}
	}
	return nil
}

// labels returns what labels are known to have said after the edit. A tag whose
// containers are gone for now is remembered, or its label would count as a new
// one when they come back.
func (c *change) labels() map[string]int {
	if c.Kind == File {
		return maps.Clone(c.World.Labels)
	}
	all := maps.Clone(c.service.Labels)
	if all == nil {
		all = map[string]int{}
	}
	maps.Copy(all, c.World.Labels)
	if len(all) > maxLabels {
		maps.DeleteFunc(all, func(name string, _ int) bool {
			_, runs := c.World.Labels[name]
			_, named := c.to.Weights[name]
			return !runs && !named
		})
	}
	return all
}

// prune leaves out holders of names that are not in the split.
func (s *Split) prune() {
	maps.DeleteFunc(s.Holders, func(name, _ string) bool {
		_, named := s.Weights[name]
		return !named && (name != router.First || len(s.Weights) > 0)
	})
	if len(s.Holders) == 0 {
		s.Holders = nil
	}
}

func (s *Split) setHolder(name, image string) {
	if s.Holders == nil {
		s.Holders = map[string]string{}
	}
	s.Holders[name] = image
}

// Apply returns a service as it is with a split.
func Apply(in router.Input, s Split, rolledBack []string) *router.Service {
	in.Weights, in.Holders, in.RolledBack = s.Weights, s.Holders, rolledBack
	return router.NewService(in)
}
