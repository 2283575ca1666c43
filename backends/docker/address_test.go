package docker

import (
	"net/netip"
	"strings"
	"testing"
)

// shop returns a container in the networks of that name, changed by change.
func shop(change func(*Container), networks ...string) *Container {
	c := &Container{Name: "shop-1", Project: "acme", Labels: map[string]string{}, Exposed: []int{8080}}
	for i, name := range networks {
		c.Networks = append(c.Networks, Network{Name: name, ID: "id-" + name, IP: netip.AddrFrom4([4]byte{172, 18, byte(i), 2})})
	}
	if change != nil {
		change(c)
	}
	return c
}

func publish(c *Container, bindings ...string) {
	c.Published = map[int][]netip.AddrPort{}
	for _, b := range bindings {
		c.Published[8080] = append(c.Published[8080], netip.MustParseAddrPort(b))
	}
}

func onHost() Vantage    { return Vantage{Direct: true, Host: loopback} }
func onDesktop() Vantage { return Vantage{Host: loopback} }
func remote() Vantage    { return Vantage{Remote: true, Host: "docker1.example.com"} }

// inContainer is the vantage of divvy in a container with these networks.
func inContainer(networks ...string) Vantage {
	v := Vantage{Container: "divvy", Host: "172.30.0.1"}
	for _, name := range networks {
		v.Networks = append(v.Networks, Network{Name: name, ID: "id-" + name})
	}
	return v
}

func TestAddr(t *testing.T) {
	t.Parallel()
	f := func(c *Container, w Want, v Vantage, want string) {
		t.Helper()
		if got, err := c.Addr(w, v); got != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	// The port.
	f(shop(nil, "a"), Want{}, onHost(), "172.18.0.2:8080")
	f(shop(nil, "a"), Want{Port: 9000}, onHost(), "172.18.0.2:9000")
	labelled := func(c *Container) { c.Labels[LabelPort] = "9090"; c.Exposed = nil }
	f(shop(labelled, "a"), Want{}, onHost(), "172.18.0.2:9090")
	f(shop(labelled, "a"), Want{Port: 9000}, onHost(), "172.18.0.2:9000")

	// A network of a Swarm is reached from within only.
	const spans = "4d73fhhysjthw6ji6stxw5g2b"
	swarm := func(c *Container) { c.Networks[0].ID = spans }
	f(shop(swarm, "a", "b"), Want{}, onHost(), "172.18.1.2:8080")
	f(shop(swarm, "a", "b"), Want{}, Vantage{Container: "divvy", Networks: []Network{{ID: spans}}}, "172.18.0.2:8080")

	// The network: what is named, what is shared, what is the only one.
	f(shop(nil, "a", "b"), Want{Network: "b"}, onHost(), "172.18.1.2:8080")
	f(shop(nil, "a", "b"), Want{Network: "b"}, inContainer("a"), "172.18.1.2:8080")
	f(shop(nil, "a", "acme_front"), Want{Network: "front"}, onHost(), "172.18.1.2:8080")
	f(shop(nil, "acme_front", "front"), Want{Network: "front"}, onHost(), "172.18.1.2:8080")
	named := func(c *Container) { c.Labels[LabelNetwork] = "front" }
	f(shop(named, "a", "acme_front"), Want{}, onHost(), "172.18.1.2:8080")
	f(shop(named, "a", "acme_front"), Want{Network: "a"}, onHost(), "172.18.0.2:8080")
	f(shop(nil, "a", "b"), Want{}, inContainer("b", "c"), "172.18.1.2:8080")

	// A network of the same name on another engine is another network.
	elsewhere := inContainer("b")
	elsewhere.Networks[0].ID = "id-other"
	f(shop(func(c *Container) { publish(c, "0.0.0.0:80") }, "b"), Want{}, elsewhere, "172.30.0.1:80")

	// IPv6.
	f(shop(func(c *Container) { c.Networks[0].IP = netip.MustParseAddr("fd00::2") }, "a"), Want{}, onHost(), "[fd00::2]:8080")

	// The network of the host.
	host := func(c *Container) { c.HostNetwork = true }
	f(shop(host), Want{}, onHost(), "127.0.0.1:8080")
	f(shop(host), Want{}, inContainer("a"), "172.30.0.1:8080")
	f(shop(host), Want{}, remote(), "docker1.example.com:8080")
}

func TestAddrOfPublishedPort(t *testing.T) {
	t.Parallel()
	f := func(v Vantage, want string, bindings ...string) {
		t.Helper()
		c := shop(func(c *Container) { publish(c, bindings...) }, "a")
		if got, err := c.Addr(Want{}, v); got != want || err != nil {
			t.Errorf("published on %q: got %q, %v; want %q", bindings, got, err, want)
		}
	}
	f(onDesktop(), "127.0.0.1:80", "0.0.0.0:80", "[::]:80")
	f(onDesktop(), "127.0.0.1:80", "127.0.0.1:80")
	f(onDesktop(), "[::1]:80", "[::]:80")
	f(remote(), "docker1.example.com:80", "0.0.0.0:80", "[::]:80")
	f(remote(), "docker1.example.com:80", "[::]:80")
	f(remote(), "docker1.example.com:81", "127.0.0.1:80", "0.0.0.0:81")
	f(remote(), "192.0.2.7:80", "192.0.2.7:80")
	f(inContainer("b"), "172.30.0.1:80", "0.0.0.0:80")
	f(inContainer("b"), "192.0.2.7:80", "127.0.0.1:80", "192.0.2.7:80")

	// The address that the host is known by comes first, and is of one kind.
	six, four := Vantage{Remote: true, Host: "2001:db8::7"}, Vantage{Remote: true, Host: "192.0.2.7"}
	f(four, "192.0.2.7:82", "0.0.0.0:80", "192.0.2.6:81", "192.0.2.7:82")
	f(six, "[2001:db8::7]:81", "0.0.0.0:80", "[::]:81")
	f(four, "192.0.2.7:80", "[::]:81", "0.0.0.0:80")

	// Who can reach the container itself has no use for it.
	f(onHost(), "172.18.0.2:8080", "0.0.0.0:80")
	f(inContainer("a"), "172.18.0.2:8080", "0.0.0.0:80")
}

// A bridge of another machine may have the addresses of one of ours, with
// somebody else's containers.
func TestAddrOnAnotherMachine(t *testing.T) {
	t.Parallel()
	f := func(c *Container, w Want, v Vantage, want string) {
		t.Helper()
		got, err := c.Addr(w, v)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	published := func(c *Container) { publish(c, "0.0.0.0:80") }
	spanning := remote() // divvy is in a container, in the overlay network mesh
	spanning.Networks = []Network{{Name: "mesh", ID: "id-mesh"}}
	wide := remote()
	wide.Wide = map[string]bool{"id-lan": true, "id-mesh": true}

	f(shop(published, "a"), Want{}, remote(), "docker1.example.com:80")
	f(shop(published, "a"), Want{Network: "a"}, remote(), "docker1.example.com:80")
	f(shop(published, "a"), Want{Network: "b"}, remote(), "docker1.example.com:80") // b is of another host
	f(shop(nil, "a"), Want{Network: "a"}, remote(), "container shop-1: docker1.example.com is another machine; publish port 8080, or set network to an overlay or macvlan network that divvy reaches")

	f(shop(published, "a", "mesh"), Want{}, spanning, "172.18.1.2:8080")
	f(shop(published, "a", "mesh"), Want{Network: "mesh"}, spanning, "172.18.1.2:8080")
	f(shop(published, "a"), Want{}, spanning, "docker1.example.com:80")

	f(shop(published, "lan"), Want{Network: "lan"}, wide, "172.18.0.2:8080")
	f(shop(published, "lan"), Want{}, wide, "docker1.example.com:80") // nobody says that there is a way
	f(shop(published, "a", "lan"), Want{Network: "a"}, wide, "docker1.example.com:80")
}

func TestAddrInTheNetworkOfAnother(t *testing.T) {
	t.Parallel()
	owner := *shop(func(c *Container) { c.ID, c.Name = "id-owner", "owner"; publish(c, "0.0.0.0:80") }, "a")
	host := *shop(func(c *Container) { c.ID, c.HostNetwork = "id-host", true })
	f := func(of string, v Vantage, want string) {
		t.Helper()
		all := []Container{*shop(func(c *Container) { c.NetworkOf = of }), owner, host, {ID: "id-two", NetworkOf: "id-owner"}, {ID: "id-ring", NetworkOf: "id-ring"}}
		shareNetworks(all)
		got, err := all[0].Addr(Want{}, v)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("in the network of %s: got %s, want %s", of, got, want)
		}
	}
	f("id-owner", onHost(), "172.18.0.2:8080")
	f("owner", onHost(), "172.18.0.2:8080")
	f("id-two", onHost(), "172.18.0.2:8080")
	f("id-owner", inContainer("a"), "172.18.0.2:8080")
	f("id-owner", onDesktop(), "127.0.0.1:80")
	f("id-host", onHost(), "127.0.0.1:8080")
	f("id-gone", onHost(), "container shop-1: it shares the network of container id-gone, which does not run or has none; start that first, and then this one")
	f("id-ring", onHost(), "container shop-1: it shares the network of container id-ring, which does not run or has none; start that first, and then this one")
}

func TestAddrRefuses(t *testing.T) {
	t.Parallel()
	f := func(c *Container, w Want, v Vantage, want string) {
		t.Helper()
		got, err := c.Addr(w, v)
		if err == nil || got != "" || err.Error() != "container shop-1: "+want {
			t.Errorf("got %q, %v\nwant container shop-1: %s", got, err, want)
		}
	}
	exposing := func(ports ...int) func(*Container) { return func(c *Container) { c.Exposed = ports } }
	f(shop(exposing(), "a"), Want{}, onHost(), "it exposes no port; set port in the file or the label divvy.port")
	f(shop(exposing(8080, 9090), "a"), Want{}, onHost(), "it exposes ports 8080 and 9090; set port in the file or the label divvy.port")
	f(shop(exposing(1, 2, 3), "a"), Want{}, onHost(), "it exposes ports 1, 2 and 3; set port in the file or the label divvy.port")
	f(shop(exposing(80, 8000, 8001, 8002, 8003), "a"), Want{}, onHost(), "it exposes ports 80 and 8000-8003; set port in the file or the label divvy.port")
	for _, text := range []string{"http", "0", "65536", ""} {
		labelled := func(c *Container) { c.Labels[LabelPort] = text }
		f(shop(labelled, "a"), Want{}, onHost(), `the label divvy.port is "`+text+`"; it must be a number from 1 to 65535`)
	}
	f(shop(nil, "a", "b"), Want{}, onHost(), "divvy reaches it in the networks a and b; set network in the file or the label divvy.network")
	f(shop(nil, "a", "b", "c"), Want{}, inContainer("a", "b"), "divvy reaches it in the networks a and b; set network in the file or the label divvy.network")
	f(shop(nil, "a", "b"), Want{Network: "x"}, onHost(), "it is not in network x but in a and b; attach it, or set another network in the file or the label divvy.network")
	f(shop(nil), Want{Network: "x"}, onHost(), "it is not in network x, nor in any other; attach it")
	f(shop(nil), Want{}, onHost(), "it has no address of its own; attach it to a network")
	f(shop(nil, "a", "b"), Want{}, inContainer("c"), "it shares no network with divvy; attach divvy to a and b, or publish port 8080")
	f(shop(nil, "a"), Want{}, onDesktop(), "its network is out of reach; publish port 8080")
	f(shop(func(c *Container) { publish(c, "[::]:80") }, "a"), Want{}, Vantage{Remote: true, Host: "192.0.2.7"},
		"port 8080 is published on :: only, which divvy cannot reach; publish it on another address of the host, or let divvy join a network of the container")
	f(shop(func(c *Container) { publish(c, "127.0.0.1:80") }, "a"), Want{}, remote(),
		"port 8080 is published on 127.0.0.1 only, which divvy cannot reach; publish it on another address of the host, or let divvy join a network of the container")
	f(shop(func(c *Container) { c.HostNetwork = true }), Want{}, Vantage{Container: "divvy"},
		"it has the network of its host, which divvy cannot reach; give it a network of its own that divvy shares")
}

func TestEnumerate(t *testing.T) {
	t.Parallel()
	f := func(in, want string) {
		t.Helper()
		if got := enumerate(strings.Fields(in)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("", "")
	f("a", "a")
	f("a b", "a and b")
	f("a b c", "a, b and c")
}
