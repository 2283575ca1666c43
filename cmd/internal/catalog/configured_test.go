package catalog

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"divvy/backends/docker"
	"divvy/cmd/internal/config"
)

// configured returns a container with that environment. How it is configured
// can be had from an engine alone.
func configured(t *testing.T, n int, env string) docker.Container {
	t.Helper()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if strings.HasSuffix(r.URL.Path, "/json") {
			fmt.Fprintf(w, `{"Id": "c", "Image": %q, "Created": "2026-01-01T00:00:00Z", "State": {"Running": true, "StartedAt": "2026-01-01T00:00:00Z"},
				"Config": {"Image": "shop:v1", "Env": [%q]}, "HostConfig": {}, "NetworkSettings": {}}`, "sha256:"+strings.Repeat("a", 64), env)
		}
	}))
	t.Cleanup(engine.Close)
	client, err := docker.Connect(docker.Host{Name: "h", Endpoint: strings.Replace(engine.URL, "http", "tcp", 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	found, err := client.Inspect(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	c := container(n, "shop", "v1")
	c.Fingerprint = found.Fingerprint
	return c
}

func TestContainersOfAnImageAreComparedAsFarAsTheyAreKnown(t *testing.T) {
	t.Parallel()
	f := func(want string, all ...docker.Container) {
		t.Helper()
		if got := found(combine([]config.Service{service("shop", "shop")}, all...)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("c1:, c2:", configured(t, 1, "A=1"), configured(t, 2, "A=1"))
	f("c1:, c2: configuration", configured(t, 1, "A=1"), configured(t, 2, "A=2"))
	unknown := container(3, "shop", "v1")
	f("c3:, c4:", unknown, configured(t, 4, "A=1"))
	f("c3:, c4:, c5: configuration", unknown, configured(t, 4, "A=1"), configured(t, 5, "A=2"))
	f("c1:, c3:", configured(t, 1, "A=1"), unknown)
}
