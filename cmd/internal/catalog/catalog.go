// Package catalog combines what the file says with what runs: which services
// exist, and which containers and static addresses are theirs.
//
// It is a pure function of both, evaluated anew whenever either changes. What
// does not fit concerns the one container that it is about, and is reported
// with what to set to change that.
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
	"divvy/router"
)

// Host is what runs on one Docker host, and from where divvy reaches it.
type Host struct {
	Name       string
	Vantage    docker.Vantage
	Containers []docker.Container
	Layers     map[string]docker.Layer   // by container
	Touches    map[string][]docker.Touch // by container

	// Cluster is the ID of the Swarm that it manages, "" if it manages none, and
	// Nodes are the IDs of its nodes; Down means that its engine does not answer,
	// so that others may know better.
	Cluster string
	Nodes   map[string]bool
	Down    bool
}

// Catalog is all services and all that may answer for them.
type Catalog struct {
	// Services are those of the file, in its order, then those of labels, the
	// oldest first. Their weights are those of the file.
	Services []router.Config

	// Weights are those that labels say, by service; none where the file says
	// some.
	Weights map[string]map[string]int

	Endpoints []backends.Endpoint

	// Examined says of each container whether it is what its image says, by
	// service.
	Examined map[string][]Finding

	// Drifts are the versions that run in several configurations, by service and
	// image.
	Drifts map[string]map[string]backends.Mutation

	// Subjects are the containers whose layers are to be looked at, by host.
	Subjects map[string][]docker.Subject
	places   map[string]int // in Subjects, by host and container, while the catalog is made

	// Problems are sentences about what could not be used as it is, but for
	// those that stand in an Endpoint.
	Problems []string
}

// member is a container of a service, while the catalog is made.
type member struct {
	*docker.Container
	host   *Host // that tells of it
	engine *Host // that runs it; nil if nobody asks that one
	labels labels
	err    error
	found  Finding
}

// group is a service and its containers, while the catalog is made.
type group struct {
	service    config.Service
	fromFile   bool
	repository string
	members    []*member
	ignore     docker.Ignore // what counts for nothing in all of them
}

// Combine makes the catalog of a file and what runs.
func Combine(file []config.Service, hosts []Host) *Catalog {
	c := &Catalog{
		Weights: map[string]map[string]int{}, Examined: map[string][]Finding{},
		Drifts: map[string]map[string]backends.Mutation{}, Subjects: map[string][]docker.Subject{}, places: map[string]int{},
	}
	groups := c.groupsOf(file)
	named, running := map[string]*group{}, map[string][]*group{}
	for _, g := range groups {
		named[g.service.Name] = g
		if g.repository != "" {
			running[g.repository] = append(running[g.repository], g)
		}
	}
	for _, m := range c.membersOf(hosts) {
		if name := m.labels.service; name != "" {
			g := named[name]
			if g == nil {
				g = &group{service: config.DefaultService()}
				g.service.Name = name
				named[name] = g
				groups = append(groups, g)
			}
			g.members = append(g.members, m)
			continue
		}
		mine := false
		for _, g := range running[m.Version.Repository] {
			if g.allows(m.Project) {
				g.members = append(g.members, m)
				mine = true
			}
		}
		if !mine && m.labels.any {
			c.Problems = append(c.Problems, fmt.Sprintf("container %s: it has labels for divvy, but belongs to no service: set the label divvy.service", m.Name))
		}
	}
	for _, g := range groups {
		c.add(g)
	}
	c.dropConflicts(len(file))
	return c
}

// groupsOf returns a group for each service of the file.
func (c *Catalog) groupsOf(file []config.Service) []*group {
	var groups []*group
	for _, s := range file {
		g := &group{service: s, fromFile: true}
		if s.Image != "" {
			// The file has been validated, so this cannot fail.
			g.repository, _ = docker.Repository(s.Image)
		}
		groups = append(groups, g)
	}
	return groups
}

// membersOf returns all containers, the oldest first, so that whoever was
// there first decides. One that two hosts list counts once.
func (c *Catalog) membersOf(hosts []Host) []*member {
	var all []*member
	runners := runnersOf(hosts)
	hosts = withoutDoubles(hosts)
	by := map[string]*Host{}
	for i := range hosts {
		h := &hosts[i]
		var twin *Host
		for j := range h.Containers {
			m := &member{Container: &h.Containers[j], host: h, engine: h}
			if other := by[m.ID]; other != nil {
				twin = other
				continue
			}
			by[m.ID] = h
			if m.Elsewhere {
				m.foundAt(runners[m.ID])
			}
			m.labels, m.err = parseLabels(m.Labels)
			all = append(all, m)
		}
		if twin != nil {
			c.Problems = append(c.Problems, fmt.Sprintf("docker host %s: it is the engine of host %s: leave one of them out", h.Name, twin.Name))
		}
	}
	slices.SortStableFunc(all, func(a, b *member) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return all
}

func (g *group) allows(project string) bool {
	return g.service.Project == "" || g.service.Project == project
}

// add completes a group and adds it to the catalog.
func (c *Catalog) add(g *group) {
	if !g.fromFile {
		g.adopt()
	}
	for _, m := range g.members {
		g.judge(m)
	}
	c.examine(g)
	if text := g.trusting(); text != "" {
		c.Problems = append(c.Problems, text)
	}
	for _, m := range g.members {
		c.endpoint(g, m)
	}
	if len(g.service.Weights) == 0 {
		c.Weights[g.service.Name] = c.labelWeights(g)
	}
	for i, b := range g.service.Backends {
		c.Endpoints = append(c.Endpoints, backends.Endpoint{
			Service: g.service.Name, ID: b.Address, Name: b.Address, Addr: b.Address,
			Version: backends.Version{Tag: b.Version}, Care: &g.service.Care, Dialect: g.dialect(),
			Created: time.Unix(0, int64(i)), // the order of the file is their age
		})
	}
	c.Services = append(c.Services, g.service.Config)
}

// adopt takes what the labels say of a service from its oldest container that
// says it without mistakes.
func (g *group) adopt() {
	for _, m := range g.members {
		if m.err != nil {
			continue
		}
		g.service.Project, g.repository = m.Project, m.Version.Repository
		m.labels.describe(&g.service.Config)
		g.service.Care = m.labels.care
		g.service.Immutable = m.labels.immutable
		return
	}
}

// judge finds out whether a container that claims to be of a service is.
func (g *group) judge(m *member) {
	switch {
	case m.err != nil:
	case g.fromFile && !g.allows(m.Project):
		m.err = fmt.Errorf("the label divvy.service=%s puts it into a service of %s, and it is of %s: use another name", g.service.Name, projectName(g.service.Project), projectName(m.Project))
	case !g.fromFile && m.Project != g.service.Project:
		m.err = fmt.Errorf("the label divvy.service=%s is taken by containers of %s, and it is of %s: use another name, or describe the service in the file", g.service.Name, projectName(g.service.Project), projectName(m.Project))
	case g.repository != "" && m.Version.Repository != g.repository:
		m.err = fmt.Errorf("the label divvy.service=%s puts it into a service of %s, and its image is of %s: versions of a service are images of one repository", g.service.Name, g.repository, cmp.Or(m.Version.Repository, "no repository"))
	}
}

func projectName(project string) string {
	if project == "" {
		return "no Compose project"
	}
	return "Compose project " + project
}

// endpoint adds a container to the catalog.
func (c *Catalog) endpoint(g *group, m *member) {
	e := backends.Endpoint{
		Service: g.service.Name, ID: m.ID, Name: m.Name, Host: m.host.Name, Version: m.Version,
		Created: m.Created, Started: m.Started, Health: m.Health, Paused: m.Paused, Care: &g.service.Care,
	}
	for _, n := range m.Networks {
		e.IPs = append(e.IPs, n.IP)
	}
	err := m.err
	if err == nil {
		err = g.locate(&e, m)
	}
	if err == nil {
		e.Dialect, err = g.dialectOf(m)
	}
	if err != nil {
		e.Problem = withoutName(err, m)
	}
	m.found.describe(&e)
	c.Endpoints = append(c.Endpoints, e)
}

// locate finds out where a container answers requests, and where its check, which
// may have a port of its own. That is one of the container's, as that of requests
// is: what stands for it on the host is another.
func (g *group) locate(e *backends.Endpoint, m *member) (err error) {
	want := docker.Want{Network: g.service.Network, Port: g.service.Port}
	if e.Addr, err = m.Addr(want, m.host.Vantage); err != nil {
		return err
	}
	if check := &g.service.Care.Health; check.Enabled() && check.Port != 0 {
		want.Port = check.Port
		if e.CheckAddr, err = m.Addr(want, m.host.Vantage); err != nil {
			return fmt.Errorf("its check asks at port %d (health.port): %s", want.Port, withoutName(err, m))
		}
	}
	return nil
}

// withoutName returns what is wrong with a container, to be shown with its name.
func withoutName(err error, m *member) string {
	return strings.TrimPrefix(err.Error(), "container "+m.Name+": ")
}

// labelWeights returns the weights that containers claim for their tags: of
// each tag, its oldest container's. It returns nil if none claims any. Weights
// are by tag so that those of a tag that moved stay where they are, as they do
// when the file says them.
func (c *Catalog) labelWeights(g *group) map[string]int {
	first := map[string]*member{}
	var weights map[string]int
	for _, m := range g.members {
		if m.err != nil || m.labels.weight == nil {
			continue
		}
		if f := first[m.Version.Tag]; f != nil {
			if *f.labels.weight != *m.labels.weight {
				c.Problems = append(c.Problems, fmt.Sprintf("service %s: container %s: the label divvy.weight=%d is ignored: container %s of the same tag was first and says %d",
					g.service.Name, m.Name, *m.labels.weight, f.Name, *f.labels.weight))
			}
			continue
		}
		first[m.Version.Tag] = m
		if weights == nil {
			weights = map[string]int{}
		}
		weights[m.Version.Tag] = *m.labels.weight
	}
	return weights
}

// dropConflicts reports hosts and paths that labels claim although another
// service has them. The router gives them to the first; the file's services
// come first and do not conflict among themselves.
func (c *Catalog) dropConflicts(fromFile int) {
	if len(c.Services) == fromFile {
		return
	}
	if err := router.Conflicts(c.Services); err != nil {
		c.Problems = append(c.Problems, strings.Split(err.Error(), "\n")...)
	}
}
