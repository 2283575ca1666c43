package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/config"
)

// Finding says whether one container is what its image says.
type Finding struct {
	ID, Name    string
	Host        string // whose engine runs it; "" if that is not asked
	Mode        string // config.Warn, Require or Off
	Fingerprint string
	ReadOnly    bool
	Started     time.Time
	Looked      time.Time // when its files were looked at last; zero if never

	// Mutations are what speaks against it.
	Mutations []backends.Mutation

	// Unknown says what could not be found out; "" if everything could.
	Unknown string
}

// describe says of an endpoint what was found.
func (f *Finding) describe(e *backends.Endpoint) {
	e.Fingerprint = f.Fingerprint
	if f.Mode == config.Off {
		return
	}
	e.Mutations = f.Mutations
	if f.Mode == config.Require && len(f.Mutations) > 0 {
		e.Barred = `it may not be what its image says, and immutable is "require": ` + f.Mutations[0].Detail
	}
}

// examine finds out which containers of a group are what their images say.
func (c *Catalog) examine(g *group) {
	mode := cmp.Or(g.service.Immutable, config.Warn)
	for _, m := range g.members {
		m.found = Finding{ID: m.ID, Name: m.Name, Mode: mode, ReadOnly: m.ReadOnly, Started: m.Started}
		if m.err != nil {
			continue
		}
		m.examine(g.ignored(m))
	}
	for _, same := range g.byImage() {
		c.compare(g, same)
	}
	for _, m := range g.members {
		if m.err == nil {
			c.Examined[g.service.Name] = append(c.Examined[g.service.Name], m.found)
			c.subject(g, m)
		}
	}
	if mode != config.Off {
		c.reportMutations(g)
		c.reportHosts(g)
	}
}

// ignored returns what counts for nothing in a container.
func (g *group) ignored(m *member) docker.Ignore {
	if g.ignore == nil {
		g.ignore = slices.Concat(docker.DefaultIgnore(), g.service.Ignore)
	}
	if len(m.labels.ignore) == 0 {
		return g.ignore // shared by most
	}
	return slices.Concat(g.ignore, m.labels.ignore)
}

// examine looks at what is known of one container alone.
func (m *member) examine(ignore docker.Ignore) {
	f := &m.found
	note := func(kind backends.MutationKind, since time.Time, format string, args ...any) {
		f.Mutations = append(f.Mutations, backends.Mutation{Kind: kind, Detail: fmt.Sprintf(format, args...), Since: since})
	}
	if m.engine == nil {
		f.Unknown = "it runs on another node; list that engine as [[docker.host]]"
		return
	}
	f.Host = m.engine.Name
	for _, t := range m.engine.Touches[m.ID] {
		note(t.Kind, t.At, "touched by hand at %s: %s", t.At.Format("2006-01-02 15:04"), touchText[t.Kind])
	}
	for _, mount := range m.Mounts {
		if mount.Lasting && mount.Writable && !ignore.Path(mount.Destination) {
			note(backends.MutationMount, m.Started, "it may write into %s", mount)
		}
	}
	layer := m.engine.Layers[m.ID]
	f.Looked = layer.Looked
	if changes := relevant(layer.Found, ignore, m.Mounts); len(changes) > 0 {
		since := slices.MinFunc(changes, func(a, b docker.Change) int { return a.Seen.Compare(b.Seen) }).Seen
		note(backends.MutationFiles, since, "files differ from its image: %s", backends.Enumerate(changes))
	}
	switch {
	case m.ReadOnly: // then there is nothing in its layer
	case layer.Err != "":
		f.Unknown = layer.Err
	case layer.Looked.IsZero():
		f.Unknown = "its files have not been looked at yet"
	case len(relevant(layer.Unsure, ignore, m.Mounts)) > 0:
		f.Unknown = fmt.Sprintf("nothing says whether they are files or folders: %s; a proxy before the engine may refuse HEAD /containers/{id}/archive",
			backends.Enumerate(relevant(layer.Unsure, ignore, m.Mounts)))
	case layer.Partial:
		f.Unknown = "it has changed so many files that not all could be looked at"
	}
}

var touchText = map[backends.MutationKind]string{
	backends.MutationExec:   "a process was started in it (exec)",
	backends.MutationCopy:   "files were copied into it (copy)",
	backends.MutationUpdate: "its limits were changed (update)",
}

// relevant returns the changes that count.
func relevant(all []docker.Change, ignore docker.Ignore, mounts []docker.Mount) []docker.Change {
	return slices.DeleteFunc(slices.Clone(all), func(c docker.Change) bool {
		return ignore.Path(c.Path) || docker.MadeByMounts(c.Path, mounts)
	})
}

// byImage returns the members without mistakes that run the same image, the
// oldest of each image first.
func (g *group) byImage() [][]*member {
	var all [][]*member
	place := map[string]int{}
	for _, m := range g.members {
		if m.err != nil {
			continue
		}
		i, known := place[m.Version.Key()]
		if !known {
			i, all = len(all), append(all, nil)
			place[m.Version.Key()] = i
		}
		all[i] = append(all[i], m)
	}
	return all
}

// compare finds out whether the containers of one image are configured alike.
// What its oldest is configured by counts. Of some it is not known, such as tasks
// of a Swarm on machines whose engines nobody asks.
func (c *Catalog) compare(g *group, same []*member) {
	same = slices.DeleteFunc(same, func(m *member) bool { return m.Fingerprint.Short(nil) == "" })
	if len(same) == 0 {
		return
	}
	first, ignore := same[0], g.ignored(same[0])
	var kinds []configuration
	place := map[string]int{}
	for _, m := range same {
		m.found.Fingerprint = m.Fingerprint.Short(ignore)
		i, known := place[m.found.Fingerprint]
		if !known {
			i = len(kinds)
			place[m.found.Fingerprint] = i
			differs := strings.Join(first.Fingerprint.Differences(&m.Fingerprint, ignore), ", ")
			kinds = append(kinds, configuration{fingerprint: m.found.Fingerprint, differs: differs, since: m.Started})
		}
		kinds[i].names = append(kinds[i].names, m.Name)
		if i > 0 {
			m.found.Mutations = append(m.found.Mutations, backends.Mutation{
				Kind: backends.MutationConfiguration, Since: m.Started,
				Detail: fmt.Sprintf("it is configured unlike %s, which came first: %s", first.Name, kinds[i].differs),
			})
		}
	}
	if len(kinds) < 2 || first.found.Mode == config.Off {
		return
	}
	drift := backends.Mutation{Kind: backends.MutationConfiguration, Since: kinds[1].since, Detail: driftText(first.Version.String(), kinds)}
	if c.Drifts[g.service.Name] == nil {
		c.Drifts[g.service.Name] = map[string]backends.Mutation{}
	}
	c.Drifts[g.service.Name][first.Version.Key()] = drift
	c.Problems = append(c.Problems, fmt.Sprintf("service %s: %s", g.service.Name, drift.Detail))
}

// configuration is one way in which containers of an image are configured.
type configuration struct {
	fingerprint string
	names       []string
	differs     string // in what, from that of the oldest
	since       time.Time
}

// driftText says in which configurations a version runs.
func driftText(version string, kinds []configuration) string {
	var parts []string
	for i, k := range kinds {
		part := fmt.Sprintf("%s (%s)", k.fingerprint, backends.Enumerate(k.names))
		if i > 0 {
			part += ", which differs in " + k.differs
		}
		parts = append(parts, part)
	}
	last := parts[len(parts)-1]
	if parts = parts[:len(parts)-1]; len(parts) >= backends.MostNamed {
		parts, last = parts[:backends.MostNamed], "others"
	}
	return fmt.Sprintf("%s runs in %d configurations: %s and %s", version, len(kinds), strings.Join(parts, ", "), last)
}

// subject wants a container's layer looked at by the engine that runs it. One
// that cannot write into it has nothing there.
func (c *Catalog) subject(g *group, m *member) {
	if m.ReadOnly || m.engine == nil {
		return
	}
	host := m.engine.Name
	s := docker.Subject{ID: m.ID, Name: m.Name, Started: m.Started, Ignore: g.ignored(m), OnDemand: m.found.Mode == config.Off}
	all := c.Subjects[host]
	i, known := c.places[host+" "+s.ID]
	if !known {
		c.places[host+" "+s.ID] = len(all)
		c.Subjects[host] = append(all, s)
		return
	}
	// It is of two services: what counts for one must be found.
	all[i].OnDemand = all[i].OnDemand && s.OnDemand
	all[i].Ignore = slices.DeleteFunc(slices.Clone(all[i].Ignore), func(entry string) bool { return !slices.Contains(s.Ignore, entry) })
}

// reportMutations says what speaks against the containers of a group, once for
// all of one image of which the same is said. The configuration has been said.
func (c *Catalog) reportMutations(g *group) {
	for _, same := range g.byImage() {
		var details []string
		names := map[string][]string{}
		for _, m := range same {
			for _, found := range m.found.Mutations {
				if found.Kind == backends.MutationConfiguration {
					continue
				}
				if names[found.Detail] == nil {
					details = append(details, found.Detail)
				}
				names[found.Detail] = append(names[found.Detail], m.Name)
			}
		}
		for _, d := range details {
			c.Problems = append(c.Problems, fmt.Sprintf("service %s: %s may not be what %s says: %s", g.service.Name, backends.Enumerate(names[d]), same[0].Version, d))
		}
	}
}

// reportHosts says which tags mean different images on different hosts. An image
// may run under several.
func (c *Catalog) reportHosts(g *group) {
	images := g.byImage()
	for i, a := range images {
		for _, b := range images[i+1:] {
			for _, tag := range tagsOf(a) {
				on, others := hostsOf(under(tag, a)), hostsOf(under(tag, b))
				apart := !slices.ContainsFunc(on, func(h string) bool { return slices.Contains(others, h) })
				if len(others) == 0 || !apart {
					continue
				}
				c.Problems = append(c.Problems, fmt.Sprintf("service %s: the tag %s means two images: %s on %s, %s on %s",
					g.service.Name, tag, under(tag, a)[0].Version, backends.Enumerate(on), under(tag, b)[0].Version, backends.Enumerate(others)))
			}
		}
	}
}

// tagsOf returns the tags that members run under, once each.
func tagsOf(members []*member) []string {
	return distinct(members, func(m *member) string { return m.Version.Tag })
}

// under returns those of the members that run under a tag.
func under(tag string, members []*member) []*member {
	return slices.DeleteFunc(slices.Clone(members), func(m *member) bool { return m.Version.Tag != tag })
}

// hostsOf returns the names of the hosts that members run on, once each.
func hostsOf(members []*member) []string {
	return distinct(members, func(m *member) string { return m.host.Name })
}

// distinct returns what is said of members, once each, in their order.
func distinct(members []*member, of func(*member) string) []string {
	var all []string
	for _, m := range members {
		if text := of(m); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}
