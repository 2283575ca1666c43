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
	Project string // the Compose project, "" outside of Compose

	Created time.Time
	Started time.Time // later than Created, and different after each restart

	Paused     bool
	Health     backends.Health
	StopSignal string // the signal that asks it to stop, such as "SIGTERM"

	// Networks are those in which it has an address, by name.
	Networks []Network

	// HostNetwork means that it has the network of the engine's host.
	HostNetwork bool

	// Exposed are the TCP ports that the image or its run command declares, in
	// ascending order.
	Exposed []int

	// Published is where the engine's host answers for a TCP port of the
	// container. An unspecified address stands for every address of the host.
	Published map[int][]netip.AddrPort
}

// Network is a network in which a container has an address.
type Network struct {
	Name    string
	ID      string
	IP      netip.Addr // IPv4 if there is one, else IPv6
	Gateway netip.Addr // invalid if the network has none
}

// errorf returns an error that concerns this container alone.
func (c *Container) errorf(format string, args ...any) error {
	return fmt.Errorf("container %s: %w", c.Name, fmt.Errorf(format, args...))
}
