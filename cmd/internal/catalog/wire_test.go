package catalog

import (
	"fmt"
	"strings"
	"testing"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/config"
)

// spoken returns how each container is spoken to, or why it cannot be.
func spoken(c *Catalog) string {
	var all []string
	for _, e := range c.Endpoints {
		text := "http/1.1"
		if d := e.Dialect; d != nil {
			text = string(d.Protocol)
			if d.Secure() {
				text += fmt.Sprintf(" %s %t", d.TLS.ServerName, d.TLS.InsecureSkipVerify)
			}
		}
		if e.Problem != "" {
			text, _, _ = strings.Cut(e.Problem, ": ")
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestAContainerSaysWhatItSpeaksWhereTheFileDoesNot(t *testing.T) {
	t.Parallel()
	labelled := func(n int, labels ...string) docker.Container {
		c := container(n, "shop", fmt.Sprintf("v%d", n))
		c.Labels = map[string]string{}
		for _, l := range labels {
			key, value, _ := strings.Cut(l, "=")
			c.Labels["divvy."+key] = value
		}
		return c
	}
	f := func(wire backends.Wire, want string, all ...docker.Container) {
		t.Helper()
		s := service("shop", "shop")
		s.Hosts, s.Wire = []string{"shop.test"}, wire
		if got := spoken(combine([]config.Service{s}, all...)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	// A version may speak another protocol than the one before it.
	f(backends.Wire{}, "http/1.1, h2c", labelled(1), labelled(2, "protocol=h2c"))
	f(backends.Wire{Protocol: backends.H2C}, "h2c, h2c", labelled(1), labelled(2, "protocol=http/1.1"))
	f(backends.Wire{}, "h2 shop.test false, h2 two.test false", labelled(1, "protocol=h2"), labelled(2, "protocol=h2", "backend_tls.server_name=two.test"))
	// Whose certificates count is not a container's to say where there is a file.
	f(backends.Wire{Protocol: backends.HTTPS}, "https shop.test false", labelled(1, "backend_tls.insecure=true"))
	f(backends.Wire{}, "label divvy.protocol", labelled(1, "protocol=spdy"))

	alone := combine(nil, labelled(1, "service=desk", "hosts=desk.test", "protocol=https", "backend_tls.insecure=true"))
	if got := spoken(alone); got != "https desk.test true" {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(alone.Problems, "\n"); !strings.HasPrefix(got, "service desk: container c1: the label divvy.backend_tls.insecure: certificates are not looked at") {
		t.Errorf("the problems are %q", got)
	}
	if got := spoken(combine(nil, labelled(1, "service=desk", "protocol=h2"))); got != "backend_tls.server_name" {
		t.Errorf("got %s", got)
	}
}

func TestWhatIsNotLookedAtIsReported(t *testing.T) {
	t.Parallel()
	s := service("shop", "shop")
	s.Hosts = []string{"shop.test"}
	s.Protocol, s.BackendTLS.Insecure = backends.H2, true
	c := combine([]config.Service{s})
	if got := strings.Join(c.Problems, "\n"); !strings.HasPrefix(got, "service shop: backend_tls.insecure: certificates are not looked at") {
		t.Errorf("the problems are %q", got)
	}
}
