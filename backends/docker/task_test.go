package docker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"divvy/backends"
)

// tell returns what is known of the only task of a service after change.
func tell(t *testing.T, change func(in *swarm.Task, s *swarm.Service)) (Container, bool) {
	t.Helper()
	a := answers{
		services: []swarm.Service{{ID: "service"}},
		tasks:    []swarm.Task{{ID: "task", ServiceID: "service", NodeID: "node", Slot: 3, DesiredState: swarm.TaskStateRunning}},
		nodes:    []swarm.Node{{ID: "node", Status: swarm.NodeStatus{Addr: "192.0.2.7"}}},
		node:     "own",
	}
	in, s := &a.tasks[0], &a.services[0]
	s.Spec.Name = "shop"
	in.Spec.ContainerSpec = &swarm.ContainerSpec{Image: "shop:v1@" + testDigest}
	in.Status.State = swarm.TaskStateRunning
	in.Status.ContainerStatus = &swarm.ContainerStatus{ContainerID: "container"}
	if change != nil {
		change(in, s)
	}
	found, ok := decodeCensus(a, nil).tasks["container"]
	return found.Container, ok
}

func TestWhichTasksRun(t *testing.T) {
	t.Parallel()
	f := func(want bool, change func(in *swarm.Task, s *swarm.Service)) {
		t.Helper()
		if _, got := tell(t, change); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	f(true, nil)
	f(true, func(in *swarm.Task, _ *swarm.Service) { in.Status.State = swarm.TaskStateStarting })
	f(false, func(in *swarm.Task, _ *swarm.Service) { in.Status.State = swarm.TaskStatePreparing })
	f(false, func(in *swarm.Task, _ *swarm.Service) { in.Status.State = swarm.TaskStateFailed })
	f(false, func(in *swarm.Task, _ *swarm.Service) { in.DesiredState = swarm.TaskStateShutdown })
	f(false, func(in *swarm.Task, _ *swarm.Service) { in.DesiredState = swarm.TaskStateRemove })
	f(false, func(in *swarm.Task, _ *swarm.Service) { in.Status.ContainerStatus = nil })
	f(false, func(in *swarm.Task, _ *swarm.Service) { in.Spec.ContainerSpec = nil }) // a plain container's network
	f(false, func(in *swarm.Task, _ *swarm.Service) { in.ServiceID = "gone" })
	// The engine of the node would know it.
	f(false, func(in *swarm.Task, _ *swarm.Service) { in.NodeID = "own" })
}

func TestWhatATaskIs(t *testing.T) {
	t.Parallel()
	c, _ := tell(t, func(in *swarm.Task, s *swarm.Service) {
		in.Spec.ContainerSpec.Labels = map[string]string{"divvy.weight": "1", labelStack: "acme"}
		s.Spec.Labels = map[string]string{"divvy.weight": "2"}
		in.Status.State = swarm.TaskStateStarting
	})
	if c.Name != "shop.3.task" || c.Project != "acme" || c.Task != "task" {
		t.Errorf("it is %+v", c)
	}
	if c.Labels["divvy.weight"] != "2" {
		t.Errorf("labels are %v; those of the service can be edited, so they count", c.Labels)
	}
	if c.Health != backends.HealthStarting {
		t.Errorf("health is %q before its check has passed", c.Health)
	}
	if c, _ = tell(t, func(in *swarm.Task, _ *swarm.Service) { in.Slot = 0 }); c.Name != "shop.node.task" {
		t.Errorf("the task on each node is called %s", c.Name)
	}
}

func TestWhichVersionATaskRuns(t *testing.T) {
	t.Parallel()
	f := func(image, repository, tag, id string) {
		t.Helper()
		c, _ := tell(t, func(in *swarm.Task, _ *swarm.Service) { in.Spec.ContainerSpec.Image = image })
		if want := (backends.Version{Repository: repository, Tag: tag, ImageID: id}); c.Version != want {
			t.Errorf("%s is %+v, want %+v", image, c.Version, want)
		}
		if pinned := id != ""; pinned != (c.Problem == "") {
			t.Errorf("%s: problem %q", image, c.Problem)
		}
	}
	f("shop:v1@"+testDigest, "docker.io/library/shop", "v1", testDigest)
	f("registry.example.com:5000/a/shop:v1@"+testDigest, "registry.example.com:5000/a/shop", "v1", testDigest)
	f("shop@"+testDigest, "docker.io/library/shop", digits(testDigest)[:12], testDigest)
	f("shop:v1", "docker.io/library/shop", "v1", "") // pinned to nothing
	f("shop", "docker.io/library/shop", "latest", "")

	// Of what runs here the engine knows the image.
	c, _ := tell(t, func(in *swarm.Task, _ *swarm.Service) { in.Spec.ContainerSpec.Image = "shop:v1" })
	local := Container{Version: backends.Version{Repository: "docker.io/library/shop", Tag: "v1", ImageID: "sha256:abc"}}
	if seen := (task{Container: c}).seen(local); seen.Version != local.Version || seen.Problem != "" {
		t.Errorf("here it is %+v", seen)
	}
}

func TestWhereATaskAnswers(t *testing.T) {
	t.Parallel()
	f := func(want string, v Vantage, change func(in *swarm.Task, s *swarm.Service)) {
		t.Helper()
		c, _ := tell(t, change)
		addr, err := c.Addr(Want{}, v)
		if err != nil {
			addr = err.Error()
		}
		if !strings.HasPrefix(addr, want) {
			t.Errorf("got %s, want %s", addr, want)
		}
	}
	attach := func(name, id string, addrs ...string) swarm.NetworkAttachment {
		a := swarm.NetworkAttachment{Addresses: addrs}
		a.Network.ID, a.Network.Spec.Name, a.Network.DriverState.Name = id, name, "overlay"
		return a
	}
	const front = "4d73fhhysjthw6ji6stxw5g2b"
	overlay := func(in *swarm.Task, s *swarm.Service) {
		ingress := attach("ingress", "ingress", "10.0.0.9/24")
		ingress.Network.Spec.Ingress = true
		in.NetworksAttachments = []swarm.NetworkAttachment{ingress, attach("acme_front", front, "fd00::3/64", "10.0.1.3/24")}
		s.Endpoint.Ports = []swarm.PortConfig{{Protocol: "tcp", TargetPort: 8080, PublishedPort: 80}}
	}
	inside := Vantage{Container: "divvy", Networks: []Network{{ID: front}, {ID: "ingress"}}}
	f("10.0.1.3:8080", inside, overlay)
	f("container shop.3.task: its network acme_front is one of the Swarm", onHost(), overlay)
	f("container shop.3.task: it shares no network with divvy; attach divvy to acme_front", inContainer("other"), overlay)

	onItsNode := func(in *swarm.Task, s *swarm.Service) {
		overlay(in, s)
		in.Status.PortStatus.Ports = []swarm.PortConfig{{Protocol: "tcp", TargetPort: 8080, PublishedPort: 18080, PublishMode: "host"}}
	}
	f("192.0.2.7:18080", onHost(), onItsNode)
	f("10.0.1.3:8080", inside, onItsNode)

	host := func(in *swarm.Task, s *swarm.Service) {
		a := attach("host", "host")
		a.Network.DriverState.Name = "host"
		in.NetworksAttachments = []swarm.NetworkAttachment{a}
		s.Spec.Labels = map[string]string{LabelPort: "9000"}
	}
	f("192.0.2.7:9000", inside, host)
	f("container shop.3.task: it runs on another node, and nothing says", inside, func(in *swarm.Task, _ *swarm.Service) { in.Spec.ContainerSpec.Image = "shop:v1" })

	in := swarm.Task{}
	if needNodes([]swarm.Task{in}) {
		t.Error("nodes are asked for without need")
	}
	host(&in, &swarm.Service{})
	if !needNodes([]swarm.Task{in}) {
		t.Error("nodes are not asked for")
	}
}

func TestCensusOfOthersHidesNothing(t *testing.T) {
	t.Parallel()
	c := &census{tasks: map[string]task{"b": {here: true, revision: "1/2"}, "c": {revision: "3/4", Container: Container{Task: "t"}}}}
	local := []Summary{{ID: "a"}, {ID: "b", Task: "t2"}, {ID: "ending", Task: "t3"}}
	want := []Summary{{ID: "a"}, {ID: "b", Task: "t2", Revision: "1/2"}, {ID: "c", Task: "t", Revision: "3/4"}}
	if got := c.summaries(local); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Another manager may be asked next, which knows no more than that a task runs:
// this must be no news.
func TestATaskThatRunsHasPassedItsCheck(t *testing.T) {
	t.Parallel()
	c, _ := tell(t, nil)
	for health, want := range map[backends.Health]backends.Health{
		backends.HealthPassing: backends.HealthNone, backends.HealthStarting: backends.HealthStarting, backends.HealthUnhealthy: backends.HealthUnhealthy,
	} {
		if seen := (task{Container: c}).seen(Container{Health: health}); seen.Health != want {
			t.Errorf("here it is %+v, want its health to be %q", seen, want)
		}
	}
}

// Without its check, each run of it would be the work of a hand.
func TestOfATaskHereTheEngineTellsWhatShapesIt(t *testing.T) {
	t.Parallel()
	c, _ := tell(t, nil)
	local := Container{Fingerprint: Fingerprint{short: "a1b2c3d4"}, Mounts: []Mount{{Destination: "/data"}}, ReadOnly: true, check: "/app check"}
	seen := (task{Container: c}).seen(local)
	if seen.Fingerprint.Short(nil) != "a1b2c3d4" || len(seen.Mounts) != 1 || !seen.ReadOnly {
		t.Errorf("it is %+v", seen)
	}
	var hands touches
	for command, want := range map[string]bool{"/app check": false, "/bin/sh": true} {
		if got := hands.note(Event{Action: actionExec, Container: seen.ID, Command: command, At: time.Now()}, &seen); got != want {
			t.Errorf("%s: done by hand is %v, want %v", command, got, want)
		}
	}
}
