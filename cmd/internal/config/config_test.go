package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/proxy"
	"divvy/proxy/certs"
	"divvy/router"

	"github.com/BurntSushi/toml"
)

const examplePath = "../../../config.example.toml"

// A key that is missing from the example, renamed or stale fails here.
func TestTheExampleHoldsEveryKeyAtItsDefault(t *testing.T) {
	t.Parallel()
	var c Config
	meta, err := toml.DecodeFile(examplePath, &c)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range meta.Undecoded() {
		t.Errorf("%s is no key", k)
	}
	present := map[string]bool{}
	for _, k := range meta.Keys() {
		present[k.String()] = true
	}
	for _, k := range allKeys("", reflect.TypeFor[Config]()) {
		if !present[k] {
			t.Errorf("%s is missing", k)
		}
	}
	part := func(x float64) *float64 { return &x }
	want := Default()
	want.Server.Listeners = []proxy.Listener{{Address: "127.0.0.1:8443", TLS: true, Protocols: []string{proxy.HTTP11, proxy.HTTP2}, ProxyProtocol: []string{}}}
	want.TLS.Files = []certs.File{{Hosts: []string{}, Cert: "/etc/divvy/shop.pem", Key: "/etc/divvy/shop.key"}}
	want.Docker.Hosts = []docker.Host{{Name: "docker1", Endpoint: "unix:///var/run/docker.sock"}}
	want.Services = []Service{{
		Config: router.Config{
			Name: "shop", Hosts: []string{}, Paths: []string{}, Weights: map[string]int{"v1.4.2": 95, "v1.5.0": 5},
			OnTagMove: router.Hold,
			Sticky: router.Sticky{
				By: []string{}, Keep: "0s", OnZero: "release", RebalanceOn: []string{},
				Cookie: router.Cookie{Path: "/", SameSite: "lax", Secure: "auto", MaxAge: "8760h"},
			},
			TLS:      router.TLS{Redirect: true, ClientAuth: router.Off},
			Override: router.Override{Networks: []string{}, Tokens: []string{}, Header: "Divvy-Version", Cookie: "divvy-version", Query: "divvy-version"},
			Compare: router.Compare{
				Candidates: []string{}, Errors: []int{}, NotErrors: []int{},
				Tolerate: map[string]router.Tolerance{
					"errors": {Relative: part(0.25), Absolute: part(0.001)}, "canceled": {Relative: part(0.25), Absolute: part(0.001)},
					"p95": {Relative: part(0.2), Absolute: part(0.001)}, "p99": {Relative: part(0.2), Absolute: part(0.001)}, "speed": {Relative: part(0.05), Absolute: part(0.001)},
				},
			},
			Goals: []router.Goal{{Name: "purchase", If: []string{"method = POST", "path = /checkout/done"}, Status: []int{}, Tolerate: part(0.03)}},
			Rules: []router.Rule{{Name: "testers", To: "v1.5.0", If: []string{"header:X-Team = qa", "path ^= /shop"}}},
		},
		Care:      backends.DefaultCare(),
		Immutable: Warn, Ignore: docker.Ignore{},
		Backends: []Backend{{Version: "v1.4.2", Address: "10.0.0.7:8080"}},
	}}
	if !reflect.DeepEqual(&c, want) {
		t.Errorf("got  %+v\nwant %+v", &c, want)
	}
	if _, err := Load(examplePath); err != nil {
		t.Error(err)
	}
}

// allKeys lists the keys of a type as the file has them.
func allKeys(path string, t reflect.Type) []string {
	var all []string
	for key, ft := range fields(t) {
		at := strings.TrimPrefix(path+"."+key, ".")
		if ft.Kind() == reflect.Slice {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Struct && ft != reflect.TypeFor[time.Time]() {
			all = append(all, allKeys(at, ft)...)
			continue
		}
		all = append(all, at)
	}
	return all
}

func TestAllProblemsAreReportedTogetherWithTheirLines(t *testing.T) {
	t.Parallel()
	f := func(text string, want ...string) {
		t.Helper()
		_, err := Parse("divvy.toml", text)
		if got := fmt.Sprint(err); got != strings.Join(want, "\n") {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, strings.Join(want, "\n     "))
		}
	}
	f("[server]\n", "<nil>")
	f("", "divvy.toml: it says nothing")
	f("# nothing\n", "divvy.toml: it says nothing")
	f("[server\n", "divvy.toml:2: expected '.' or ']' to end table name, but got '\\n' instead")
	f(`[server]
htpp = ":80"
attempts = "3"
[server.timeouts]
header = 10
idle = "soon"
[[service]]
name = "shop"
prot = 80
[[service]]
name = "search"
weights = { v1 = "all" }
`,
		"divvy.toml:2: server.htpp: unknown key: use attempts, h2c, http, https, https_port, limits, listener, request_id_header, reuse_port, served_by, timeouts, trusted_proxies, via",
		`divvy.toml:3: server.attempts: the string "3" does not fit here: use a whole number`,
		`divvy.toml:5: server.timeouts.header: 10 does not fit here: use a duration in quotes, such as "30s"`,
		`divvy.toml:6: server.timeouts.idle: "soon" is not a duration: use one such as "30s", "5m" or "1h30m"`,
		"divvy.toml:9: service shop: prot: unknown key: use backend, backend_tls, compare, drain_timeout, eject, goal, health, hosts, image, immutable, immutable_ignore, name, network, on_tag_move, override, paths, port, project, protocol, rule, slow_start, sticky, tls, weights",
		`divvy.toml:12: service search: weights.v1: the string "all" does not fit here: use a whole number`,
	)
	f(`[server]
http = "80"
attempts = 0
[admin]
listen = "here"
[log]
level = "loud"
[[service]]
hosts = ["a b"]
[[service]]
name = "shop"
image = "Shop"
port = 70000
[service.sticky]
by = [
  "cookie",
  "cookies",
]
[[service.backend]]
version = "v 1"
address = "nowhere"
`,
		`divvy.toml:2: server.http: "80" is not an address to listen on: use :80, 127.0.0.1:8080, unix:/run/divvy/divvy.sock or systemd:NAME`,
		"divvy.toml:3: server.attempts: 0 is out of range: use 1 to 10",
		`divvy.toml:5: admin.listen: "here" is not an address to listen on: use :80 or 127.0.0.1:8080`,
		`divvy.toml:7: log.level: "loud" is not a level: use debug, info, warn or error`,
		`divvy.toml:8: service number 1: name: "" is not a name: use 1 to 63 letters, digits, dots, dashes and underscores`,
		`divvy.toml:9: service number 1: hosts: "a b" is not a host: use a name such as shop.example.com, or *.example.com for all names below`,
		`divvy.toml:12: service shop: image: "Shop" is not the name of an image: use lower-case letters, digits and ./_- as in registry.example.com/shop`,
		"divvy.toml:13: service shop: port: 70000 is not a port: use 1 to 65535, or 0 for the one that the container exposes",
		`divvy.toml:15: service shop: sticky.by: "cookies" is not a way to recognise a unit: use cookie, cookie:NAME, header:NAME, query:NAME, ip or certificate`,
		`divvy.toml:20: service shop: backend[0].version: "v 1" is not a version: use a tag such as v1`,
		`divvy.toml:21: service shop: backend[0].address: "nowhere" is not an address: use host:port`,
	)
	f("[[service]]\nname = \"a\"\nhosts = [\"x.com\"]\n[[service]]\nname = \"a\"\n[[service]]\nname = \"b\"\nhosts = [\"x.com\"]\n",
		"divvy.toml: service b: host x.com with path / is already answered by service a",
		"divvy.toml:5: service a: name: there are two services a",
	)
	// One that does not fit hides none of the others.
	f("[server]\nattempts = 0\n[server.timeouts]\nheader = 10\n[[service]]\nname = \"a b\"\nweights = { \"v1.0\" = \"x\", v2 = -1, v3 = 1 }\n[[service.backend]]\nversion = 1\naddress = \"a:99999\"\n",
		"divvy.toml:2: server.attempts: 0 is out of range: use 1 to 10",
		`divvy.toml:4: server.timeouts.header: 10 does not fit here: use a duration in quotes, such as "30s"`,
		`divvy.toml:6: service a b: name: "a b" is not a name: use 1 to 63 letters, digits, dots, dashes and underscores`,
		`divvy.toml:7: service a b: weights.v1.0: the string "x" does not fit here: use a whole number`,
		"divvy.toml:7: service a b: weights.v2: -1 is not a weight: use 0 to 1000000",
		"divvy.toml:9: service a b: backend[0].version: 1 does not fit here: use a string in quotes",
		`divvy.toml:10: service a b: backend[0].address: "a:99999" is not an address: use host:port`,
	)
	f("[server]\nhttp = \":80\"\n[admin]\nlisten = \":80\"\n",
		"divvy.toml:4: admin.listen: :80 is the address of server.http: use another port",
	)
	f("[server]\nhttp = \":80\"\n[[server.listener]]\naddress = \":9900\"\nmode = \"0660\"\nprotocols = [\"h3\"]\n",
		"divvy.toml: admin.listen: 127.0.0.1:9900 is the address of server.listener[0].address (:9900): use another port",
		"divvy.toml:5: server.listener[0].mode: :9900 is no file: leave it out",
		"divvy.toml:6: server.listener[0].protocols: h3 is spoken under TLS only: set tls, or leave it out",
	)
	f("[[service]]\nname = \"a\"\n[service.health]\npath = \"x\"\ninterval = 10\n[service.eject]\nmax_share = 200\n",
		`divvy.toml:4: service a: health.path: "x" is not a path: it begins with /`,
		`divvy.toml:5: service a: health.interval: 10 does not fit here: use a duration in quotes, such as "30s"`,
		"divvy.toml:7: service a: eject.max_share: 200 is out of range: use 0 to 100",
	)
	f(`[docker]
enabled = 1
[[docker.host]]
endpoint = "docker1"
[[docker.host]]
name = "b"
endpoint = "unix:///run/docker.sock"
ca = "ca.pem"
adress = "10.0.0.1"
[[docker.host]]
name = "b"
endpoint = "unix:///run/docker.sock"
address = "10.0.0.1:80"
`,
		"divvy.toml:2: docker.enabled: 1 does not fit here: use true or false",
		`divvy.toml:3: docker host number 1: name: "" is not a name: use 1 to 63 letters, digits, dots, dashes and underscores`,
		`divvy.toml:4: docker host number 1: endpoint: "docker1" is not an engine's endpoint, it has no scheme: use unix:///var/run/docker.sock, tcp://docker1.example.com:2376 or ssh://user@docker1.example.com`,
		"divvy.toml:8: docker host b: ca: unix:///run/docker.sock is not reached by TLS: leave it out, or use an endpoint such as tcp://docker1.example.com:2376",
		"divvy.toml:9: docker host b: adress: unknown key: use address, ca, cert, endpoint, key, name",
		"divvy.toml:11: docker host b: name: there are two hosts b: give each its own",
		"divvy.toml:12: docker host b: endpoint: unix:///run/docker.sock is that of host b: leave one of them out",
		`divvy.toml:13: docker host b: address: "10.0.0.1:80" is not an address: use a name or an IP address without a port, such as docker1.example.com or 10.0.0.7`,
	)
	f("[docker]\nhosts = [\"unix:///a\"]\n", "divvy.toml:2: docker.hosts: unknown key: use enabled, host")
	f("server = 3", "divvy.toml:1: server: 3 does not fit here: use a table")
	f("service = 3", "divvy.toml:1: service: 3 does not fit here: use a list in brackets")
	f("[metrics]\nretention = \"0s\"\n[access_log]\nformat = \"xml\"\n",
		"divvy.toml:2: metrics.retention: 0s is too short; give at least 1s",
		`divvy.toml:4: access_log.format: "xml" is no format; write "json", "common" or "off"`,
	)
}

func TestLinesAreFoundInEveryShapeOfFile(t *testing.T) {
	t.Parallel()
	x := indexLines(`a = 1
"b.c" = """
d = 2
"""
list = [
  "e = 3", # ]
]
[t]  # comment
f.g = 4
[[s]]
[s.u]
h = 5
[[s]]
[[s.v]]
i = 6
`)
	f := func(path string, want int) {
		t.Helper()
		if got := x.of(path); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	f("a", 1)
	f("b.c", 2)
	f("d", 0)
	f("list", 5)
	f("e", 0)
	f("t.f.g", 9)
	f("t.other", 8)
	f("s[0].u.h", 12)
	f("s[1]", 13)
	f("s[1].v[0].i", 15)
	f("s[1].v[0].none", 14)
	f("nothing", 0)
}

func TestEachServiceBeginsWithTheDefaults(t *testing.T) {
	t.Parallel()
	c, err := Parse("divvy.toml", `
[[service]]
name = "a"
drain_timeout = "0s"
[service.health]
path = "/healthz"
status = ["204"]
[service.eject]
failures = 0
[[service]]
name = "b"
hosts = ["b.example.com"]
slow_start = "30s"
[[service]]
name = "c"
hosts = ["c.example.com"]
health = { tcp = true, interval = "1s" }
`)
	if err != nil {
		t.Fatal(err)
	}
	var want [3]backends.Care
	for i := range want {
		want[i] = backends.DefaultCare()
	}
	want[0].DrainTimeout, want[0].Eject.Failures = 0, 0
	want[0].Health.Path, want[0].Health.Status = "/healthz", []string{"204"}
	want[1].SlowStart = 30 * time.Second
	want[2].Health.TCP, want[2].Health.Interval = true, time.Second
	for i, w := range want {
		if got := c.Services[i].Care; !reflect.DeepEqual(got, w) {
			t.Errorf("service %d:\ngot  %+v\nwant %+v", i, got, w)
		}
	}
}

func TestAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "divvy.toml")
	if _, err := Load(path); !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("got %v", err)
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok || os.IsNotExist(err) {
			return err
		}
		err = u.Unwrap()
	}
}

// Whatever is in the file, the answer is a configuration or an error.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile(examplePath)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	f.Add("[[service]]\nname = \"a\"\nweights = { v1 = 1 }\n")
	f.Add("service = [1, {name = 2}]\n")
	f.Add("[server]\ntimeouts = []\nlimits = { body = 1e3 }\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("divvy.toml", text)
		if (c == nil) == (err == nil) {
			t.Errorf("got %v and %v", c, err)
		}
		if err == nil && c.Validate() != nil {
			t.Errorf("what was read is not valid: %v", c.Validate())
		}
	})
}
