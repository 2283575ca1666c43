package docker

import (
	"strings"
	"testing"
)

func TestHostOfTheEnvironment(t *testing.T) {
	f := func(h Host, env, want string) {
		t.Helper()
		t.Setenv("DOCKER_HOST", env)
		c, err := Connect(h)
		if err != nil {
			t.Error(err)
		} else if got := c.Host().Endpoint; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(Host{}, "", "unix:///var/run/docker.sock")
	f(Host{}, "tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375")
	f(Host{}, "ssh://me@docker1.example.com", "ssh://me@docker1.example.com")
	f(Host{Endpoint: "unix:///a.sock"}, "tcp://10.0.0.1:2375", "unix:///a.sock")

	// The environment's certificates are for the environment's engine, if it is
	// reached by TCP.
	t.Setenv("DOCKER_CERT_PATH", t.TempDir())
	f(Host{}, "", "unix:///var/run/docker.sock")
	f(Host{Endpoint: "tcp://10.0.0.1:2375"}, "", "tcp://10.0.0.1:2375")
	t.Setenv("DOCKER_HOST", "tcp://10.0.0.1:2376")
	if _, err := Connect(Host{}); err == nil || !strings.HasPrefix(err.Error(), "docker host tcp://10.0.0.1:2376: cert: ") {
		t.Errorf("got %v, want that there is no certificate", err)
	}
}

func TestHostIsValid(t *testing.T) {
	t.Parallel()
	f := func(h Host, want string) {
		t.Helper()
		h.Name = "h1"
		got := "valid"
		if err := h.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%+v:\ngot  %s\nwant %s", h, got, want)
		}
	}
	at := func(endpoint string) Host { return Host{Endpoint: endpoint} }
	f(at("unix:///var/run/docker.sock"), "valid")
	f(at("tcp://10.0.0.1:2375"), "valid")
	f(at("tcp://[fd00::1]:2375"), "valid")
	f(at("https://docker1.example.com/engine"), "valid")
	f(at("ssh://docker1"), "valid")
	f(at("ssh://me@docker1.example.com:2222/run/user/1000/docker.sock"), "valid")

	refuses := func(endpoint, why string) {
		t.Helper()
		f(at(endpoint), `endpoint: "`+endpoint+`" is not an engine's endpoint, `+why+": use unix:///var/run/docker.sock, tcp://docker1.example.com:2376 or ssh://user@docker1.example.com")
	}
	refuses("", "it has no scheme")
	refuses("/var/run/docker.sock", "it has no scheme")
	refuses("docker1.example.com:2376", "it has no scheme")
	refuses("unix://docker.sock", "it has no absolute path")
	refuses("unix:///", "it has no absolute path")
	refuses("tcp://docker1.example.com", "it lacks host or port")
	refuses("https://", "it has no host")
	refuses("ssh://", "it has no host")
	refuses("ssh://me:secret@docker1", "it has more than user, host, port and the path of a socket (ssh takes keys, not passwords)")
	refuses("ftp://docker1", "its scheme is unknown")

	const tcp = "tcp://10.0.0.1:2376"
	f(Host{Endpoint: tcp, CA: "ca.pem"}, "valid")
	f(Host{Endpoint: tcp, CA: "ca.pem", Cert: "cert.pem", Key: "key.pem", Address: "10.0.0.9"}, "valid")
	f(Host{Endpoint: tcp, Address: "fd00::9"}, "valid")
	f(Host{Endpoint: tcp, Address: "docker1"}, "valid")
	f(Host{Endpoint: tcp, Cert: "cert.pem"}, "cert: TLS needs both, cert and key")
	f(Host{Endpoint: "unix:///a", CA: "ca.pem"}, "ca: unix:///a is not reached by TLS: leave it out, or use an endpoint such as tcp://docker1.example.com:2376")
	f(Host{Endpoint: tcp, Address: "10.0.0.9:80"}, `address: "10.0.0.9:80" is not an address: use a name or an IP address without a port, such as docker1.example.com or 10.0.0.7`)

	if err := (Host{Name: "a b", Endpoint: tcp}).Validate(); err == nil || !strings.HasPrefix(err.Error(), `name: "a b" is not a name: `) {
		t.Errorf("got %v, want what a name may be", err)
	}
}

func TestHostHasAName(t *testing.T) {
	t.Parallel()
	f := func(endpoint, want string) {
		t.Helper()
		if got := (Host{Endpoint: endpoint}).DefaultName(); got != want {
			t.Errorf("%s is called %q, want %q", endpoint, got, want)
		}
	}
	f("unix:///var/run/docker.sock", "docker")
	f("tcp://docker1.example.com:2376", "docker1.example.com")
	f("ssh://me@docker2", "docker2")
	f("tcp://192.0.2.1:2375", "192.0.2.1")
	f("tcp://[2001:db8::1]:2375", "")
	f("docker1", "")
	f("", "")
}

func TestHostKnowsItsMachine(t *testing.T) {
	t.Parallel()
	f := func(endpoint, address, want string) {
		t.Helper()
		if got := (Host{Endpoint: endpoint, Address: address}).machine(); got != want {
			t.Errorf("%s is on %q, want %q", endpoint, got, want)
		}
	}
	f("unix:///var/run/docker.sock", "", "")
	f("npipe:////./pipe/docker_engine", "", "")
	f("tcp://localhost:2375", "", "")
	f("tcp://127.0.0.1:2375", "", "")
	f("tcp://[::1]:2375", "", "")
	f("tcp://192.0.2.1:2375", "", "192.0.2.1")
	f("tcp://[2001:db8::1]:2375", "", "2001:db8::1")
	f("https://docker1.example.com/engine", "", "docker1.example.com")
	f("ssh://me@docker1.example.com:22/run/docker.sock", "", "docker1.example.com")
	// A socket that somebody has forwarded, and a second address for the traffic.
	f("unix:///run/forwarded.sock", "docker1.example.com", "docker1.example.com")
	f("tcp://192.0.2.1:2375", "10.0.0.1", "10.0.0.1")
	// This machine by its address, and ports that are forwarded to it.
	f("unix:///var/run/docker.sock", "127.0.0.1", "")
	f("tcp://localhost:2375", "localhost", "")
	f("tcp://192.0.2.1:2375", "127.0.0.1", "127.0.0.1")
}
