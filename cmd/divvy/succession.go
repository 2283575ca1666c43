package main

import (
	"slices"

	"divvy/cmd/internal/catalog"
)

// commit watches exactly those of next. Those that are new begin with what was
// known of the engines that they take the place of, so that nothing is
// forgotten because a name or a file is another now.
func (e *engines) commit(next []*engine) {
	var gone []*engine
	heard := map[*engine][]*engine{} // by whom, of what the new ones watch
	e.mu.Lock()
	for _, w := range e.watched {
		if !slices.Contains(next, w) {
			gone = append(gone, w)
			if w.stop != nil {
				w.stop()
			}
		}
	}
	for _, n := range next {
		if !slices.Contains(e.watched, n) {
			heard[n] = n.inherit(gone, next)
		}
	}
	e.mu.Unlock()

	for n, all := range heard { // without e.mu: a watcher that holds its own may want ours
		for _, w := range all {
			n.watcher.Inherit(w.watcher)
		}
		if n.known {
			n.layers.Inherit(all[0].layers)
		}
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	e.watched = next
	e.start()
}

// inherit takes over what was known of the engine until it is listed anew. One
// of which nothing was known may be one of those that nobody else takes the
// place of, by another name and another way: they stay until it is known. It
// returns those that have heard of its containers. engines.mu is held.
func (n *engine) inherit(gone, next []*engine) []*engine {
	if w := n.predecessor(gone, next); w != nil {
		name := n.host.Name
		n.host, n.known, n.replaced = w.host, w.known, w.replaced
		n.host.Name = name
		if w.endpoint() == n.endpoint() {
			n.began = w.began
		}
		return []*engine{w}
	}
	for _, w := range gone {
		if !slices.ContainsFunc(next, func(o *engine) bool { return o.predecessor(gone, next) == w }) {
			n.replaced = append(append(n.replaced, w), w.replaced...)
		}
	}
	return n.replaced
}

// predecessor returns which of those that are gone had the engine's endpoint, or
// else its name unless it has moved to another; nil if none had.
func (n *engine) predecessor(gone, next []*engine) *engine {
	at := func(all []*engine, endpoint string) int {
		return slices.IndexFunc(all, func(w *engine) bool { return w.endpoint() == endpoint })
	}
	if i := at(gone, n.endpoint()); i >= 0 {
		return gone[i]
	}
	for _, w := range gone {
		if w.host.Name == n.host.Name && at(next, w.endpoint()) < 0 {
			return w
		}
	}
	return nil
}

// endpoint returns where the engine is.
func (n *engine) endpoint() string { return n.client.Host().Endpoint }

// leaving returns what engines ran that were replaced by some of all that are
// not known yet, but for what others run now.
func (e *engines) leaving(all []*engine, hosts []catalog.Host) []catalog.Host {
	var still []*engine
	e.mu.Lock()
	for _, w := range all {
		for _, r := range w.replaced {
			if w.awaited() && r.known && !slices.Contains(still, r) {
				still = append(still, r)
			}
		}
	}
	e.mu.Unlock()
	if len(still) == 0 {
		return nil
	}
	listed := map[string]bool{}
	var left []catalog.Host
	note := func(h catalog.Host) {
		for _, c := range h.Containers {
			listed[c.ID] = true
		}
	}
	for _, h := range hosts {
		note(h)
	}
	for _, r := range still {
		h, _ := e.host(r)
		running := h.Containers
		h.Containers, h.Down = nil, true
		for _, c := range running {
			if !listed[c.ID] {
				h.Containers = append(h.Containers, c)
			}
		}
		note(h)
		left = append(left, h)
	}
	return left
}
