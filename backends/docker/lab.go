package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
)

// LabelLab is the label on everything that a Lab makes; its value is the name
// of the lab. It does not begin with "divvy.", as labels that configure do.
const LabelLab = "divvy-lab"

// makeTimeout bounds what makes something, closeTimeout what removes it all.
const (
	makeTimeout  = time.Minute
	closeTimeout = time.Minute
)

// Lab makes images, networks and containers for the demonstration and for tests
// against a real engine, and removes them all. What it makes bears its name and
// a label, by which Close finds it, so that nothing remains even of what was
// being made when something failed. Its methods may be called concurrently.
type Lab struct {
	api  *client.Client
	name string

	mu     sync.RWMutex // held for reading while something is made
	closed bool
}

// NewLab returns a lab on the engine at host, the environment's if that is "", whose name begins
// with name and is like no other. The error says so if no engine answers.
func NewLab(ctx context.Context, host, name string) (*Lab, error) {
	unique := fmt.Sprintf("%s-%08x", name, rand.Uint32())
	if _, err := Repository(unique); err != nil || strings.ContainsAny(unique, "/:@") {
		return nil, fmt.Errorf("lab %q: the name may consist of lower-case letters, digits and single hyphens", name)
	}
	c, err := Connect(Host{Endpoint: host})
	if err != nil {
		return nil, err
	}
	api, err := c.negotiate(ctx)
	if err != nil {
		return nil, fmt.Errorf("docker host %s: no engine answers: %w", c.Host(), err)
	}
	return &Lab{api: api, name: unique}, nil
}

// Repository returns the repository of the lab's images, which is also its name.
func (l *Lab) Repository() string { return l.name }

// making runs f, which makes something. It lets f end even if ctx ends
// meanwhile: the engine may carry out a request that was given up, after Close
// has looked for what there is.
func (l *Lab) making(ctx context.Context, what string, f func(ctx context.Context) error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	err := ctx.Err()
	if err == nil && l.closed {
		err = errors.New("the lab is closed")
	}
	if err == nil {
		free, stop := context.WithTimeout(context.WithoutCancel(ctx), makeTimeout)
		defer stop()
		err = f(free)
	}
	if err != nil {
		return fmt.Errorf("lab %s: making %s: %w", l.name, what, err)
	}
	return nil
}

// Tag makes tag the name of an image of the lab, given by ID or by name. The
// image that had it before loses it.
func (l *Lab) Tag(ctx context.Context, image, tag string) error {
	return l.making(ctx, "tag "+tag, func(ctx context.Context) error {
		return l.api.ImageTag(ctx, image, l.name+":"+tag)
	})
}

// Network makes a network and returns its full name.
func (l *Lab) Network(ctx context.Context, name string) (string, error) {
	full := l.name + "_" + name
	err := l.making(ctx, "network "+name, func(ctx context.Context) error {
		_, err := l.api.NetworkCreate(ctx, full, network.CreateOptions{Labels: map[string]string{LabelLab: l.name}})
		return err
	})
	return full, err
}

// ContainerSpec says how to run a container.
type ContainerSpec struct {
	Image       string // an ID, or a name such as Repository() + ":v1"
	Name        string // what follows the lab's name
	Cmd         []string
	Env         map[string]string
	Labels      map[string]string
	Networks    []string // full names; the engine's default network if empty
	HostNetwork bool
	NetworkOf   string // the ID of a container whose network it shares
	Publish     []int  // TCP ports to publish on free ports of 127.0.0.1
	StopSignal  string
	StopTimeout time.Duration // zero stands for the engine's default
	Volumes     []string      // where new ones are mounted, which go with the container
	ReadOnly    bool          // it can write nothing but into them
}

// Container makes and starts a container, and returns its ID.
func (l *Lab) Container(ctx context.Context, spec ContainerSpec) (string, error) {
	var id string
	err := l.making(ctx, "container "+spec.Name, func(ctx context.Context) error {
		config, host := l.configs(&spec)
		made, err := l.api.ContainerCreate(ctx, config, host, nil, nil, l.name+"-"+spec.Name)
		if err != nil {
			return err
		}
		id = made.ID
		// Older engines take only one network when a container is made.
		for _, name := range spec.Networks[min(1, len(spec.Networks)):] {
			if err := l.api.NetworkConnect(ctx, name, id, nil); err != nil {
				return err
			}
		}
		return l.api.ContainerStart(ctx, id, container.StartOptions{})
	})
	return id, err
}

func (l *Lab) configs(spec *ContainerSpec) (*container.Config, *container.HostConfig) {
	config := &container.Config{
		Image:        spec.Image,
		Cmd:          spec.Cmd,
		Labels:       map[string]string{LabelLab: l.name},
		Env:          environment(spec.Env),
		StopSignal:   spec.StopSignal,
		ExposedPorts: nat.PortSet{},
	}
	maps.Copy(config.Labels, spec.Labels)
	if spec.StopTimeout != 0 {
		seconds := int(spec.StopTimeout.Round(time.Second).Seconds())
		config.StopTimeout = &seconds
	}
	host := &container.HostConfig{PortBindings: nat.PortMap{}, ReadonlyRootfs: spec.ReadOnly}
	for _, at := range spec.Volumes {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeVolume, Target: at})
	}
	switch {
	case spec.HostNetwork:
		host.NetworkMode = network.NetworkHost
	case spec.NetworkOf != "":
		host.NetworkMode = container.NetworkMode("container:" + spec.NetworkOf)
	case len(spec.Networks) > 0:
		host.NetworkMode = container.NetworkMode(spec.Networks[0])
	}
	for _, n := range spec.Publish {
		port := nat.Port(strconv.Itoa(n) + "/tcp")
		config.ExposedPorts[port] = struct{}{}
		host.PortBindings[port] = []nat.PortBinding{{HostIP: loopback}}
	}
	return config, host
}

// Start starts a container that was stopped.
func (l *Lab) Start(ctx context.Context, id string) error {
	return l.did("starting", id, l.api.ContainerStart(ctx, id, container.StartOptions{}))
}

// Stop sends a container its stop signal, waits for its end, and kills it if
// that takes longer than timeout, which counts in seconds.
func (l *Lab) Stop(ctx context.Context, id string, timeout time.Duration) error {
	seconds := int(timeout.Round(time.Second).Seconds())
	return l.did("stopping", id, l.api.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds}))
}

// Restart stops a container, as Stop does, and starts it again.
func (l *Lab) Restart(ctx context.Context, id string, timeout time.Duration) error {
	seconds := int(timeout.Round(time.Second).Seconds())
	return l.did("restarting", id, l.api.ContainerRestart(ctx, id, container.StopOptions{Timeout: &seconds}))
}

// Disconnect takes a container off a network, Connect puts it back. The network is
// given by its full name.
func (l *Lab) Disconnect(ctx context.Context, network, id string) error {
	return l.did("disconnecting", id, l.api.NetworkDisconnect(ctx, network, id, true))
}

// Connect is the opposite of Disconnect.
func (l *Lab) Connect(ctx context.Context, network, id string) error {
	return l.did("connecting", id, l.api.NetworkConnect(ctx, network, id, nil))
}

// Kill sends a container a signal, such as "HUP" or "KILL".
func (l *Lab) Kill(ctx context.Context, id, signal string) error {
	return l.did("signalling", id, l.api.ContainerKill(ctx, id, signal))
}

// Pause freezes the processes of a container.
func (l *Lab) Pause(ctx context.Context, id string) error {
	return l.did("pausing", id, l.api.ContainerPause(ctx, id))
}

// Unpause lets them go on.
func (l *Lab) Unpause(ctx context.Context, id string) error {
	return l.did("unpausing", id, l.api.ContainerUnpause(ctx, id))
}

// Remove kills a container if it runs, and removes it.
func (l *Lab) Remove(ctx context.Context, id string) error {
	return l.did("removing", id, l.remove(ctx, id))
}

func (l *Lab) remove(ctx context.Context, id string) error {
	// Frozen processes do not notice that they are killed, and the engine waits
	// for them, for ten seconds. Most containers are not paused, which is fine.
	_ = l.api.ContainerUnpause(ctx, id)
	return l.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
}

func (l *Lab) did(what, id string, err error) error {
	if err != nil {
		return fmt.Errorf("lab %s: %s container %.12s: %w", l.name, what, id, err)
	}
	return nil
}

// Close removes all that the lab has made and lets it make no more. It may be
// called again, and does its work even if ctx has ended.
func (l *Lab) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer stop()

	// Repeatedly, since what is there may not go at once: another request may
	// still be removing the container that uses it.
	err := errors.New("it is made again and again")
	for range 10 {
		left, problem := l.sweep(ctx)
		if left == 0 && problem == nil {
			return l.api.Close()
		}
		err = cmp.Or(problem, err)
		pause(ctx, 50*time.Millisecond)
	}
	return fmt.Errorf("lab %s: something may remain, to be found by the label %s=%s: %w", l.name, LabelLab, l.name, err)
}

// sweep removes what it finds and returns how much that was.
func (l *Lab) sweep(ctx context.Context) (found int, err error) {
	mine := filters.NewArgs(filters.Arg("label", LabelLab+"="+l.name))
	var problems []error
	note := func(err error) {
		if err != nil && !errdefs.IsNotFound(err) {
			problems = append(problems, err)
		}
	}
	containers, err := l.api.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	note(err)
	note(l.removeContainers(ctx, containers))

	images, err := l.api.ImageList(ctx, image.ListOptions{All: true, Filters: mine})
	note(err)
	for _, i := range images {
		_, err := l.api.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true, PruneChildren: true})
		note(err)
	}
	networks, err := l.api.NetworkList(ctx, network.ListOptions{Filters: mine})
	note(err)
	for _, n := range networks {
		note(l.api.NetworkRemove(ctx, n.ID))
	}
	return len(containers) + len(images) + len(networks), errors.Join(problems...)
}

// removeContainers removes all at the same time, since each takes a while.
func (l *Lab) removeContainers(ctx context.Context, all []container.Summary) error {
	problems := make([]error, len(all))
	var removals sync.WaitGroup
	for i, c := range all {
		removals.Go(func() {
			if err := l.remove(ctx, c.ID); !errdefs.IsNotFound(err) {
				problems[i] = err
			}
		})
	}
	removals.Wait()
	return errors.Join(problems...)
}
