package main

import (
	"maps"

	"divvy/router/state"
)

// relabels records edits of weights by label: of a Swarm's service while it
// runs, or by replacing a container. They are in force at once, by the table; this
// is so that the history has them, and rollback can go back on them.
type relabels struct {
	recorder

	// said is what the label of each name said last, by service, be it of
	// containers that are gone. It is guarded by the program's mutex.
	said map[string]map[string]int
}

// maxSaid bounds the names of one service whose labels are remembered.
const maxSaid = 1000

// look compares what labels say with what they said before, and with what is
// recorded of it. It is called with the program's mutex held, and does not block.
func (r *relabels) look() {
	d := r.program.keeper.Document()
	if r.said == nil {
		r.said = map[string]map[string]int{}
	}
	for service, is := range r.program.labels {
		was := map[string]int{}
		maps.Copy(was, d.Services[service].Labels)
		maps.Copy(was, r.said[service])
		if edited(was, is) {
			// What is due already begins with what was before that.
			r.want(service, state.Edit{Kind: state.Label, Weights: was, Who: "whoever set the label divvy.weight", Via: "label"}, false)
		}
		said := r.said[service]
		if said == nil || len(said) > maxSaid {
			said = map[string]int{}
			r.said[service] = said
		}
		maps.Copy(said, is)
	}
	maps.DeleteFunc(r.said, func(service string, _ map[string]int) bool {
		_, known := d.Services[service]
		_, runs := r.program.labels[service]
		return !known && !runs && len(r.said) > maxSaid
	})
}

// edited reports whether labels say another weight for a name than they did. A
// name that is new is that of a version that is.
func edited(was, is map[string]int) bool {
	for name, w := range is {
		if before, known := was[name]; known && before != w {
			return true
		}
	}
	return false
}
