package catalog

import (
	"net/netip"
	"testing"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/config"
)

func TestTheCheckAsksWhereItsPortIsPublished(t *testing.T) {
	t.Parallel()
	file := service("shop", "shop")
	file.Care = backends.DefaultCare()
	file.Health.Path, file.Health.Port = "/healthz", 9000
	file.Backends = []config.Backend{{Version: "v0", Address: "shop0.example:80"}}
	far := docker.Vantage{Remote: true, Host: "docker2.example.com"}
	published := func(n int, ports ...int) docker.Container {
		c := container(n, "shop", "v1")
		c.Published = map[int][]netip.AddrPort{}
		for i, p := range ports {
			c.Published[p] = []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(32768+i))}
		}
		return c
	}
	f := func(v docker.Vantage, c docker.Container, addr, check string) *Catalog {
		t.Helper()
		all := Combine([]config.Service{file}, []Host{{Name: "h", Vantage: v, Containers: []docker.Container{c}}})
		e := all.Endpoints[0]
		if e.Addr != addr || e.CheckAddr != check {
			t.Errorf("requests go to %q and checks to %q, want %q and %q", e.Addr, e.CheckAddr, addr, check)
		}
		return all
	}
	near := docker.Vantage{Direct: true}
	problems(t, f(near, published(1, 8080, 9000), "10.0.0.1:8080", "10.0.0.1:9000"))
	problems(t, f(far, published(1, 8080, 9000), "docker2.example.com:32768", "docker2.example.com:32769"))
	problems(t, f(far, published(1, 8080), "docker2.example.com:32768", ""), "service shop: container c1: its check asks at port 9000 (health.port): "+
		"docker2.example.com is another machine; publish port 9000, or set network to an overlay or macvlan network that divvy reaches")
	// Without a check of its own port nothing is asked for.
	file.Health.Port = 0
	problems(t, f(far, published(1, 8080), "docker2.example.com:32768", ""))
	file.Health.Path, file.Health.Port = "", 9000
	problems(t, f(far, published(1, 8080), "docker2.example.com:32768", ""))
}
