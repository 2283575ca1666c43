// Package config is the configuration file: the sum of the sections that live
// beside the code that they configure.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"divvy/backends/docker"
	"divvy/metrics"
	"divvy/proxy"
	"divvy/router"
)

// Config is all that a file can say. It is a value: a change makes another.
type Config struct {
	Server    proxy.Config      `toml:"server"`
	Admin     Admin             `toml:"admin"`
	Docker    Docker            `toml:"docker"`
	Metrics   metrics.Config    `toml:"metrics"`
	AccessLog metrics.LogConfig `toml:"access_log"`
	Log       Log               `toml:"log"`
	Services  []Service         `toml:"service"`
}

// Admin is where divvy answers its operators.
type Admin struct {
	// Listen is the address of metrics, status and health; "" switches it off.
	Listen string `toml:"listen"`
}

// Docker says which engines are watched.
type Docker struct {
	// Enabled switches the discovery of containers on.
	Enabled bool `toml:"enabled"`

	// Hosts are engine endpoints, "unix:///var/run/docker.sock" or
	// "tcp://host:2376"; none means what DOCKER_HOST says, or else the
	// engine's usual socket.
	Hosts []string `toml:"hosts"`
}

// Log is divvy's own log. Requests go to the access log.
type Log struct {
	Level  string `toml:"level"`  // "debug", "info", "warn", "error"
	Format string `toml:"format"` // "text", "json"
}

// Service is one application: which requests it answers, and what runs it.
type Service struct {
	router.Config

	// Image is the repository whose images are the service's versions. A tag
	// or digest in it is ignored. Without one, only containers with the label
	// divvy.service and static backends belong to the service.
	Image string `toml:"image"`

	// Project is the Compose project whose containers count; "" for all.
	Project string `toml:"project"`

	// Network and Port say where a container is reached, if it has several.
	Network string `toml:"network"`
	Port    int    `toml:"port"`

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
		Admin:     Admin{Listen: "127.0.0.1:9900"},
		Docker:    Docker{Enabled: true, Hosts: []string{}},
		Metrics:   metrics.DefaultConfig(),
		AccessLog: metrics.DefaultLogConfig(),
		Log:       Log{Level: "info", Format: "text"},
	}
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
	section("metrics", c.Metrics.Validate())
	section("access_log", c.AccessLog.Validate())
	section("log", c.Log.validate())
	if c.Admin.Listen != "" {
		if err := proxy.ValidAddress(c.Admin.Listen); err != nil {
			section("admin", fmt.Errorf("listen: %w", err))
		}
	}
	if c.Admin.Listen != "" && c.Admin.Listen == c.Server.HTTP {
		section("admin", fmt.Errorf("listen: %s is the address of server.http: use another port", c.Admin.Listen))
	}
	for i, h := range c.Docker.Hosts {
		if slices.Contains(c.Docker.Hosts[:i], h) {
			section("docker", fmt.Errorf("hosts: %s is there twice", h))
		}
		if scheme, rest, ok := strings.Cut(h, "://"); !ok || rest == "" || !slices.Contains([]string{"unix", "tcp", "http", "https"}, scheme) {
			section("docker", fmt.Errorf("hosts: %q is not an engine's endpoint: use unix:///var/run/docker.sock or tcp://host:2376", h))
		}
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
	problems := []error{s.Config.Validate()}
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if s.Image != "" {
		if _, err := docker.Repository(s.Image); err != nil {
			bad("image: %q is not the name of an image: use lower-case letters, digits and ./_- as in registry.example.com/shop", s.Image)
		}
	}
	if s.Port < 0 || s.Port > 65535 {
		bad("port: %d is not a port: use 1 to 65535, or 0 for the one that the container exposes", s.Port)
	}
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
