//go:build unix

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The new one knows the containers before it takes over.
func TestDivvyIsReplacedBeforeContainersAndNothingIsLost(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.image(t, "v1", "v1")
	w.image(t, "v2", "v2")
	for _, c := range []string{"v1", "v2"} {
		w.start(t, c+"-a", c, nil)
		w.start(t, c+"-b", c, nil)
	}
	d := newDynasty(t, http.NotFound, `timeouts.shutdown = "5s"`)
	d.write(fmt.Sprintf(`[server]
http = %q
h2c = true
timeouts.shutdown = "5s"
[admin]
listen = %q
[access_log]
format = "off"
[state]
directory = %q
[[service]]
name = "shop"
image = %q
weights = { v1 = 9, v2 = 1 }
`, strings.TrimPrefix(d.url, "http://"), d.admin, filepath.Join(d.dir, "state"), w.Repository()))
	d.start()
	await(t, "all are ready", func() bool { return strings.Count(d.logged(), `msg="backend ready"`) >= 4 })
	d.replacedTwice(1000, 2000, 5000)
}

// An engine that does not answer keeps divvy from being replaced, not from serving.
func TestDivvyIsNotReplacedByOneThatKnowsNoContainers(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.image(t, "v1", "v1")
	w.start(t, "a", "v1", nil)
	d := newDynasty(t, http.NotFound, "")
	socket := filepath.Join(d.dir, "docker.sock")
	d.must(os.Symlink("/var/run/docker.sock", socket))
	d.write(fmt.Sprintf(`[server]
http = %q
timeouts.replace = "2s"
[admin]
listen = %q
[access_log]
format = "off"
[state]
directory = %q
[[docker.host]]
name = "here"
endpoint = "unix://%s"
[[service]]
name = "shop"
image = %q
`, strings.TrimPrefix(d.url, "http://"), d.admin, filepath.Join(d.dir, "state"), socket, w.Repository()))
	d.start()
	d.must(os.Remove(socket))
	d.replacedInVain(`err="the new program: not ready within timeouts.replace, 2s: waiting for docker: here"`)
	if got := d.get(); !strings.HasPrefix(got, "200 OK") {
		t.Errorf("got %q", got)
	}
	d.end()
}
