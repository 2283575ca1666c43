package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"divvy/backends/docker"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/config"
)

// smallEngine is as much of an engine as runs one container.
type smallEngine struct {
	socket string
	tag    string
	id     string
	port   string
	server *http.Server
}

// newSmallEngine returns an engine that is not open yet. Its container runs the
// image shop:tag, and answers with the tag.
func newSmallEngine(t *testing.T, tag string) *smallEngine {
	t.Helper()
	dir, err := os.MkdirTemp("", "divvy") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, tag) }))
	t.Cleanup(app.Close)
	e := &smallEngine{socket: filepath.Join(dir, "s"), tag: tag, id: fmt.Sprintf("%064x", tag)}
	_, e.port, _ = net.SplitHostPort(app.Listener.Addr().String())
	t.Cleanup(e.close)
	return e
}

func (e *smallEngine) host(change func(*docker.Host)) docker.Host {
	h := docker.Host{Name: "host-" + e.tag, Endpoint: "unix://" + e.socket}
	if change != nil {
		change(&h)
	}
	return h
}

func (e *smallEngine) open(t *testing.T) {
	t.Helper()
	l, err := net.Listen("unix", e.socket)
	if err != nil {
		t.Fatal(err)
	}
	e.server = &http.Server{Handler: e}
	go e.server.Serve(l)
}

// close breaks all connections.
func (e *smallEngine) close() {
	if e.server != nil {
		e.server.Close()
	}
}

func (e *smallEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	type object = map[string]any
	networks := object{"Networks": object{"net": object{"NetworkID": "net-" + e.tag, "IPAddress": "127.0.0.1"}}}
	image := "sha256:" + strings.Repeat("0", 63) + e.tag[len(e.tag)-1:]
	var answer any
	switch path := r.URL.Path; {
	case path == "/_ping":
		w.Header().Set("Api-Version", "1.41")
		return
	case strings.HasSuffix(path, "/events"):
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	case strings.HasSuffix(path, "/version"):
		answer = object{}
	case strings.HasSuffix(path, "/networks"):
		answer = []object{}
	case strings.HasSuffix(path, "/containers/json"):
		answer = []object{{"Id": e.id, "ImageID": image, "Names": []string{"/shop-" + e.tag}, "State": "running", "NetworkSettings": networks}}
	case strings.HasSuffix(path, "/containers/"+e.id+"/json"):
		answer = object{
			"Id": e.id, "Name": "/shop-" + e.tag, "Image": image, "Created": "2025-01-01T00:00:00Z",
			"State":           object{"Running": true, "StartedAt": "2025-01-01T00:00:01Z"},
			"Config":          object{"Image": "shop:" + e.tag, "ExposedPorts": object{e.port + "/tcp": object{}}},
			"NetworkSettings": networks,
		}
	default:
		w.WriteHeader(http.StatusNotFound)
		answer = object{"message": "No such container"}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// hostStatus returns what divvy says of a Docker host.
func (w *town) hostStatus(name string) (found admin.Host) {
	for _, h := range w.program.status().Docker {
		if h.Name == name {
			found = h
		}
	}
	return found
}

func TestEachHostHasItsOwnHealth(t *testing.T) {
	t.Parallel()
	near, far := newSmallEngine(t, "v1"), newSmallEngine(t, "v2")
	near.open(t)
	w := &town{seen: &record{}}
	c := quiet()
	c.Docker.Hosts = []docker.Host{near.host(nil), far.host(nil)}
	s := config.Service{Image: "shop"}
	s.Name, s.Weights = "shop", map[string]int{"v1": 1, "v2": 1}
	c.Services = []config.Service{s}
	w.open(t, c)

	// One that is not there yet holds nobody up.
	w.awaitReady(t, map[string]int{"v1": 1})
	if got := w.hostStatus("host-v2"); got.Up || got.Error == "" {
		t.Errorf("a host that nobody has seen is %+v", got)
	}
	far.open(t)
	w.awaitReady(t, map[string]int{"v1": 1, "v2": 1})

	// One that is lost keeps its backends, and the other is as it was.
	far.close()
	await(t, "the loss to be noticed", func() bool { return !w.hostStatus("host-v2").Up })
	if got := w.hostStatus("host-v1"); !got.Up {
		t.Errorf("the other host is %+v", got)
	}
	bothAnswer := func() {
		t.Helper()
		client, seen := newClient(t), map[string]bool{}
		for range 64 {
			seen[w.get(t, client)] = true
		}
		if !seen["v1"] || !seen["v2"] {
			t.Errorf("answers came from %v", seen)
		}
	}
	bothAnswer()

	// Nor are they forgotten by an edit of the way to it.
	edited := *c
	edited.Docker.Hosts = []docker.Host{near.host(nil), far.host(func(h *docker.Host) { h.Address = "docker2.example.com" })}
	if err := w.program.apply(&edited, ""); err != nil {
		t.Fatal(err)
	}
	w.awaitReady(t, map[string]int{"v1": 1, "v2": 1})
	bothAnswer()

	// Back with that address, it is on another machine, where its container's
	// network cannot be reached.
	far.open(t)
	await(t, "the host to be found again", func() bool { return w.hostStatus("host-v2").Up })
	want := "docker2.example.com is another machine; publish port " + far.port
	await(t, "the new address to count", func() bool {
		backends := w.versions()["v2"].Backends
		return len(backends) == 1 && strings.HasPrefix(backends[0].Reason, want)
	})

	// A host that is taken out of the file takes its backends along.
	edited.Docker.Hosts = edited.Docker.Hosts[:1]
	if err := w.program.apply(&edited, ""); err != nil {
		t.Fatal(err)
	}
	await(t, "its version to go", func() bool { _, ok := w.versions()["v2"]; return !ok })
}
