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
}

// Catalog is all services and all that may answer for them.
type Catalog struct {
	// Services are those of the file, in its order, then those of labels, the
	// oldest first.
	Services []router.Config

	Endpoints []backends.Endpoint

	// Problems are sentences about what could not be used as it is, but for
	// those that stand in an Endpoint.
	Problems []string
}

// member is a container of a service, while the catalog is made.
type member struct {
	*docker.Container
	host   *Host
	labels labels
	err    error
}

// group is a service and its containers, while the catalog is made.
type group struct {
	service    config.Service
	fromFile   bool
	repository string
	members    []*member
}

// Combine makes the catalog of a file and what runs.
func Combine(file []config.Service, hosts []Host) *Catalog {
	c := &Catalog{}
	groups := c.groupsOf(file)
	named := map[string]*group{}
	for _, g := range groups {
		named[g.service.Name] = g
	}
	for _, m := range membersOf(hosts) {
		if name := m.labels.service; name != "" {
			g := named[name]
			if g == nil {
				g = &group{service: config.Service{Config: router.Config{Name: name}}}
				named[name] = g
				groups = append(groups, g)
			}
			g.members = append(g.members, m)
			continue
		}
		mine := false
		for _, g := range groups {
			if g.repository != "" && g.fromFile && g.repository == m.Version.Repository && g.allows(m.Project) {
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
// there first decides.
func membersOf(hosts []Host) []*member {
	var all []*member
	for i := range hosts {
		h := &hosts[i]
		for j := range h.Containers {
			m := &member{Container: &h.Containers[j], host: h}
			m.labels, m.err = parseLabels(m.Labels)
			all = append(all, m)
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
		c.endpoint(g, m)
	}
	if len(g.service.Weights) == 0 {
		g.service.Weights = c.labelWeights(g)
	}
	for i, b := range g.service.Backends {
		c.Endpoints = append(c.Endpoints, backends.Endpoint{
			Service: g.service.Name, ID: b.Address, Name: b.Address, Addr: b.Address,
			Version: backends.Version{Tag: b.Version},
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
		g.service.Hosts, g.service.Paths = m.labels.hosts, m.labels.paths
		g.service.Sticky.By, g.service.Override.Networks = m.labels.sticky, m.labels.override
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
		Created: m.Created, Started: m.Started, Health: m.Health, Paused: m.Paused,
	}
	err := m.err
	if err == nil {
		e.Addr, err = m.Addr(docker.Want{Network: g.service.Network, Port: g.service.Port}, m.host.Vantage)
	}
	if err != nil {
		e.Problem = strings.TrimPrefix(err.Error(), "container "+m.Name+": ") // it is shown with its name
	}
	c.Endpoints = append(c.Endpoints, e)
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
