package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"divvy/router"
)

// Format is the version of the document's form that this program writes, and
// the latest that it reads.
const Format = 1

// Bounds of a document. Where there are many services the history of each is
// shorter, so that all of it stays small enough to be written with every edit.
const (
	maxServices   = 10_000
	maxHistory    = 100 // entries of one service; older ones are forgotten
	minHistory    = 5
	maxEntries    = 20_000  // of all services, roughly
	maxRolledBack = 100     // images of one service; those of longest ago are forgotten
	maxLabels     = 512     // tags of one service; those that are gone are forgotten
	maxText       = 1000    // bytes
	maxRevision   = 1 << 53 // what a browser can count to
)

// Document is all that is remembered. It is a value: a change makes another.
type Document struct {
	Format   int                `json:"format"`
	Revision uint64             `json:"revision"` // grows by one with every edit
	Services map[string]Service `json:"services"`
}

// Split is who gets what of a service.
type Split struct {
	// Weights are the relative shares by name, as in router.Config; none at all
	// gives everything to the version that came first.
	Weights map[string]int `json:"weights"`

	// Holders are the images that have the weight of a name which others run
	// under, too; router.First stands for the whole where there are no weights.
	Holders map[string]string `json:"holders,omitempty"`
}

// Service is what is remembered of one service.
type Service struct {
	// Revision is that of the document when the service was last edited, 0 if
	// it never was.
	Revision uint64 `json:"revision"`

	// File and Labels are what these said when the split was set.
	File   map[string]int `json:"file,omitempty"`
	Labels map[string]int `json:"labels,omitempty"`

	// Split is in force, unless it is nil: then file or labels are.
	Split *Split `json:"split,omitempty"`

	// RolledBack are the images that get no weight by themselves, the oldest
	// first.
	RolledBack []RolledBack `json:"rolled_back,omitempty"`

	// History has the edits, the latest last.
	History []Entry `json:"history,omitempty"`
}

// RolledBack is an image that was taken out of service because it was bad.
type RolledBack struct {
	Image string    `json:"image"`
	Name  string    `json:"name"` // as it was shown then
	Time  time.Time `json:"time"`
}

// Entry is one edit as the history has it.
type Entry struct {
	Revision uint64    `json:"revision"`
	Time     time.Time `json:"time"`
	Kind     Kind      `json:"kind"`
	Who      string    `json:"who"`
	Via      string    `json:"via"` // "file", "label", "api", "command line", "divvy"
	Why      string    `json:"why,omitempty"`
	From     Split     `json:"from"`
	To       Split     `json:"to"`

	// Undone, of a Rollback, is the revision that it went back on.
	Undone uint64 `json:"undone,omitempty"`

	// Images are those that had weight before.
	Images []string `json:"images,omitempty"`
}

// decode reads a document. What it cannot read it says, with what to do.
func decode(data []byte) (Document, error) {
	d := Document{}
	if err := unmarshal(data, &d); err != nil {
		return Document{}, err
	}
	if err := d.validate(); err != nil {
		return Document{}, fmt.Errorf("it is damaged: %w", err)
	}
	return d, nil
}

// unmarshal reads a value with a format into what knows all of its keys: what is
// not known would be lost when it is written again.
func unmarshal(data []byte, into any) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	if head.Format > Format {
		return fmt.Errorf("it was written by a later divvy, which is the one to run: its format is %d, and this one reads up to %d", head.Format, Format)
	}
	if head.Format < 1 {
		return fmt.Errorf("it is damaged: its format is %d, which is none", head.Format)
	}
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	if err := in.Decode(into); err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	return nil
}

func (d *Document) validate() error {
	if d.Revision >= maxRevision {
		return fmt.Errorf("its revision is %d, which nobody has counted to", d.Revision)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Services)) {
		s := d.Services[name]
		if s.Revision > d.Revision {
			return fmt.Errorf("service %s has revision %d, later than the document's %d", name, s.Revision, d.Revision)
		}
		if err := s.validate(); err != nil {
			return fmt.Errorf("service %s %w", name, err)
		}
	}
	return nil
}

func (s *Service) validate() error {
	splits := []Split{{Weights: s.Labels}}
	if s.Split != nil {
		splits = append(splits, *s.Split)
	}
	last := uint64(0)
	for _, e := range s.History {
		if e.Revision <= last || e.Revision > s.Revision {
			return fmt.Errorf("has an edit of revision %d after that of %d, and is at %d", e.Revision, last, s.Revision)
		}
		last = e.Revision
		splits = append(splits, e.From, e.To)
	}
	for _, split := range splits {
		for _, version := range slices.Sorted(maps.Keys(split.Weights)) {
			if w := split.Weights[version]; w < 0 || w > router.MaxWeight {
				return fmt.Errorf("gives %s the weight %d, which is none of 0 to %d", version, w, router.MaxWeight)
			}
		}
	}
	return nil
}

func (d *Document) encode() ([]byte, error) {
	d.Format = Format
	out, err := json.MarshalIndent(d, "", " ")
	return append(out, '\n'), err
}

// moves reports whether another split gives the weight of a name to another image
// than is known to have it.
func (s Split) moves(to Split) bool {
	for name, image := range s.Holders {
		if to.Holders[name] != image {
			return true
		}
	}
	return false
}

// put returns the document with a service changed, under the next revision. The
// service has its own: that of the last edit that gave somebody something else.
func (d Document) put(name string, s Service) (Document, error) {
	if _, known := d.Services[name]; !known && len(d.Services) >= maxServices {
		return d, invalid("there are %d services already, which is as many as are remembered: take out of %s those that are gone, while no divvy runs", maxServices, documentKey)
	}
	d.Services = maps.Clone(d.Services)
	if d.Services == nil {
		d.Services = map[string]Service{}
	}
	d.Revision++
	d.Services[name] = s
	return d, nil
}

// remember returns a history with one entry more. What divvy does by itself in a
// row is one entry, or a version that comes and goes would push out all that
// people did.
func (d *Document) remember(history []Entry, e Entry) []Entry {
	if n := len(history); n > 0 && e.Kind == Takeover && history[n-1].Kind == Takeover {
		e.From, e.Images = history[n-1].From, history[n-1].Images
		history = history[:n-1]
	}
	history = append(slices.Clip(history), e)
	most := min(maxHistory, max(minHistory, maxEntries/max(1, len(d.Services))))
	return history[max(0, len(history)-most):]
}

// Current returns the split in force, where labels say this now.
func (s *Service) Current(labels map[string]int) Split {
	if s.Split == nil {
		return Split{Weights: maps.Clone(labels)}
	}
	now := s.Split.clone()
	if len(s.File) > 0 {
		return now // where the file says something, labels do not count
	}
	for name, w := range labels {
		if was, known := s.Labels[name]; !known || was != w {
			if now.Weights == nil {
				now.Weights = map[string]int{}
			}
			now.Weights[name] = w
		}
	}
	now.prune()
	return now
}

// Images returns the images that were rolled back.
func (s *Service) Images() []string {
	var all []string
	for _, r := range s.RolledBack {
		all = append(all, r.Image)
	}
	return all
}

func (s Split) clone() Split {
	return Split{maps.Clone(s.Weights), maps.Clone(s.Holders)}
}

// effective returns what of a split gives somebody something.
func (s Split) effective() Split {
	out := s.clone()
	maps.DeleteFunc(out.Weights, func(_ string, w int) bool { return w == 0 })
	out.prune()
	return out
}

func (s Split) equal(o Split) bool {
	return maps.Equal(s.Weights, o.Weights) && maps.Equal(s.Holders, o.Holders)
}
