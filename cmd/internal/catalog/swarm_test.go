package catalog

import (
	"fmt"
	"testing"
	"time"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/config"
)

// task returns the n-th container as the task of a service.
func task(n int, labels ...string) docker.Container {
	c := container(n, "shop", "v1", labels...)
	c.Task = c.Name
	return c
}

func TestTasksAreToldOnce(t *testing.T) {
	t.Parallel()
	file := []config.Service{service("shop", "shop")}
	f := func(hosts []Host, want ...string) {
		t.Helper()
		expect(t, Combine(file, hosts), want...)
	}
	near := docker.Vantage{Networks: []docker.Network{{ID: "net"}}}
	one, two, own := task(1), task(2), container(3, "shop", "v1")
	manager := Host{Name: "m1", Cluster: "c", Vantage: near, Containers: []docker.Container{one, two, own}}
	other := Host{Name: "m2", Cluster: "c", Containers: []docker.Container{one}}
	worker := Host{Name: "w", Containers: []docker.Container{one, two}}

	const c1, c2, c3 = "shop/c1@10.0.0.1:8080", "shop/c2@10.0.0.2:8080", "shop/c3@10.0.0.3:8080"
	f([]Host{manager}, c1, c2, c3)

	// The first that answers is believed, and else the first.
	f([]Host{manager, other}, c1, c2, c3)
	f([]Host{other, manager}, c1, c3)
	other.Down = true
	f([]Host{other, manager}, c1, c2, c3)
	manager.Down = true
	f([]Host{other, manager}, c1, c3)

	// Of a worker's containers a manager has told, if there is one.
	worker.Vantage = near
	f([]Host{worker}, c1, c2)
	nodes := map[string]bool{"m2": true, "w": true}
	worker.Containers[0].NodeID, worker.Containers[1].NodeID = "w", "w"
	f([]Host{worker, {Name: "m2", Cluster: "c", Nodes: nodes, Containers: []docker.Container{two}}}, c2)
	// One of another Swarm knows nothing of them.
	f([]Host{worker, {Name: "x", Cluster: "x", Nodes: map[string]bool{"x": true}}}, c1, c2)
	f([]Host{worker, {Name: "m2", Cluster: "c", Containers: []docker.Container{two}}}, c1, c2)

	// Two Swarms are two.
	f([]Host{{Name: "a", Cluster: "a", Vantage: near, Containers: []docker.Container{one}}, {Name: "b", Cluster: "b", Containers: []docker.Container{two}}}, c1, c2)
}

func TestATaskIsExaminedByTheEngineThatRunsIt(t *testing.T) {
	t.Parallel()
	told, run := task(1), task(1)
	told.Elsewhere = true
	run.Mounts = []docker.Mount{{Destination: "/data", Lasting: true, Writable: true}}
	manager := Host{Name: "m", Cluster: "c", Containers: []docker.Container{told}}
	worker := Host{
		Name: "w", Containers: []docker.Container{run},
		Touches: map[string][]docker.Touch{run.ID: {{Kind: backends.MutationExec, At: time.Unix(100, 0)}}},
		Layers:  map[string]docker.Layer{run.ID: {Looked: time.Unix(200, 0)}},
	}
	f := func(want, unknown, subjects string, hosts ...Host) {
		t.Helper()
		c := Combine([]config.Service{service("shop", "shop")}, hosts)
		if got := found(c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := c.Examined["shop"][0].Unknown; got != unknown {
			t.Errorf("unknown is %q, want %q", got, unknown)
		}
		looked := ""
		for host, all := range c.Subjects {
			looked += fmt.Sprint(host, len(all))
		}
		if looked != subjects {
			t.Errorf("subjects are %s, want %s", looked, subjects)
		}
	}
	f("c1: exec mount", "", "w1", manager, worker)
	f("c1: exec mount", "", "w1", worker, manager)
	f("c1:", "it runs on another node; list that engine as [[docker.host]]", "", manager)
	// Of two managers the one that tells of a task need not run it.
	worker.Cluster = "c"
	f("c1: exec mount", "", "w1", manager, worker)
}
