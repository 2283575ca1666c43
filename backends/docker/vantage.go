package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// loopback is how the engine's host is reached from itself.
const loopback = "127.0.0.1"

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
			return Vantage{}, fmt.Errorf("docker host %s: looking for the container that divvy runs in: %w", c.endpoint, err)
		}
		return inside(&self), nil
	}
	if host := c.host(); host != "" {
		return Vantage{Host: host}, nil
	}
	direct, err := c.direct(ctx, s)
	return Vantage{Direct: direct, Host: loopback}, err
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
// Desktop) or in a network namespace of the engine's own (rootless mode).
func (c *Client) direct(ctx context.Context, s surroundings) (bool, error) {
	if s.goos != "linux" {
		return false, nil
	}
	api, err := c.negotiated(ctx)
	if err != nil {
		return false, fmt.Errorf("docker host %s: %w", c.endpoint, err)
	}
	version, err := api.ServerVersion(ctx)
	if err != nil {
		return false, fmt.Errorf("docker host %s: asking for the engine's version: %w", c.endpoint, err)
	}
	for _, part := range version.Components {
		if part.Name == "rootlesskit" {
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

// isLoopback reports whether host is an address of this machine to itself.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
