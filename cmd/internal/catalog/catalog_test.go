package catalog

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/config"
	"divvy/router"
)

// container returns the n-th container to be created, of the image repo:tag.
func container(n int, repo, tag string, labels ...string) docker.Container {
	c := docker.Container{
		ID: fmt.Sprintf("id%d", n), Name: fmt.Sprintf("c%d", n), Labels: map[string]string{},
		Version:  backends.Version{ImageID: fmt.Sprintf("sha256:%064x", len(repo)*1000+len(tag)*10+int(tag[len(tag)-1])), Repository: "docker.io/library/" + repo, Tag: tag},
		Created:  time.Unix(int64(n), 0),
		Networks: []docker.Network{{Name: "net", ID: "net", IP: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})}},
		Exposed:  []int{8080},
	}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		if k == "project" {
			c.Project = v
			continue
		}
		c.Labels["divvy."+k] = v
	}
	return c
}

func combine(file []config.Service, containers ...docker.Container) *Catalog {
	return Combine(file, []Host{{Name: "h", Vantage: docker.Vantage{Direct: true}, Containers: containers}})
}

func service(name, image string) config.Service {
	return config.Service{Config: router.Config{Name: name}, Image: image}
}

// serves lists the usable endpoints as service/container@address.
func serves(c *Catalog) []string {
	var all []string
	for _, e := range c.Endpoints {
		if e.Problem == "" {
			all = append(all, e.Service+"/"+e.Name+"@"+e.Addr)
		}
	}
	slices.Sort(all)
	return all
}

func expect(t *testing.T, c *Catalog, want ...string) {
	t.Helper()
	if got := serves(c); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// problems compares all problems, those of containers first.
func problems(t *testing.T, c *Catalog, want ...string) {
	t.Helper()
	var got []string
	for _, e := range c.Endpoints {
		if e.Problem != "" {
			got = append(got, fmt.Sprintf("service %s: container %s: %s", e.Service, e.Name, e.Problem))
		}
	}
	got = append(got, c.Problems...)
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestAServiceIsFoundByTheRepositoryOfItsImages(t *testing.T) {
	t.Parallel()
	c := combine([]config.Service{service("shop", "shop:any"), service("search", "docker.io/library/search")},
		container(1, "shop", "v1"), container(2, "shop", "v2"), container(3, "search", "v1"), container(4, "other", "v1"))
	expect(t, c, "search/c3@10.0.0.3:8080", "shop/c1@10.0.0.1:8080", "shop/c2@10.0.0.2:8080")
	problems(t, c)
}

func TestContainersOfSeveralHostsAreOneService(t *testing.T) {
	t.Parallel()
	far := docker.Vantage{Remote: true, Host: "docker2.example.com"}
	published := container(2, "shop", "v2")
	published.Published = map[int][]netip.AddrPort{8080: {netip.MustParseAddrPort("0.0.0.0:32768")}}
	hosts := []Host{
		{Name: "here", Vantage: docker.Vantage{Direct: true}, Containers: []docker.Container{container(1, "shop", "v1")}},
		{Name: "there", Vantage: far, Containers: []docker.Container{published, container(3, "shop", "v2")}},
	}
	c := Combine([]config.Service{service("shop", "shop")}, hosts)
	expect(t, c, "shop/c1@10.0.0.1:8080", "shop/c2@docker2.example.com:32768")
	problems(t, c, "service shop: container c3: docker2.example.com is another machine; publish port 8080, or set network to an overlay or macvlan network that divvy reaches")
	for i, want := range []string{"here", "there", "there"} {
		if got := c.Endpoints[i].Host; got != want {
			t.Errorf("endpoint %d is on host %s, want %s", i, got, want)
		}
	}

	// The same engine by two ways.
	hosts[1].Containers = append(hosts[1].Containers, hosts[0].Containers...)
	c = Combine([]config.Service{service("shop", "shop")}, hosts)
	expect(t, c, "shop/c1@10.0.0.1:8080", "shop/c2@docker2.example.com:32768")
	if want := "docker host there: it is the engine of host here: leave one of them out"; !slices.Equal(c.Problems, []string{want}) {
		t.Errorf("got %q, want %q", c.Problems, want)
	}
}

func TestLabelsAloneDescribeAService(t *testing.T) {
	t.Parallel()
	c := combine(nil,
		container(2, "shop", "v2", "service=shop", "hosts=other.example", "weight=5"),
		container(1, "shop", "v1", "service=shop", "hosts=shop.example, www.shop.example", "paths=/a,/b", "weight=95",
			"sticky=header:X-User,cookie", "override=10.0.0.0/8", "port=9090"))
	expect(t, c, "shop/c1@10.0.0.1:9090", "shop/c2@10.0.0.2:8080")
	problems(t, c)
	// What the oldest container says of the service holds: a new version cannot
	// take the hosts away by a mistake in its labels.
	got := c.Services[0]
	want := router.Config{
		Name: "shop", Hosts: []string{"shop.example", "www.shop.example"}, Paths: []string{"/a", "/b"},
		Sticky: router.Sticky{By: []string{"header:X-User", "cookie"}}, Override: router.Override{Networks: []string{"10.0.0.0/8"}},
		TLS: router.DefaultTLS(),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if w := c.Weights["shop"]; len(w) != 2 || w["v1"] != 95 || w["v2"] != 5 {
		t.Errorf("weights: %v", w)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestLabelsDescribeStickinessAndRules(t *testing.T) {
	t.Parallel()
	c := combine(nil, container(1, "shop", "v1", "service=shop", "sticky=cookie", "sticky.keep=24h", "sticky.on_zero=keep",
		"sticky.rebalance_on=/login", "sticky.cookie=who", "on_tag_move=follow", "rule.b=v2 if path ^= /beta; header:X-Team = qa", "rule.a=v1 if method = GET",
		"tls.redirect=false", "tls.hsts=1h", "tls.hsts_subdomains=true"))
	problems(t, c)
	got, want := c.Services[0], router.Config{
		Name: "shop", OnTagMove: router.Follow,
		Sticky: router.Sticky{By: []string{"cookie"}, Keep: "24h", OnZero: "keep", RebalanceOn: []string{"/login"}, Cookie: router.Cookie{Name: "who"}},
		Rules:  []router.Rule{{Name: "a", To: "v1", If: []string{"method = GET"}}, {Name: "b", To: "v2", If: []string{"path ^= /beta", "header:X-Team = qa"}}},
		TLS:    router.TLS{HSTS: time.Hour, HSTSSubdomains: true},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	c = combine(nil, container(1, "shop", "v1", "service=shop", "tls.redirect=perhaps", "tls.hsts_preload=true"))
	problems(t, c, `service shop: container c1: label divvy.tls.hsts_preload: lists take hosts only with tls.hsts_subdomains and a tls.hsts of 8760h or more; `+
		`label divvy.tls.redirect: "perhaps" does not fit here: use true or false`)
	c = combine(nil, container(1, "shop", "v1", "service=shop", "sticky=cookie", "sticky.keep=soon", "rule.b=v2 if beta"))
	problems(t, c, `service shop: container c1: label divvy.rule.b: "beta" is not a condition: it begins with header:NAME, cookie:NAME, query:NAME, path, method, host or network; `+
		`label divvy.sticky.keep: "soon" is not a time to keep a version: use "0s", a duration of a second or more such as "24h", or "always"`)
}

func TestLabelsSayHowBackendsAreLookedAfter(t *testing.T) {
	t.Parallel()
	c := combine(nil, container(1, "shop", "v1", "service=shop", "health.path=/healthz", "health.status=200, 204", "health.interval=5s",
		"health.timeout=1s", "health.port=9000", "eject=off", "slow_start=30s", "drain_timeout=1m"))
	problems(t, c)
	want := backends.DefaultCare()
	want.Health.Path, want.Health.Status, want.Health.Port = "/healthz", []string{"200", "204"}, 9000
	want.Health.Interval, want.Health.Timeout = 5*time.Second, time.Second
	want.Eject, want.SlowStart, want.DrainTimeout = backends.Eject{}, 30*time.Second, time.Minute
	if got := c.Endpoints[0].Care; fmt.Sprint(*got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
	c = combine(nil, container(1, "shop", "v1", "service=shop", "health.path=/healthz", "health.interval=5", "health.tcp=perhaps", "eject=no"))
	problems(t, c, `service shop: container c1: label divvy.eject: "no" is none of its values: use on or off; `+
		`label divvy.health.interval: "5" does not fit here: use a duration such as "30s"; label divvy.health.tcp: "perhaps" does not fit here: use true or false`)
	c = combine(nil, container(1, "shop", "v1", "service=shop", "health.path=healthz"))
	problems(t, c, `service shop: container c1: label divvy.health.path: "healthz" is not a path: it begins with /`)

	// What the file says of a service is all that is said.
	file := service("shop", "shop")
	file.SlowStart = time.Minute
	c = combine([]config.Service{file}, container(1, "shop", "v1", "slow_start=5s"))
	if got := c.Endpoints[0].Care.SlowStart; got != time.Minute {
		t.Errorf("got %v", got)
	}
}

func TestTheFileWinsOverLabels(t *testing.T) {
	t.Parallel()
	file := service("shop", "shop")
	file.Weights, file.Port = map[string]int{"v1": 1}, 80
	c := combine([]config.Service{file}, container(1, "shop", "v1", "service=shop", "weight=7", "hosts=x.example"))
	expect(t, c, "shop/c1@10.0.0.1:80")
	if s := c.Services[0]; len(c.Services) != 1 || s.Weights["v1"] != 1 || len(s.Weights) != 1 || s.Hosts != nil || c.Weights["shop"] != nil {
		t.Errorf("got %+v, by labels %v", c.Services, c.Weights)
	}
	file.Weights = nil
	c = combine([]config.Service{file}, container(1, "shop", "v1", "weight=7"))
	if w := c.Weights["shop"]; len(w) != 1 {
		t.Errorf("where the file has no weights, labels have: got %v", w)
	}
}

func TestALabelTakesAContainerOutOfTheServiceOfItsImage(t *testing.T) {
	t.Parallel()
	c := combine([]config.Service{service("shop", "shop")},
		container(1, "shop", "v1"), container(2, "shop", "v1", "service=staging"))
	expect(t, c, "shop/c1@10.0.0.1:8080", "staging/c2@10.0.0.2:8080")
}

func TestProjectsAreNotMixed(t *testing.T) {
	t.Parallel()
	c := combine(nil,
		container(1, "shop", "v1", "service=shop", "project=prod"),
		container(2, "shop", "v1", "service=shop", "project=staging"),
		container(3, "shop", "v2", "service=shop", "project=prod"),
		container(4, "shop", "v2", "service=shop"))
	expect(t, c, "shop/c1@10.0.0.1:8080", "shop/c3@10.0.0.3:8080")
	problems(t, c,
		"service shop: container c2: the label divvy.service=shop is taken by containers of Compose project prod, and it is of Compose project staging: use another name, or describe the service in the file",
		"service shop: container c4: the label divvy.service=shop is taken by containers of Compose project prod, and it is of no Compose project: use another name, or describe the service in the file")

	file := service("shop", "shop")
	file.Project = "prod"
	c = combine([]config.Service{file},
		container(1, "shop", "v1", "project=prod"), container(2, "shop", "v1", "project=staging"),
		container(3, "shop", "v1", "project=staging", "service=shop"))
	expect(t, c, "shop/c1@10.0.0.1:8080")
	problems(t, c, "service shop: container c3: the label divvy.service=shop puts it into a service of Compose project prod, and it is of Compose project staging: use another name")
}

func TestAnotherRepositoryIsNotAnotherVersion(t *testing.T) {
	t.Parallel()
	c := combine(nil,
		container(1, "shop", "v1", "service=shop"), container(2, "db", "v1", "service=shop"))
	expect(t, c, "shop/c1@10.0.0.1:8080")
	problems(t, c, "service shop: container c2: the label divvy.service=shop puts it into a service of docker.io/library/shop, and its image is of docker.io/library/db: versions of a service are images of one repository")
}

func TestAProblemConcernsItsContainerAlone(t *testing.T) {
	t.Parallel()
	two := container(2, "shop", "v1")
	two.Exposed = []int{80, 81}
	c := combine([]config.Service{service("shop", "shop")},
		container(1, "shop", "v1", "weight=lots"), two, container(3, "shop", "v1", "wieght=1", "sticky=cookies"), container(4, "shop", "v1"))
	expect(t, c, "shop/c4@10.0.0.4:8080")
	if len(c.Endpoints) != 4 {
		t.Errorf("%d endpoints, want all 4, so that people see them", len(c.Endpoints))
	}
	problems(t, c,
		`service shop: container c1: label divvy.weight: "lots" is not a weight: use 0 to 1000000`,
		"service shop: container c2: it exposes ports 80 and 81; set port in the file or the label divvy.port",
		`service shop: container c3: label divvy.sticky: "cookies" is not a way to recognise a unit: use cookie, cookie:NAME, header:NAME, query:NAME, ip or certificate; unknown label divvy.wieght: use divvy.service, divvy.hosts, divvy.paths, divvy.port, divvy.network, divvy.protocol, divvy.backend_tls.server_name, divvy.backend_tls.insecure, divvy.weight, divvy.on_tag_move, divvy.sticky, divvy.sticky.keep, divvy.sticky.on_zero, divvy.sticky.rebalance_on, divvy.sticky.cookie, divvy.immutable, divvy.immutable.ignore, divvy.override, divvy.rule.NAME, divvy.tls.redirect, divvy.tls.hsts, divvy.tls.hsts_subdomains, divvy.tls.hsts_preload, divvy.health.path, divvy.health.status, divvy.health.text, divvy.health.tcp, divvy.health.grpc, divvy.health.grpc_service, divvy.health.port, divvy.health.interval, divvy.health.timeout, divvy.eject, divvy.slow_start, divvy.drain_timeout`)
}

func TestTheOldestContainerSpeaksForItsVersion(t *testing.T) {
	t.Parallel()
	c := combine(nil, container(1, "shop", "v1", "service=shop", "weight=1"), container(2, "shop", "v1", "service=shop", "weight=2"))
	if w := c.Weights["shop"]; len(w) != 1 || slices.Collect(maps.Values(w))[0] != 1 {
		t.Errorf("got %v", w)
	}
	problems(t, c, "service shop: container c2: the label divvy.weight=2 is ignored: container c1 of the same tag was first and says 1")
}

func TestLabelsWithoutAServiceAreReported(t *testing.T) {
	t.Parallel()
	c := combine(nil, container(1, "shop", "v1", "weight=1"), container(2, "shop", "v1"))
	problems(t, c, "container c1: it has labels for divvy, but belongs to no service: set the label divvy.service")
}

func TestAHostThatTwoServicesClaimIsReported(t *testing.T) {
	t.Parallel()
	c := combine(nil,
		container(1, "shop", "v1", "service=shop", "hosts=x.example"), container(2, "search", "v1", "service=search", "hosts=x.example"))
	problems(t, c, "service search: host x.example with path / is already answered by service shop")
}

func TestStaticBackends(t *testing.T) {
	t.Parallel()
	file := service("shop", "")
	file.Backends = []config.Backend{{Version: "v2", Address: "a:1"}, {Version: "v1", Address: "b:2"}}
	c := combine([]config.Service{file})
	expect(t, c, "shop/a:1@a:1", "shop/b:2@b:2")
	if a, b := c.Endpoints[0], c.Endpoints[1]; !a.Created.Before(b.Created) {
		t.Error("the order of the file is not their age")
	}
}

// A service whose every container says that it gets nothing is dark. In a file
// that would be a mistake; here another container may come that gets something.
func TestAServiceMayBeDark(t *testing.T) {
	t.Parallel()
	c := combine(nil, container(1, "shop", "v1", "service=shop", "weight=0"))
	expect(t, c, "shop/c1@"+c.Endpoints[0].Addr)
	if w := c.Weights["shop"]; len(w) != 1 || slices.Collect(maps.Values(w))[0] != 0 {
		t.Errorf("got %v", w)
	}
	problems(t, c)
}

// Labels come from whoever may start a container.
func FuzzLabels(f *testing.F) {
	f.Add("shop", "a.example,*.b.example", "/x", "7", "cookie,ip", "10.0.0.0/8")
	f.Add("", ",,", "x", "-1", "cookie:", "::/0")
	f.Fuzz(func(t *testing.T, service, hosts, paths, weight, sticky, override string) {
		c := container(1, "shop", "v1")
		c.Labels = map[string]string{"divvy.service": service, "divvy.hosts": hosts, "divvy.paths": paths, "divvy.weight": weight, "divvy.sticky": sticky, "divvy.override": override, "divvy.rule.r": hosts, "divvy.sticky.keep": paths, "divvy.health.path": paths, "divvy.health.status": weight}
		got := combine(nil, c)
		for _, s := range got.Services {
			if err := s.Validate(); err != nil && len(serves(got)) > 0 {
				t.Errorf("an invalid service gets a backend: %v", err)
			}
		}
	})
}
