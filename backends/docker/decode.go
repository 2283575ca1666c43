package docker

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"divvy/backends"
)

// decodeSummary reads one line of a list.
func decodeSummary(in *container.Summary) Summary {
	s := Summary{
		ID:      in.ID,
		ImageID: in.ImageID,
		Names:   strings.Join(slices.Sorted(slices.Values(in.Names)), " "),
		State:   in.State,
		Task:    in.Labels[labelTask],
	}
	// Of "Up 5 minutes (healthy)" only what is in brackets says something new.
	if _, health, ok := strings.Cut(in.Status, "("); ok {
		s.Health = strings.TrimSuffix(health, ")")
	}
	if in.NetworkSettings != nil {
		var all []string
		for _, n := range decodeNetworks(in.NetworkSettings.Networks) {
			all = append(all, n.ID+"="+n.IP.String())
		}
		s.Networks = strings.Join(all, " ")
	}
	return s
}

// decodeContainer reads an inspection. The version lacks what only the image
// can tell.
func decodeContainer(in *container.InspectResponse) (Container, error) {
	if in.ContainerJSONBase == nil || in.State == nil || in.Config == nil {
		return Container{}, errors.New("the engine's answer lacks the container's state or configuration")
	}
	if !in.State.Running || in.State.Restarting {
		return Container{}, ErrGone
	}
	created, err := time.Parse(time.RFC3339Nano, in.Created)
	if err != nil {
		return Container{}, fmt.Errorf("reading the time of creation: %w", err)
	}
	started, err := time.Parse(time.RFC3339Nano, in.State.StartedAt)
	if err != nil {
		return Container{}, fmt.Errorf("reading the time of the start: %w", err)
	}
	c := Container{
		ID:         in.ID,
		Name:       strings.TrimPrefix(in.Name, "/"),
		Version:    decodeVersion(in),
		Labels:     in.Config.Labels,
		Project:    cmp.Or(in.Config.Labels[labelProject], in.Config.Labels[labelStack]),
		Task:       in.Config.Labels[labelTask],
		NodeID:     in.Config.Labels[labelNode],
		Created:    created,
		Started:    started,
		Paused:     in.State.Paused,
		StopSignal: cmp.Or(in.Config.StopSignal, defaultStopSignal),
		Exposed:    decodeExposed(in),
		Mounts:     decodeMounts(in),
		check:      decodeCheck(in.Config),
	}
	if in.State.Health != nil {
		c.Health = decodeHealth(in.State.Health.Status)
	}
	if in.HostConfig != nil {
		c.HostNetwork = in.HostConfig.NetworkMode.IsHost()
		c.NetworkOf = in.HostConfig.NetworkMode.ConnectedContainer()
		c.ReadOnly = in.HostConfig.ReadonlyRootfs
	}
	if in.NetworkSettings != nil {
		c.Networks = decodeNetworks(in.NetworkSettings.Networks)
		c.Published = decodePublished(in.NetworkSettings.Ports)
	}
	return c, nil
}

// decodeVersion reads what inspection says of the image. The engine copies an
// image's labels to its containers, so the image need not be asked for them.
func decodeVersion(in *container.InspectResponse) backends.Version {
	name := parseImageName(in.Config.Image, in.Image)
	return backends.Version{
		ImageID:    in.Image,
		Repository: name.repository,
		Tag:        name.tag,
		Revision:   in.Config.Labels[ocispec.AnnotationRevision],
		Source:     in.Config.Labels[ocispec.AnnotationSource],
		Created:    in.Config.Labels[ocispec.AnnotationCreated],
	}
}

func decodeHealth(status string) backends.Health {
	switch status {
	case container.Starting:
		return backends.HealthStarting
	case container.Healthy:
		return backends.HealthPassing
	case container.Unhealthy:
		return backends.HealthUnhealthy
	default: // "none", and "" where there is no check
		return backends.HealthNone
	}
}

// decodeNetworks returns the networks with an address, by name.
func decodeNetworks(in map[string]*network.EndpointSettings) []Network {
	var all []Network
	for name, e := range in {
		if e == nil {
			continue
		}
		n := Network{Name: name, ID: e.NetworkID}
		n.IP, n.Gateway = parseAddr(e.IPAddress), parseAddr(e.Gateway)
		if !n.IP.IsValid() {
			n.IP, n.Gateway = parseAddr(e.GlobalIPv6Address), parseAddr(e.IPv6Gateway)
		}
		if n.IP.IsValid() {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// parseAddr reads an address; the engine writes "" where there is none.
func parseAddr(text string) netip.Addr {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// decodeExposed returns the TCP ports that are declared anywhere, those of
// ranges too.
func decodeExposed(in *container.InspectResponse) []int {
	var ports []int
	add := func(p nat.Port) {
		first, last := tcpPorts(p)
		for n := first; n <= last && n > 0; n++ {
			ports = append(ports, n)
		}
	}
	for p := range in.Config.ExposedPorts {
		add(p)
	}
	if in.NetworkSettings != nil {
		for p := range in.NetworkSettings.Ports {
			add(p)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// decodePublished returns the bindings of each TCP port, IPv4 before IPv6.
func decodePublished(in nat.PortMap) map[int][]netip.AddrPort {
	published := map[int][]netip.AddrPort{}
	for p, bindings := range in {
		n, last := tcpPorts(p)
		if n == 0 || n != last { // the engine publishes each by itself
			continue
		}
		for _, b := range bindings {
			port, err := strconv.ParseUint(b.HostPort, 10, 16)
			addr := parseAddr(cmp.Or(b.HostIP, "0.0.0.0"))
			if err == nil && port != 0 && addr.IsValid() {
				published[n] = append(published[n], netip.AddrPortFrom(addr, uint16(port)))
			}
		}
		slices.SortFunc(published[n], netip.AddrPort.Compare)
	}
	return published
}

// tcpPorts returns the first and the last number of TCP ports as they are
// declared, "8080/tcp" or "8000-8010/tcp"; zeros for any other.
func tcpPorts(p nat.Port) (first, last int) {
	numbers, proto, _ := strings.Cut(string(p), "/")
	from, to, isRange := strings.Cut(numbers, "-")
	a, err := strconv.ParseUint(from, 10, 16)
	if err != nil || (proto != "tcp" && proto != "") {
		return 0, 0
	}
	if !isRange {
		return int(a), int(a)
	}
	b, err := strconv.ParseUint(to, 10, 16)
	if err != nil || b < a {
		return 0, 0
	}
	return int(a), int(b)
}

// podmanDied is what older Podmans call the end of a process.
const podmanDied = "died"

// decodeEvent reads an event of a container, or of what containers belong to.
func decodeEvent(m *events.Message) Event {
	e := Event{
		Container: m.Actor.ID,
		Action:    string(m.Action),
		Signal:    m.Actor.Attributes["signal"],
	}
	if e.Action == podmanDied {
		e.Action = actionDie
	}
	// Of a process the action names the command: "exec_start: sh -c date".
	if action, command, ok := strings.Cut(e.Action, ": "); ok && action == actionExec {
		e.Action, e.Command = action, command
	}
	if m.Type == events.NetworkEventType {
		e.Container = m.Actor.Attributes["container"]
	}
	if m.TimeNano != 0 {
		e.At = time.Unix(0, m.TimeNano)
	}
	return e
}
