package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"divvy/router"
	"divvy/router/state"
)

// holders remembers which image has the weight of each name, so that it stays
// there when another image runs under the name, too, and divvy or the image's
// containers are started anew; and so that a rollback knows which image was bad,
// though it does not run any more. While an image is away, the next one answers in
// its place; when it has been away for graceTime, that one has the weight from then
// on.
type holders struct {
	recorder

	mu    sync.Mutex // guards the fields below
	away  map[string]time.Time
	timer *time.Timer
	ended bool
}

// graceTime is how long an image may be away and keeps its weight: as long as it
// takes to restart a container.
const graceTime = 30 * time.Second

// look compares what is so with what is recorded. The table was made of inputs
// and d. It is called with the program's mutex held, and does not block.
func (h *holders) look(t *router.Table, inputs []router.Input, d *state.Document) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, away := time.Now(), map[string]time.Time{}
	next := graceTime
	for i, s := range t.Services {
		recorded := inputs[i].Holders
		want := maps.Clone(recorded)
		edited := d.Services[s.Name].Split != nil // or there is nothing to go back to
		var why []string
		for name, holder := range s.Holders() {
			was := recorded[name]
			switch {
			case was == holder.Image || was == "" && !holder.Contested && !edited, !strings.Contains(holder.Image, ":"):
				continue // a static version is what its name says
			case was == "":
				why = append(why, "which image has "+weightOf(name)+" is now known")
			default:
				key := s.Name + " " + name + " " + was
				since, known := h.away[key]
				if !known {
					since = now
				}
				away[key] = since
				if left := graceTime - now.Sub(since); left > 0 {
					next = min(next, left)
					continue
				}
				why = append(why, "the image that had "+weightOf(name)+" is gone")
			}
			if want == nil {
				want = map[string]string{}
			}
			want[name] = holder.Image
		}
		if len(why) > 0 {
			slices.Sort(why)
			revision := d.Services[s.Name].Revision
			h.want(s.Name, state.Edit{
				Kind: state.Takeover, Holders: want, Revision: &revision,
				Who: "divvy", Via: "divvy", Why: strings.Join(why, "; "),
			}, true)
		}
	}
	h.away = away
	h.schedule(next)
}

// weightOf names the weight of a name of a split.
func weightOf(name string) string {
	if name == router.First {
		return "all the weight"
	}
	return "the weight of " + name
}

// schedule sees to it that it is looked again when an image has been away for long
// enough. h.mu is held.
func (h *holders) schedule(next time.Duration) {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	if len(h.away) > 0 && !h.ended {
		h.timer = time.AfterFunc(next, func() {
			h.program.mu.Lock()
			defer h.program.mu.Unlock()
			h.program.publish()
		})
	}
}

// Run records what is due until ctx ends.
func (h *holders) Run(ctx context.Context) error {
	err := h.recorder.Run(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.schedule(0)
	return err
}
