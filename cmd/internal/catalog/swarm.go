package catalog

import (
	"slices"

	"divvy/backends/docker"
)

// withoutDoubles returns the hosts with each task of a Swarm once. Every manager
// tells of all tasks, and a worker's engine of those on its machine: of the
// managers of a Swarm the first that answers is believed, or the first if none
// does, and of the workers none on whose node a manager is believed.
func withoutDoubles(hosts []Host) []Host {
	speakers := map[string]int{} // by cluster
	for i, h := range hosts {
		if s, known := speakers[h.Cluster]; h.Cluster != "" && (!known || hosts[s].Down && !h.Down) {
			speakers[h.Cluster] = i
		}
	}
	if len(speakers) == 0 {
		return hosts
	}
	told := toldBy(hosts, speakers)
	var all []Host
	for i, h := range hosts {
		tasks := h
		tasks.Containers, h.Containers = split(h.Containers)
		switch s, manages := speakers[h.Cluster]; {
		case manages && s == i:
			tasks.Vantage.Networks = networksOf(hosts)
			all = append(all, tasks)
		case !manages: // what no manager can tell of is told by its engine
			for _, c := range tasks.Containers {
				if !told(&c) {
					h.Containers = append(h.Containers, c)
				}
			}
		}
		all = append(all, h)
	}
	return all
}

// toldBy returns what reports whether one of the speakers tells of a task, or
// would if it should run.
func toldBy(hosts []Host, speakers map[string]int) func(*docker.Container) bool {
	listed := map[string]bool{}
	for _, s := range speakers {
		for _, c := range hosts[s].Containers {
			listed[c.ID] = true
		}
	}
	return func(c *docker.Container) bool {
		if listed[c.ID] {
			return true
		}
		for _, s := range speakers {
			if hosts[s].Nodes[c.NodeID] {
				return true
			}
		}
		return false
	}
}

// split returns the containers that are of tasks, and the others.
func split(all []docker.Container) (tasks, others []docker.Container) {
	for _, c := range all {
		if c.Task != "" {
			tasks = append(tasks, c)
		} else {
			others = append(others, c)
		}
	}
	return tasks, others
}

// networksOf returns the networks that divvy is in. A network of a Swarm is one
// and the same on all its machines, so a task is reached in it although another
// engine than divvy's own tells of the task.
func networksOf(hosts []Host) []docker.Network {
	var all []docker.Network
	for _, h := range hosts {
		for _, n := range h.Vantage.Networks {
			if !slices.ContainsFunc(all, func(o docker.Network) bool { return o.ID == n.ID }) {
				all = append(all, n)
			}
		}
	}
	return all
}

// runner is a task where it runs.
type runner struct {
	host *Host
	task *docker.Container
}

// runnersOf returns where tasks run of which another host tells, by ID, as far
// as their engines are asked, too.
func runnersOf(hosts []Host) map[string]runner {
	all := map[string]runner{}
	for i := range hosts {
		for j := range hosts[i].Containers {
			if c := &hosts[i].Containers[j]; c.Task != "" && !c.Elsewhere {
				all[c.ID] = runner{&hosts[i], c}
			}
		}
	}
	return all
}

// foundAt completes a task that runs elsewhere by what the engine knows that
// runs it, if that is asked.
func (m *member) foundAt(r runner) {
	m.engine = r.host
	if r.task != nil {
		c := *m.Container // which others hold, too
		c.Fingerprint, c.Mounts, c.ReadOnly = r.task.Fingerprint, r.task.Mounts, r.task.ReadOnly
		m.Container = &c
	}
}
