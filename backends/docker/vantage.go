package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// loopback is how the engine's host is reached from itself.
const loopback = "127.0.0.1"

// Vantage is where divvy stands, which decides what it can reach:
//
//	                                     Networks  Direct  Remote  Host
//	in a container of the engine         its own   no      no      a gateway, "172.18.0.1"
//	on the engine's host                 none      yes     no      "127.0.0.1"
//	the same, with Docker Desktop        none      no      no      "127.0.0.1"
//	on another machine                   none      no      yes     its name, "docker1.example.com"
//	in a container of another machine    its own   no      yes     its name
//
// A container with the network of its host stands on the host.
type Vantage struct {
	// Container is the ID of the container that divvy runs in, "" if it runs
	// in none of this engine.
	Container string

	// Networks are those of the container that divvy runs in, be it of this
	// engine or of another: an overlay network spans machines.
	Networks []Network

	// Direct means that the addresses of all containers can be reached without
	// sharing a network with them.
	Direct bool

	// Remote means that the engine is on another machine: an address in one of
	// its bridge networks means nothing here, or somebody else.
	Remote bool

	// Wide are the networks of a remote engine, by ID, whose addresses mean the
	// same on every machine (overlay, macvlan, ipvlan). Whether there is a way
	// to them from here, the engine cannot know.
	Wide map[string]bool

	// Host is the address or name under which the engine's host is reached, ""
	// if it cannot be.
	Host string
}

// believes reports whether there may be a way from v into a network that the
// configuration names: routes may exist that the engine knows nothing of, but
// none into a bridge of another machine.
func (v *Vantage) believes(n Network) bool {
	return !v.Remote || v.Wide[n.ID] || v.in(n)
}

// in reports whether the container that divvy runs in is in a network.
func (v *Vantage) in(n Network) bool {
	return slices.ContainsFunc(v.Networks, func(own Network) bool { return own.ID == n.ID })
}

// Vantage finds out where this process stands, seen from the engine.
func (c *Client) Vantage(ctx context.Context) (Vantage, error) {
	return c.vantage(ctx, lookAround())
}

func (c *Client) vantage(ctx context.Context, s surroundings) (Vantage, error) {
	for _, id := range s.containers() {
		self, err := c.Inspect(ctx, id)
		if errors.Is(err, ErrGone) {
			continue // a container of another engine, or none at all
		}
		if err != nil {
			return Vantage{}, fmt.Errorf("docker host %s: looking for the container that divvy runs in: %w", c.host, err)
		}
		v := inside(&self)
		v.Host = cmp.Or(c.host.Address, v.Host)
		return v, nil
	}
	if host := c.host.machine(); host != "" {
		wide, err := c.wide(ctx)
		return Vantage{Remote: true, Wide: wide, Host: host}, err
	}
	direct, err := c.direct(ctx, s)
	return Vantage{Direct: direct, Host: cmp.Or(c.host.Address, loopback)}, err
}

// inside returns the vantage of a process in the container self.
func inside(self *Container) Vantage {
	v := Vantage{Container: self.ID, Networks: self.Networks}
	if self.HostNetwork {
		v.Direct, v.Host = true, loopback
		return v
	}
	for _, n := range self.Networks {
		if n.Gateway.IsValid() { // an internal network has none
			v.Host = n.Gateway.String()
			break
		}
	}
	return v
}

// direct reports whether a process on the engine's host reaches the addresses
// of containers. It does not where these are in a virtual machine (Docker
// Desktop) or in a network namespace of the engine's own (rootless mode, of
// which Podman tells only by where its socket is).
func (c *Client) direct(ctx context.Context, s surroundings) (bool, error) {
	if s.goos != "linux" {
		return false, nil
	}
	api, err := c.negotiated(ctx)
	if err != nil {
		return false, fmt.Errorf("docker host %s: %w", c.host, err)
	}
	version, err := api.ServerVersion(ctx)
	if err != nil {
		return false, fmt.Errorf("docker host %s: asking for the engine's version: %w", c.host, err)
	}
	for _, part := range version.Components {
		if part.Name == "rootlesskit" || part.Name == "Podman Engine" && strings.Contains(c.host.Endpoint, "/run/user/") {
			return false, nil
		}
	}
	return !strings.Contains(version.Platform.Name, "Docker Desktop"), nil
}

// surroundings are what a process sees of the place where it runs.
type surroundings struct {
	mountinfo string // /proc/self/mountinfo
	cgroup    string // /proc/self/cgroup
	hostname  string
	goos      string
}

// lookAround reads the surroundings. What cannot be read is empty: other
// systems have no /proc, and divvy runs in no container there.
func lookAround() surroundings {
	mountinfo, _ := os.ReadFile("/proc/self/mountinfo")
	cgroup, _ := os.ReadFile("/proc/self/cgroup")
	hostname, _ := os.Hostname()
	return surroundings{string(mountinfo), string(cgroup), hostname, runtime.GOOS}
}

// containers returns the IDs that the container of this process may have, the
// surest first.
//
// The surest are the files that the engine mounts into every container from a
// directory named like it, and which no setting hides. A host has mounts with
// such names too, of the containers that it runs, but not in these places:
//
//	… /var/lib/docker/containers/<ID>/hostname /etc/hostname …
func (s surroundings) containers() []string {
	var ids []string
	add := func(id string) {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	full := regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	for line := range strings.Lines(s.mountinfo) {
		// The fields are named in proc(5): root is the 4th, mount point the 5th.
		f := strings.Fields(line)
		if len(f) > 4 && slices.Contains([]string{"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}, f[4]) {
			add(full.FindString(f[3]))
		}
	}
	for line := range strings.Lines(s.cgroup) {
		add(full.FindString(line))
	}
	if regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(s.hostname) {
		add(s.hostname)
	}
	return ids
}
