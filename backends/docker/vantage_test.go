package docker

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestSurroundingsNameTheContainer(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a1", 32), strings.Repeat("b2", 32)
	f := func(s surroundings, want ...string) {
		t.Helper()
		if got := s.containers(); !slices.Equal(got, want) {
			t.Errorf("%+v\nnames the containers %q, want %q", s, got, want)
		}
	}
	const mount = "1047 1031 254:0 /var/lib/docker/containers/%s/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw\n"
	f(surroundings{mountinfo: fmt.Sprintf(mount, a), hostname: "web"}, a)
	f(surroundings{mountinfo: fmt.Sprintf(mount, a), cgroup: "0::/docker/" + a + "\n", hostname: "0123456789ab"}, a, "0123456789ab")
	f(surroundings{cgroup: "12:pids:/docker/" + b + "\n"}, b)
	f(surroundings{cgroup: "0::/system.slice/docker-" + b + ".scope\n"}, b)
	podman := "1 2 0:5 /containers/overlay-containers/%s/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw\n"
	f(surroundings{mountinfo: fmt.Sprintf(podman, a)}, a)

	// A host sees the mounts of all its containers, but runs in none of them.
	host := "95 26 0:48 / /var/lib/docker/containers/%s/mounts/shm rw - tmpfs shm rw\n"
	f(surroundings{mountinfo: fmt.Sprintf(host, a), cgroup: "0::/init.scope\n", hostname: "vm"})
	f(surroundings{})
}

func TestVantage(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	local := e.client(t)
	all := recorded(t)
	f := func(c *Client, s surroundings, want Vantage) {
		t.Helper()
		v, err := c.vantage(t.Context(), s)
		if err != nil || v.Container != want.Container || v.Direct != want.Direct || v.Host != want.Host || v.Remote != want.Remote || !maps.Equal(v.Wide, want.Wide) || !slices.Equal(v.Networks, want.Networks) {
			t.Errorf("got %+v, %v\nwant %+v", v, err, want)
		}
	}
	linux := surroundings{goos: "linux", hostname: "vm"}
	f(local, linux, Vantage{Direct: true, Host: "127.0.0.1"})
	f(local, surroundings{goos: "darwin"}, Vantage{Host: "127.0.0.1"})
	f(local, surroundings{goos: "linux", hostname: "0123456789ab"}, Vantage{Direct: true, Host: "127.0.0.1"})

	// The same with an address of this machine to reach ports at.
	own, err := Connect(Host{Endpoint: "unix://" + e.socket, Address: "127.0.0.2"})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	f(own, linux, Vantage{Direct: true, Host: "127.0.0.2"})

	// Another machine, without a container to look for.
	remote, err := Connect(Host{Endpoint: "unix://" + e.socket, Address: "docker1.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	f(remote, linux, Vantage{Remote: true, Host: "docker1.example.com"}) // where nobody may ask for networks
	e.breaks("/networks", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `[{"Id":"1","Driver":"bridge","Scope":"local"},{"Id":"2","Driver":"overlay","Scope":"swarm"},
			{"Id":"3","Driver":"macvlan","Scope":"local"},{"Id":"4","Driver":"host","Scope":"local"},{"Id":"5","Driver":"ipvlan","Scope":"local"}]`)
	})
	f(remote, linux, Vantage{Remote: true, Host: "docker1.example.com", Wide: map[string]bool{"2": true, "3": true, "5": true}})

	// In a container of the engine.
	in := func(c Container) surroundings { return surroundings{goos: "linux", cgroup: "0::/docker/" + c.ID} }
	c := all["networks"]
	f(local, in(c), Vantage{Container: c.ID, Networks: c.Networks, Host: c.Networks[0].Gateway.String()})
	remote.host.Address = "192.0.2.9"
	f(remote, in(c), Vantage{Container: c.ID, Networks: c.Networks, Host: "192.0.2.9"})
	c = all["host"]
	f(local, in(c), Vantage{Container: c.ID, Direct: true, Host: "127.0.0.1"})

	// Engines that keep their containers' networks to themselves.
	for _, version := range []string{
		`{"Platform":{"Name":"Docker Desktop 4.30.0 (149282)"}}`,
		`{"Platform":{"Name":"Docker Engine - Community"},"Components":[{"Name":"Engine"},{"Name":"rootlesskit"}]}`,
	} {
		e.breaks("/version", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, version) })
		f(local, linux, Vantage{Host: "127.0.0.1"})
	}

	// Podman does not say whether it is rootless; its socket does.
	e.breaks("/version", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"Platform":{"Name":"linux/amd64/debian-12"},"Components":[{"Name":"Podman Engine"},{"Name":"Conmon"}]}`)
	})
	f(local, linux, Vantage{Direct: true, Host: "127.0.0.1"})
	local.host.Endpoint = "unix:///run/user/1000/podman/podman.sock" // it is connected already
	f(local, linux, Vantage{Host: "127.0.0.1"})
}

func TestVantageIsUnknownWithoutTheEngine(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	c := e.client(t)
	e.stop()
	for _, s := range []surroundings{{goos: "linux"}, {goos: "linux", hostname: "0123456789ab"}} {
		if _, err := c.vantage(t.Context(), s); err == nil || !strings.HasPrefix(err.Error(), "docker host unix://") {
			t.Errorf("got %v, want an error that names the host", err)
		}
	}
}
