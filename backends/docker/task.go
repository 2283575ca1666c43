package docker

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/swarm"

	"divvy/backends"
)

// The labels that Swarm writes on the container of a task, and "docker stack" on
// all that it makes.
const (
	labelTask  = "com.docker.swarm.task.id"
	labelNode  = "com.docker.swarm.node.id"
	labelStack = "com.docker.stack.namespace"
)

// answers are what a manager has said.
type answers struct {
	cluster, node string // their IDs
	services      []swarm.Service
	tasks         []swarm.Task
	nodes         []swarm.Node
}

// census is what runs in a Swarm. It is not changed after it was made.
type census struct {
	cluster, node string

	// tasks are those that have a container, and shall run, by the container's ID.
	tasks map[string]task

	// revisions are those of all tasks that shall run, by the task's ID.
	revisions map[string]uint64

	// nodes are the IDs of those that some task is on, or was in a census before.
	nodes map[string]bool

	// updating means that a service is being updated, settled that all that shall
	// run does, handing that some is kept though it shall not.
	updating, settled, handing bool
}

// task is a task of a service as its manager knows it.
type task struct {
	Container
	service  string // its ID
	revision string // changes with whatever is said of the task or its service
	here     bool   // its container is one of the engine's own
	running  bool   // its health check has passed, if it has one

	since   time.Time // when it was first seen running, zero if it was not
	leaving time.Time // when it was first seen that it shall run no more
}

// decodeCensus reads the answers of a manager whose engine runs the containers
// local.
func decodeCensus(a answers, local []Summary) *census {
	c := &census{cluster: a.cluster, node: a.node, tasks: map[string]task{}, revisions: revisions(a.tasks), nodes: map[string]bool{a.node: true}, settled: true}
	services := map[string]*swarm.Service{}
	for i := range a.services {
		s := &a.services[i]
		services[s.ID] = s
		c.updating = c.updating || updating(s)
	}
	addrs := map[string]netip.Addr{}
	for _, n := range a.nodes {
		// A node may be known by an address that only itself reaches.
		if addr := parseAddr(n.Status.Addr); !addr.IsLoopback() && !addr.IsUnspecified() {
			addrs[n.ID] = addr
		}
	}
	for i := range a.tasks {
		in := &a.tasks[i]
		c.nodes[in.NodeID] = true
		s := services[in.ServiceID]
		if s == nil {
			continue // it is removed with its service, or a plain container on a network of the Swarm
		}
		c.settled = c.settled && in.Status.State == swarm.TaskStateRunning
		id, runs := containerOf(in)
		here := slices.ContainsFunc(local, func(l Summary) bool { return l.ID == id })
		if !runs || !here && in.NodeID == a.node {
			continue // the engine knows better than its manager that it does not run
		}
		t := decodeTask(in, s, addrs[in.NodeID])
		t.ID, t.here = id, here
		c.tasks[id] = t
	}
	delete(c.nodes, "") // of tasks that wait for a node
	return c
}

// remember takes over the nodes of the census before. A node whose last task
// shall end has none any more that shall run.
func (c *census) remember(before *census) {
	if before != nil && before.cluster == c.cluster {
		maps.Copy(c.nodes, before.nodes)
	}
}

func updating(s *swarm.Service) bool {
	return s.UpdateStatus != nil && (s.UpdateStatus.State == swarm.UpdateStateUpdating || s.UpdateStatus.State == swarm.UpdateStateRollbackStarted)
}

// containerOf returns the ID of the container of a task that shall run and does.
// One that is starting runs, but its health check has not passed yet.
func containerOf(in *swarm.Task) (id string, runs bool) {
	state := in.Status.State
	if in.DesiredState != swarm.TaskStateRunning || state != swarm.TaskStateRunning && state != swarm.TaskStateStarting ||
		in.Status.ContainerStatus == nil || in.Spec.ContainerSpec == nil {
		return "", false
	}
	id = in.Status.ContainerStatus.ContainerID
	return id, id != ""
}

func revisions(tasks []swarm.Task) map[string]uint64 {
	all := make(map[string]uint64, len(tasks))
	for i := range tasks {
		all[tasks[i].ID] = tasks[i].Version.Index
	}
	return all
}

// summaries replaces the containers of tasks in the engine's list by the tasks.
func (c *census) summaries(local []Summary) []Summary {
	all := make([]Summary, 0, len(local)+len(c.tasks))
	for _, s := range local {
		t, listed := c.tasks[s.ID]
		if s.Task != "" && !listed {
			continue
		}
		s.Revision = t.revision
		all = append(all, s)
	}
	for _, id := range slices.Sorted(maps.Keys(c.tasks)) {
		if t := c.tasks[id]; !t.here {
			all = append(all, Summary{ID: id, Task: t.Task, Revision: t.revision})
		}
	}
	return all
}

// decodeTask reads a task of the service s on a node with that address. A task
// lives once: it is never restarted, but replaced by another.
func decodeTask(in *swarm.Task, s *swarm.Service, node netip.Addr) task {
	spec := in.Spec.ContainerSpec
	t := task{service: s.ID, running: in.Status.State == swarm.TaskStateRunning}
	t.revision = fmt.Sprintf("%d/%d", in.Version.Index, s.Version.Index)
	c := &t.Container
	c.Task, c.NodeID = in.ID, in.NodeID
	c.Name = taskName(in, s)
	c.Labels = map[string]string{}
	maps.Copy(c.Labels, spec.Labels)
	maps.Copy(c.Labels, s.Spec.Labels) // they can be edited, so they are what somebody said last
	c.Project = c.Labels[labelStack]
	c.Created, c.Started = in.CreatedAt, in.CreatedAt
	c.Version = pinnedVersion(spec.Image)
	if c.Version.ImageID == "" {
		c.Problem = fmt.Sprintf("it runs on another node, and nothing says which image it runs: Swarm has pinned %s to no digest; push it to a registry that the manager reaches, and update the service with it", spec.Image)
	}
	if !t.running {
		c.Health = backends.HealthStarting
	}
	c.StopSignal = cmp.Or(spec.StopSignal, defaultStopSignal)
	c.Node = node
	c.decodeAttachments(in.NetworksAttachments)
	c.decodePorts(s.Endpoint.Ports, in.Status.PortStatus.Ports, node)
	return t
}

// taskName returns the name that Swarm gives the container of a task.
func taskName(in *swarm.Task, s *swarm.Service) string {
	place := in.NodeID // of a service with a task on each node
	if in.Slot != 0 {
		place = strconv.Itoa(in.Slot)
	}
	return s.Spec.Name + "." + place + "." + in.ID
}

// pinnedVersion returns the version that a task runs. What identifies it is the
// digest that Swarm has pinned, that of the manifest in the registry, although
// the image may be known by its ID here: on other nodes it is not, and whichever
// manager is asked, and by whichever proxy, a version must be one and the same.
// There is none if the image could not be found in a registry.
func pinnedVersion(image string) backends.Version {
	name := parseImageName(image, "")
	v := backends.Version{Repository: name.repository, Tag: name.tag}
	if ref, err := reference.ParseNormalizedNamed(image); err == nil {
		if pinned, ok := ref.(reference.Digested); ok {
			v.ImageID = pinned.Digest().String()
			v.Tag = cmp.Or(v.Tag, v.Digest()[:min(shortID, len(v.Digest()))])
		}
	}
	return v
}

// decodeAttachments reads the networks of a task. The one through which Swarm
// publishes ports is left out: it is shared by all, and leads to a service.
func (c *Container) decodeAttachments(in []swarm.NetworkAttachment) {
	for _, a := range in {
		n := Network{Name: a.Network.Spec.Name, ID: a.Network.ID}
		if n.Name == "host" && a.Network.DriverState.Name == "host" {
			c.HostNetwork = true
			continue
		}
		for _, text := range a.Addresses {
			prefix, err := netip.ParsePrefix(text)
			if err == nil && (!n.IP.IsValid() || prefix.Addr().Is4()) {
				n.IP = prefix.Addr()
			}
		}
		if n.IP.IsValid() && !a.Network.Spec.Ingress {
			c.Networks = append(c.Networks, n)
		}
	}
	slices.SortFunc(c.Networks, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
}

// decodePorts reads the ports that the service publishes, of which the task
// itself has those of its node.
func (c *Container) decodePorts(service, own []swarm.PortConfig, node netip.Addr) {
	for _, p := range service {
		if n := int(p.TargetPort); p.Protocol == swarm.PortConfigProtocolTCP && !slices.Contains(c.Exposed, n) {
			c.Exposed = append(c.Exposed, n)
		}
	}
	slices.Sort(c.Exposed)
	c.Published = map[int][]netip.AddrPort{}
	for _, p := range own {
		if p.Protocol == swarm.PortConfigProtocolTCP && node.IsValid() && p.PublishedPort != 0 {
			n := int(p.TargetPort)
			c.Published[n] = append(c.Published[n], netip.AddrPortFrom(node, uint16(p.PublishedPort)))
		}
	}
}

// needNodes reports whether a task is reached at an address of its node.
func needNodes(tasks []swarm.Task) bool {
	return slices.ContainsFunc(tasks, func(t swarm.Task) bool {
		return len(t.Status.PortStatus.Ports) > 0 ||
			slices.ContainsFunc(t.NetworksAttachments, func(a swarm.NetworkAttachment) bool { return a.Network.Spec.Name == "host" })
	})
}

// seen returns the container of a task with what only its own engine knows.
func (t task) seen(local Container) Container {
	c := t.Container
	v := local.Version
	if c.Version.ImageID == "" {
		c.Version, c.Problem = v, ""
	}
	c.Version.Revision, c.Version.Source, c.Version.Created = v.Revision, v.Source, v.Created
	c.Paused = local.Paused
	c.Health = local.Health // what Swarm makes of it comes later
	if c.Health == backends.HealthPassing {
		c.Health = backends.HealthNone // another manager knows no more than that it runs
	}
	c.StopSignal = local.StopSignal
	c.HostNetwork = local.HostNetwork
	c.Fingerprint, c.Mounts, c.ReadOnly, c.check = local.Fingerprint, local.Mounts, local.ReadOnly, local.check
	if len(c.Published) == 0 {
		c.Published = local.Published
	}
	if len(local.Exposed) > 0 {
		c.Exposed = local.Exposed
	}
	return c
}
