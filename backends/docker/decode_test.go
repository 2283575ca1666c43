package docker

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"divvy/backends"
)

// recorded returns the containers of the recorded engine by the last word of
// their names, as the client reads them.
func recorded(t *testing.T) map[string]Container {
	t.Helper()
	c := newFakeEngine(t).client(t)
	list, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]Container{}
	for _, s := range list {
		found, err := c.Inspect(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		if found.ID != s.ID || found.Version.ImageID != s.ImageID {
			t.Errorf("the list and the inspection of %s differ", found.Name)
		}
		all[strings.TrimPrefix(found.Name, "shop-")] = found
	}
	return all
}

func TestRecordedVersions(t *testing.T) {
	t.Parallel()
	all := recorded(t)
	f := func(name, repository, tag, revision string) {
		t.Helper()
		v := all[name].Version
		if v.Repository != repository || v.Tag != tag || v.Revision != revision || !strings.HasPrefix(v.ImageID, "sha256:") {
			t.Errorf("%s runs %+v, want repository %q, tag %q, revision %q", name, v, repository, tag, revision)
		}
	}
	f("old", "docker.io/library/shop", "v1", "rev-one") // the list shows but an ID
	f("new", "docker.io/library/shop", "v1", "rev-one again")
	f("by-id", "docker.io/library/shop", "alpha", "rev-two")
	digest := all["by-digest"].Version
	f("by-digest", digest.Repository, digits(digest.ImageID)[:12], "")
	if !strings.HasSuffix(digest.Repository, "/shop") {
		t.Errorf("started by digest: repository %q", digest.Repository)
	}
	if all["old"].Version.Key() == all["new"].Version.Key() {
		t.Error("the tag has moved, but both run the same version")
	}
	if want := "https://example.com/shop?a=$HOME&b=\"c\"\\"; all["old"].Version.Source != want {
		t.Errorf("source %q, want %q", all["old"].Version.Source, want)
	}
}

func TestRecordedStates(t *testing.T) {
	t.Parallel()
	all := recorded(t)
	if c := all["checked"]; c.Health != backends.HealthPassing || c.StopSignal != "SIGQUIT" || !slices.Equal(c.Exposed, []int{8080, 9090}) {
		t.Errorf("health %q, stop signal %q, exposed %v", c.Health, c.StopSignal, c.Exposed)
	}
	if c := all["new"]; c.Health != backends.HealthNone || c.StopSignal != "SIGTERM" || c.Paused || c.Project != "" {
		t.Errorf("health %q, stop signal %q, paused %v, project %q", c.Health, c.StopSignal, c.Paused, c.Project)
	}
	if !all["paused"].Paused {
		t.Error("the paused container is not paused")
	}
	if c := all["host"]; !c.HostNetwork || len(c.Networks) != 0 || !slices.Equal(c.Exposed, []int{8080}) {
		t.Errorf("host network %v, networks %v, exposed %v", c.HostNetwork, c.Networks, c.Exposed)
	}
	for name, c := range all {
		if c.Created.IsZero() || !c.Started.After(c.Created) {
			t.Errorf("%s was created %v and started %v", name, c.Created, c.Started)
		}
	}
}

func TestRecordedNetworks(t *testing.T) {
	t.Parallel()
	c := recorded(t)["networks"]
	if c.Project != "shop" || len(c.Networks) != 2 || c.Networks[0].Name != "shop_back" || c.Networks[1].Name != "shop_front" {
		t.Fatalf("project %q, networks %+v", c.Project, c.Networks)
	}
	for _, n := range c.Networks {
		if n.ID == "" || !n.IP.Is4() || !n.Gateway.Is4() {
			t.Errorf("network %+v", n)
		}
	}
	bindings := c.Published[8080]
	if len(c.Published) != 1 || len(bindings) != 1 || bindings[0].Addr().String() != loopback {
		t.Errorf("published %v", c.Published)
	}
}

func TestDecodeSummary(t *testing.T) {
	t.Parallel()
	in := container.Summary{ID: "a", ImageID: "i", Names: []string{"/x"}, State: "running", Status: "Up 5 minutes (healthy)"}
	in.NetworkSettings = &container.NetworkSettingsSummary{Networks: map[string]*network.EndpointSettings{
		"n": {NetworkID: "1", IPAddress: "10.0.0.1"}, "m": nil,
	}}
	want := Summary{ID: "a", ImageID: "i", Names: "/x", State: "running", Health: "healthy", Networks: "1=10.0.0.1"}
	if got := decodeSummary(&in); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	in.Status = "Up 6 minutes (healthy)"
	if got := decodeSummary(&in); got != want {
		t.Errorf("time alone changed it: %+v", got)
	}
	in.Status = "Up 6 minutes (unhealthy)"
	if got := decodeSummary(&in); got == want {
		t.Error("health did not change it")
	}
}

func TestDecodeAddresses(t *testing.T) {
	t.Parallel()
	networks := decodeNetworks(map[string]*network.EndpointSettings{
		"six":  {GlobalIPv6Address: "fd00::2", IPv6Gateway: "fd00::1"},
		"both": {IPAddress: "10.0.0.2", Gateway: "10.0.0.1", GlobalIPv6Address: "fd00::2"},
		"none": {},
	})
	if len(networks) != 2 || networks[0].IP.String() != "10.0.0.2" || networks[1].IP.String() != "fd00::2" || networks[1].Gateway.String() != "fd00::1" {
		t.Errorf("networks %+v", networks)
	}
	published := decodePublished(nat.PortMap{
		"80/tcp": {{HostIP: "::", HostPort: "8080"}, {HostIP: "", HostPort: "8080"}, {HostIP: "x", HostPort: "1"}, {HostPort: "x"}},
		"53/udp": {{HostIP: "0.0.0.0", HostPort: "53"}},
		"81/tcp": nil,
	})
	want := []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:8080"), netip.MustParseAddrPort("[::]:8080")}
	if len(published) != 1 || !slices.Equal(published[80], want) {
		t.Errorf("published %v, want %v", published, want)
	}
}

func TestDecodeExposed(t *testing.T) {
	t.Parallel()
	f := func(want []int, declared ...nat.Port) {
		t.Helper()
		in := &container.InspectResponse{Config: &container.Config{ExposedPorts: nat.PortSet{}}}
		for _, p := range declared {
			in.Config.ExposedPorts[p] = struct{}{}
		}
		// The engine lists them here, too, whether they are published or not.
		in.NetworkSettings = &container.NetworkSettings{}
		in.NetworkSettings.Ports = nat.PortMap{declared[0]: nil}
		if got := decodeExposed(in); !slices.Equal(got, want) {
			t.Errorf("%v: got %v, want %v", declared, got, want)
		}
	}
	f([]int{80}, "80/tcp")
	f([]int{80, 443}, "443", "80/tcp", "53/udp")
	f([]int{8000, 8001, 8002}, "8000-8002/tcp", "8001/tcp")
	f([]int{65535}, "65535-65535/tcp")
	f(nil, "8002-8000/tcp", "x/tcp", "1-x/tcp", "0/tcp", "0-65536/tcp", "5000-5010/udp")
}

func TestDecodeContainerSurvivesWhatIsMissing(t *testing.T) {
	t.Parallel()
	now := time.Now().Format(time.RFC3339Nano)
	whole := func() *container.InspectResponse {
		return &container.InspectResponse{
			ContainerJSONBase: &container.ContainerJSONBase{
				ID: "a", Name: "/x", Created: now,
				State: &container.State{Running: true, StartedAt: now, Health: &container.Health{Status: "none"}},
			},
			Config: &container.Config{},
		}
	}
	c, err := decodeContainer(whole())
	if want := (Container{ID: "a", Name: "x", StopSignal: "SIGTERM", Created: c.Created, Started: c.Started}); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, %v; want %+v", c, err, want)
	}
	f := func(change func(*container.InspectResponse), want string) {
		t.Helper()
		in := whole()
		change(in)
		if _, err := decodeContainer(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(func(in *container.InspectResponse) { in.ContainerJSONBase = nil }, "lacks")
	f(func(in *container.InspectResponse) { in.State = nil }, "lacks")
	f(func(in *container.InspectResponse) { in.Config = nil }, "lacks")
	f(func(in *container.InspectResponse) { in.State.Running = false }, "does not run any more")
	f(func(in *container.InspectResponse) { in.State.Restarting = true }, "does not run any more")
	f(func(in *container.InspectResponse) { in.Created = "" }, "creation")
	f(func(in *container.InspectResponse) { in.State.StartedAt = "yesterday" }, "start")
}

func TestDecodeEvent(t *testing.T) {
	t.Parallel()
	f := func(in events.Message, want Event) {
		t.Helper()
		if got := decodeEvent(&in); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	kill := events.Message{Type: "container", Action: "kill", TimeNano: 5}
	kill.Actor = events.Actor{ID: "a", Attributes: map[string]string{"signal": "15"}}
	f(kill, Event{Container: "a", Action: "kill", Signal: "15", At: time.Unix(0, 5)})

	connect := events.Message{Type: "network", Action: "connect"}
	connect.Actor = events.Actor{ID: "n", Attributes: map[string]string{"container": "a"}}
	f(connect, Event{Container: "a", Action: "connect"})

	// The command of a process may have colons of its own, and none at all.
	exec := events.Message{Type: "container", Action: "exec_start: sh -c echo a: b", Actor: events.Actor{ID: "a"}}
	f(exec, Event{Container: "a", Action: "exec_start", Command: "sh -c echo a: b"})
	f(events.Message{Type: "container", Action: "exec_start: /app ", Actor: events.Actor{ID: "a"}}, Event{Container: "a", Action: "exec_start", Command: "/app "})
	f(events.Message{Type: "container", Action: "health_status: healthy", Actor: events.Actor{ID: "a"}}, Event{Container: "a", Action: "health_status: healthy"})

	f(events.Message{Type: "container", Action: "die", Actor: events.Actor{ID: "a"}}, Event{Container: "a", Action: "die"})
}
