package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"divvy/backends"
)

// ErrGone means that a container does not run any more, or never did.
var ErrGone = errors.New("the container does not run any more")

// Labels that say where a container answers, for those who write no file. What
// other labels mean is the program's business.
const (
	LabelPort    = "divvy.port"
	LabelNetwork = "divvy.network"
)

// labelProject is what Compose writes on everything that it makes.
const labelProject = "com.docker.compose.project"

// Container is what divvy needs to know of one running or paused container. It
// is a plain value, but its maps and slices are shared with others who hold the
// same container, so nobody may change them.
type Container struct {
	ID   string
	Name string // without the slash that the engine puts before it

	// Version is the image that runs and the name that it was started by, see
	// [imageName].
	Version backends.Version

	Labels  map[string]string
	Project string // the Compose project or the stack, "" outside of both

	// Task is the ID of the Swarm's task that it belongs to, "" if it is a
	// container of its own. The labels of a task are its service's, too.
	Task string

	// NodeID is the ID of the node that the task is on, "" if there is no task.
	NodeID string

	// Elsewhere means that it runs on another machine of the Swarm: the engine
	// that tells of it knows no more than its manager, and cannot look into it.
	Elsewhere bool

	// Node is the address of the Swarm's node that it runs on, invalid if that is
	// not known.
	Node netip.Addr

	// Problem says why it cannot be used, whatever else is so; "" if it can.
	Problem string

	Created time.Time
	Started time.Time // later than Created, and different after each restart

	Paused     bool
	Health     backends.Health
	StopSignal string // the signal that asks it to stop, such as "SIGTERM"

	// Networks are those in which it has an address, by name.
	Networks []Network

	// HostNetwork means that it has the network of the engine's host.
	HostNetwork bool

	// NetworkOf is the ID of the container whose network it shares, "" if it
	// has its own. Networks, HostNetwork and Published are then the other's,
	// and empty if that does not run.
	NetworkOf string

	// Exposed are the TCP ports that the image or its run command declares, in
	// ascending order.
	Exposed []int

	// Published is where the engine's host answers for a TCP port of the
	// container. An unspecified address stands for every address of the host.
	Published map[int][]netip.AddrPort

	// Fingerprint is what shapes its behaviour beside the image.
	Fingerprint Fingerprint

	Mounts   []Mount
	ReadOnly bool // it cannot write but into its mounts

	check string // the command of its health check, see [decodeCheck]
}

// Network is a network in which a container has an address.
type Network struct {
	Name    string
	ID      string
	IP      netip.Addr // IPv4 if there is one, else IPv6
	Gateway netip.Addr // invalid if the network has none
}

// ofSwarm reports whether a network spans the machines of a Swarm, which is
// nowhere said but shows in its ID. The host of a container is not in it.
func (n *Network) ofSwarm() bool { return len(n.ID) == 25 }

// errorf returns an error that concerns this container alone.
func (c *Container) errorf(format string, args ...any) error {
	return fmt.Errorf("container %s: %w", c.Name, fmt.Errorf(format, args...))
}
