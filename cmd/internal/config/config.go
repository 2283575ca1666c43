// Package config is the configuration file: the sum of the sections that live
// beside the code that they configure.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/metrics"
	"divvy/proxy"
	"divvy/proxy/certs"
	"divvy/proxy/sockets"
	"divvy/router"
)

// Config is all that a file can say. It is a value: a change makes another.
type Config struct {
	Server    proxy.Config      `toml:"server"`
	TLS       certs.Config      `toml:"tls"`
	Admin     Admin             `toml:"admin"`
	State     State             `toml:"state"`
	Docker    Docker            `toml:"docker"`
	Immutable Immutable         `toml:"immutable"`
	Metrics   metrics.Config    `toml:"metrics"`
	AccessLog metrics.LogConfig `toml:"access_log"`
	Log       Log               `toml:"log"`
	Services  []Service         `toml:"service"`
}

// Admin is where divvy answers its operators.
type Admin struct {
	// Listen is the address of metrics, health and the API; "" switches it off.
	Listen string `toml:"listen"`

	// Token and ReadToken say where to read what lets callers use the API, or
	// only read: "file:PATH" or "env:NAME"; "" for none. Without a token the
	// API answers this machine alone.
	Token     string `toml:"token"`
	ReadToken string `toml:"read_token"`

	// Hosts are further names by which the listener may be addressed.
	Hosts []string `toml:"hosts"`

	// Cert and Key are PEM files that switch TLS on. ClientCA is one with the
	// authorities whose certificates let callers use the API.
	Cert     string `toml:"cert"`
	Key      string `toml:"key"`
	ClientCA string `toml:"client_ca"`

	// Secrets are what Token and ReadToken say.
	Secrets struct{ Token, ReadToken string } `toml:"-"`
}

// State is where the splits are remembered that were edited while divvy ran.
type State struct {
	// Directory is the folder; "" is $STATE_DIRECTORY, else /var/lib/divvy for
	// root, and divvy in the user's folder for state for others.
	Directory string `toml:"directory"`
}

// Folder returns the folder that is meant.
func (s State) Folder() string {
	home, _ := os.UserHomeDir()
	switch {
	case s.Directory != "":
		return s.Directory
	case os.Getenv("STATE_DIRECTORY") != "": // by systemd
		return os.Getenv("STATE_DIRECTORY")
	case os.Getuid() == 0 || home == "" || home == "/": // the latter in an image without users
		return "/var/lib/divvy"
	default:
		return filepath.Join(cmp.Or(os.Getenv("XDG_STATE_HOME"), filepath.Join(home, ".local", "state")), "divvy")
	}
}

// Docker says which engines are watched.
type Docker struct {
	// Enabled switches the discovery of containers on.
	Enabled bool `toml:"enabled"`

	// Hosts are the engines; none means the one of the environment.
	Hosts []docker.Host `toml:"host"`
}

// Log is divvy's own log. Requests go to the access log.
type Log struct {
	Level  string `toml:"level"`  // "debug", "info", "warn", "error"
	Format string `toml:"format"` // "text", "json"
}

// Service is one application: which requests it answers, and what runs it.
type Service struct {
	router.Config
	backends.Care
	backends.Wire

	// Image is the repository whose images are the service's versions. A tag
	// or digest in it is ignored. Without one, only containers with the label
	// divvy.service and static backends belong to the service.
	Image string `toml:"image"`

	// Project is the Compose project whose containers count; "" for all.
	Project string `toml:"project"`

	// Network and Port say where a container is reached, if it has several.
	Network string `toml:"network"`
	Port    int    `toml:"port"`

	// Immutable says what follows if a container may be something else than its
	// image says: Warn (or ""), Require or Off.
	Immutable string `toml:"immutable"`

	// Ignore is what counts for nothing then, besides what never does.
	Ignore docker.Ignore `toml:"immutable_ignore"`

	Backends []Backend `toml:"backend"`
}

// Backend is a static backend, for what is not a container.
type Backend struct {
	Version string `toml:"version"`
	Address string `toml:"address"` // "host:port"
}

// Default returns the configuration of an empty file.
func Default() *Config {
	return &Config{
		Server:    proxy.DefaultConfig(),
		TLS:       certs.DefaultConfig(),
		Admin:     Admin{Listen: "127.0.0.1:9900", Hosts: []string{}},
		Docker:    Docker{Enabled: true},
		Immutable: Immutable{Every: 5 * time.Minute},
		Metrics:   metrics.DefaultConfig(),
		AccessLog: metrics.DefaultLogConfig(),
		Log:       Log{Level: "info", Format: "text"},
	}
}

// DefaultService returns a service of which nothing is said.
func DefaultService() Service {
	return Service{Config: router.Config{TLS: router.DefaultTLS()}, Care: backends.DefaultCare()}
}

// LogLevel returns the configured level.
func (c *Config) LogLevel() slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.Log.Level)); err != nil {
		return slog.LevelInfo
	}
	return l
}

// validate returns what is wrong, by section.
func (c *Config) validate() []problem {
	var all []problem
	section := func(path string, err error) { all = append(all, split(path, err)...) }
	section("server", c.Server.Validate())
	section("tls", c.TLS.Validate())
	section("metrics", c.Metrics.Validate())
	section("access_log", c.AccessLog.Validate())
	section("log", c.Log.validate())
	section("immutable", c.Immutable.validate())
	if c.Admin.Listen != "" {
		if err := sockets.ValidateTCP(c.Admin.Listen); err != nil {
			section("admin", fmt.Errorf("listen: %w", err))
		}
	}
	for _, at := range c.Server.Addresses() {
		if c.Admin.Listen != "" && sockets.Overlap(c.Admin.Listen, at.Address) {
			section("admin", fmt.Errorf("listen: %s is the address of server.%s: use another port", c.Admin.Listen, at.Beside(c.Admin.Listen)))
		}
	}
	section("admin", c.Admin.validate())
	for i := range c.Docker.Hosts {
		section(fmt.Sprintf("docker.host[%d]", i), c.Docker.validate(i))
	}
	names := map[string]bool{}
	var routes []router.Config
	for i := range c.Services {
		s := &c.Services[i]
		path := fmt.Sprintf("service[%d]", i)
		section(path, s.validate())
		if names[s.Name] {
			section(path, fmt.Errorf("name: there are two services %s", s.Name))
		}
		names[s.Name] = true
		routes = append(routes, s.Config)
	}
	section("", router.Conflicts(routes))
	return all
}

func (a *Admin) validate() error {
	var problems []error
	if (a.Cert == "") != (a.Key == "") {
		problems = append(problems, errors.New("cert: TLS needs both, admin.cert and admin.key"))
	}
	if a.ClientCA != "" && a.Cert == "" {
		problems = append(problems, errors.New("client_ca: certificates of clients need TLS: set admin.cert and admin.key"))
	}
	return errors.Join(problems...)
}

// validate returns what is wrong with the i-th host.
func (d *Docker) validate(i int) error {
	h := d.Hosts[i]
	problems := []error{h.Validate()}
	for _, other := range d.Hosts[:i] {
		if h.Name == other.Name && h.Name != "" {
			problems = append(problems, fmt.Errorf("name: there are two hosts %s: give each its own", h.Name))
		}
		if h.Endpoint == other.Endpoint && h.Endpoint != "" {
			problems = append(problems, fmt.Errorf("endpoint: %s is that of host %s: leave one of them out", h.Endpoint, other.Name))
		}
	}
	return errors.Join(problems...)
}

// nameHosts names the hosts that have no name, where that makes two of none.
func (d *Docker) nameHosts() {
	taken := map[string]int{}
	for _, h := range d.Hosts {
		taken[cmp.Or(h.Name, h.DefaultName())]++
	}
	for i := range d.Hosts {
		h := &d.Hosts[i]
		if name := h.DefaultName(); h.Name == "" && taken[name] == 1 {
			h.Name = name
		}
	}
}

func (l *Log) validate() error {
	var problems []error
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Level) {
		problems = append(problems, fmt.Errorf("level: %q is not a level: use debug, info, warn or error", l.Level))
	}
	if !slices.Contains([]string{"text", "json"}, l.Format) {
		problems = append(problems, fmt.Errorf("format: %q is not a format: use text or json", l.Format))
	}
	return errors.Join(problems...)
}

var tagForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

func (s *Service) validate() error {
	problems := []error{s.Config.Validate(), s.Care.Validate(), s.Wire.Validate()}
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if s.Image != "" {
		if _, err := docker.Repository(s.Image); err != nil {
			bad("image: %q is not the name of an image: use lower-case letters, digits and ./_- as in registry.example.com/shop", s.Image)
		}
	}
	if s.Port < 0 || s.Port > 65535 {
		bad("port: %d is not a port: use 1 to 65535, or 0 for the one that the container exposes", s.Port)
	}
	if _, err := s.Dialect(s.Hosts); err != nil && s.Wire.Validate() == nil {
		problems = append(problems, err)
	}
	problems = append(problems, ValidateImmutable(s.Immutable, s.Ignore))
	for i, b := range s.Backends {
		if !tagForm.MatchString(b.Version) {
			bad("backend[%d].version: %q is not a version: use a tag such as v1", i, b.Version)
		}
		host, port, err := net.SplitHostPort(b.Address)
		if n, nerr := strconv.ParseUint(port, 10, 16); err != nil || nerr != nil || host == "" || n == 0 {
			bad("backend[%d].address: %q is not an address: use host:port", i, b.Address)
		}
		if slices.ContainsFunc(s.Backends[:i], func(o Backend) bool { return o.Address == b.Address }) {
			bad("backend[%d].address: %s is there twice", i, b.Address)
		}
	}
	return errors.Join(problems...)
}
