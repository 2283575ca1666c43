package docker

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/docker/docker/client"
)

// Host is the configuration of a Docker engine. The zero value is the one that
// the environment names: DOCKER_HOST, with the certificates of
// DOCKER_CERT_PATH, and without that the usual socket of this machine.
type Host struct {
	// Name is what logs, metrics and problems call it; "" in a file stands for
	// DefaultName.
	Name string `toml:"name"`

	// Endpoint is where its API is: "unix:///var/run/docker.sock",
	// "tcp://docker1.example.com:2376" or "ssh://user@docker1.example.com".
	Endpoint string `toml:"endpoint"`

	// Address is the name or the IP address at which divvy reaches the ports
	// that its containers publish; "" is the host of the endpoint.
	Address string `toml:"address"`

	// CA, Cert and Key are PEM files: whom the engine must be certified by, and
	// what divvy shows it. With any of them, TCP is TLS.
	CA   string `toml:"ca"`
	Cert string `toml:"cert"`
	Key  string `toml:"key"`

	insecure bool // the engine's certificate is not checked; as DOCKER_TLS_VERIFY wants it
}

// endpointForms are what an endpoint may be, for people.
const endpointForms = "use unix:///var/run/docker.sock, tcp://docker1.example.com:2376 or ssh://user@docker1.example.com"

// complete returns h, or what the environment says if h says nothing.
func (h Host) complete() Host {
	if h.Endpoint != "" {
		return h
	}
	h.Endpoint = cmp.Or(os.Getenv(client.EnvOverrideHost), client.DefaultDockerHost)
	// A local socket would not understand TLS.
	if dir := os.Getenv(client.EnvOverrideCertPath); dir != "" && h.overTCP() {
		h.CA, h.Cert, h.Key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		h.insecure = os.Getenv(client.EnvTLSVerify) == ""
	}
	return h
}

// String returns what people call it.
func (h Host) String() string { return cmp.Or(h.Name, h.Endpoint) }

// DefaultName returns the name of a host that has none: that of its machine, or
// "docker" where the endpoint names none; "" if that is no name.
func (h Host) DefaultName() string {
	if _, err := parseEndpoint(h.Endpoint); err != nil {
		return ""
	}
	name := cmp.Or(h.endpointMachine(), "docker")
	if !hostName.MatchString(name) {
		return ""
	}
	return name
}

func (h Host) overTCP() bool {
	scheme, _, _ := strings.Cut(h.Endpoint, ":")
	return scheme == "tcp" || scheme == "http" || scheme == "https"
}

var (
	hostName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	addressForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)
)

// Validate returns everything that is wrong with a host of a file, each with its
// key. It looks at no file and asks nobody.
func (h Host) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !hostName.MatchString(h.Name) {
		bad("name: %q is not a name: use 1 to 63 letters, digits, dots, dashes and underscores", h.Name)
	}
	if _, err := parseEndpoint(h.Endpoint); err != nil {
		bad("endpoint: %w", err)
	}
	if h.Address != "" && !addressForm.MatchString(h.Address) && !isIP(h.Address) {
		bad("address: %q is not an address: use a name or an IP address without a port, such as docker1.example.com or 10.0.0.7", h.Address)
	}
	if (h.Cert == "") != (h.Key == "") {
		bad("cert: TLS needs both, cert and key")
	}
	if key := h.tlsKey(); key != "" && !h.overTCP() {
		bad("%s: %s is not reached by TLS: leave it out, or use an endpoint such as tcp://docker1.example.com:2376", key, h.Endpoint)
	}
	return errors.Join(problems...)
}

// tlsKey returns the first key that asks for TLS, "" if none does.
func (h Host) tlsKey() string {
	switch {
	case h.CA != "":
		return "ca"
	case h.Cert != "":
		return "cert"
	case h.Key != "":
		return "key"
	}
	return ""
}

func isIP(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// parseEndpoint reads an endpoint. The error says what would be one.
func parseEndpoint(text string) (*url.URL, error) {
	fail := func(why string) (*url.URL, error) {
		return nil, fmt.Errorf("%q is not an engine's endpoint, %s: %s", text, why, endpointForms)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || !strings.Contains(text, "://") {
		return fail("it has no scheme")
	}
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" || u.Path == "/" {
			return fail("it has no absolute path")
		}
	case "npipe": // a matter of the library, on Windows
	case "tcp":
		if u.Hostname() == "" || u.Port() == "" {
			return fail("it lacks host or port")
		}
	case "http", "https":
		if u.Hostname() == "" {
			return fail("it has no host")
		}
	case "ssh":
		if u.Hostname() == "" {
			return fail("it has no host")
		}
		if _, has := u.User.Password(); has || u.RawQuery != "" || u.Fragment != "" {
			return fail("it has more than user, host, port and the path of a socket (ssh takes keys, not passwords)")
		}
	default:
		return fail("its scheme is unknown")
	}
	return u, nil
}

// machine returns at which name or address the engine's machine is reached, ""
// if it is this one. An address of this machine says nothing of an engine that
// is elsewhere: its ports may be forwarded.
func (h Host) machine() string {
	name := h.endpointMachine()
	if isOwn(name) {
		name = ""
	}
	if h.Address == "" || name == "" && isOwn(h.Address) {
		return name
	}
	return h.Address
}

// endpointMachine returns the machine that the endpoint names, "" if it names
// none.
func (h Host) endpointMachine() string {
	u, err := url.Parse(h.Endpoint)
	if err != nil || u.Scheme == "unix" || u.Scheme == "npipe" {
		return ""
	}
	return u.Hostname()
}

// isOwn reports whether name is one of this machine.
func isOwn(name string) bool {
	if name == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(name)
	if err != nil || addr.IsLoopback() {
		return err == nil
	}
	own, _ := net.InterfaceAddrs()
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == addr.Unmap() {
			return true
		}
	}
	return false
}
