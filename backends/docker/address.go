package docker

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Want is what the configuration says about where a container answers. Zero
// values leave it to the container's labels, and then to what it has.
type Want struct {
	Network string
	Port    int
}

// Addr returns the address, "host:port", at which divvy reaches the container
// from v. An error concerns this container alone and says what to set.
func (c *Container) Addr(w Want, v Vantage) (string, error) {
	if c.Problem != "" {
		return "", c.errorf("%s", c.Problem)
	}
	port, err := c.port(w)
	if err != nil {
		return "", err
	}
	if c.NetworkOf != "" && len(c.Networks) == 0 && !c.HostNetwork && len(c.Published) == 0 {
		return "", c.errorf("it shares the network of container %.12s, which does not run or has none; start that first, and then this one", c.NetworkOf)
	}
	if c.HostNetwork {
		if c.Node.IsValid() {
			return join(c.Node.String(), port), nil
		}
		if v.Host == "" {
			return "", c.errorf("it has the network of its host, which divvy cannot reach; give it a network of its own that divvy shares")
		}
		return join(v.Host, port), nil
	}
	if name := cmp.Or(w.Network, c.Labels[LabelNetwork]); name != "" {
		n, err := c.network(name)
		switch {
		case err == nil && v.believes(n):
			return join(n.IP.String(), port), nil
		case v.Remote: // it is named for the containers of other hosts
			return c.published(port, v)
		default:
			return "", err
		}
	}
	switch near := c.near(v); len(near) {
	case 0:
		return c.published(port, v)
	case 1:
		return join(near[0].IP.String(), port), nil
	default:
		return "", c.errorf("divvy reaches it in the networks %s; set network in the file or the label %s", enumerate(names(near)), LabelNetwork)
	}
}

// port returns the port of the container that answers.
func (c *Container) port(w Want) (int, error) {
	if w.Port != 0 {
		return w.Port, nil
	}
	if text, ok := c.Labels[LabelPort]; ok {
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port > 65535 {
			return 0, c.errorf("the label %s is %q; it must be a number from 1 to 65535", LabelPort, text)
		}
		return port, nil
	}
	switch len(c.Exposed) {
	case 0:
		return 0, c.errorf("it exposes no port; set port in the file or the label %s", LabelPort)
	case 1:
		return c.Exposed[0], nil
	}
	return 0, c.errorf("it exposes ports %s; set port in the file or the label %s", enumerate(ranges(c.Exposed)), LabelPort)
}

// network returns the network that is called name, or that Compose has made of
// name by putting the project before it.
func (c *Container) network(name string) (Network, error) {
	for _, full := range []string{name, c.Project + "_" + name} {
		i := slices.IndexFunc(c.Networks, func(n Network) bool { return n.Name == full })
		if i >= 0 {
			return c.Networks[i], nil
		}
	}
	if len(c.Networks) == 0 {
		return Network{}, c.errorf("it is not in network %s, nor in any other; attach it", name)
	}
	return Network{}, c.errorf("it is not in network %s but in %s; attach it, or set another network in the file or the label %s",
		name, enumerate(names(c.Networks)), LabelNetwork)
}

// near returns the networks in which v reaches the container itself.
func (c *Container) near(v Vantage) []Network {
	var near []Network
	for _, n := range c.Networks {
		if v.in(n) || v.Direct && !n.ofSwarm() {
			near = append(near, n)
		}
	}
	return near
}

// published returns the address of the engine's host that stands for the port.
// It is the one that the host is known by, if the port is published there.
func (c *Container) published(port int, v Vantage) (string, error) {
	bindings := c.Published[port]
	for _, b := range bindings {
		if b.Addr().String() == v.Host {
			return join(v.Host, int(b.Port())), nil
		}
	}
	for _, b := range bindings {
		if host, ok := reach(b.Addr(), v.Host); ok {
			return join(host, int(b.Port())), nil
		}
	}
	switch {
	case len(bindings) > 0:
		return "", c.errorf("port %d is published on %s only, which divvy cannot reach; publish it on another address of the host, or let divvy join a network of the container", port, bindings[0].Addr())
	case v.Direct && len(c.Networks) > 0:
		return "", c.errorf("its network %s is one of the Swarm, which a host does not reach; run divvy in a container that is in it", enumerate(names(c.Networks)))
	case v.Direct:
		return "", c.errorf("it has no address of its own; attach it to a network")
	case v.Container != "" && len(c.Networks) > 0:
		return "", c.errorf("it shares no network with divvy; attach divvy to %s, or publish port %d", enumerate(names(c.Networks)), port)
	case v.Remote:
		return "", c.errorf("%s is another machine; publish port %d, or set network to an overlay or macvlan network that divvy reaches", v.Host, port)
	default:
		return "", c.errorf("its network is out of reach; publish port %d", port)
	}
}

// reach returns the host that leads to a port published on addr, where host is
// how the engine's host is reached.
func reach(addr netip.Addr, host string) (string, bool) {
	here := host == loopback
	switch {
	case addr.IsLoopback():
		return addr.String(), here
	case addr == netip.IPv6Unspecified() && here:
		return "::1", true
	case addr.IsUnspecified():
		// A name may stand for addresses of either kind.
		known, err := netip.ParseAddr(host)
		return host, host != "" && (err != nil || known.Is4() == addr.Is4())
	default:
		return addr.String(), true
	}
}

func join(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

func names(networks []Network) []string {
	var all []string
	for _, n := range networks {
		all = append(all, n.Name)
	}
	return all
}

// ranges writes ports, which ascend, more than three in a row as "8000-8010".
func ranges(ports []int) []string {
	var all []string
	for i := 0; i < len(ports); {
		j := i
		for j+1 < len(ports) && ports[j+1] == ports[j]+1 {
			j++
		}
		if j-i < 3 {
			j = i
			all = append(all, strconv.Itoa(ports[i]))
		} else {
			all = append(all, fmt.Sprintf("%d-%d", ports[i], ports[j]))
		}
		i = j + 1
	}
	return all
}

// enumerate returns "a", "a and b", "a, b and c".
func enumerate(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
