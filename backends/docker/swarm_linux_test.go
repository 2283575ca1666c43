package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"divvy/testdata/private"
)

// TestSwarm tells one story: divvy is a service of a Swarm before two others,
// which are edited, updated and scaled as people do it.
func TestSwarm(t *testing.T) {
	t.Parallel()
	if !private.Apart(t) {
		return
	}
	s := newStack(t)
	digests := map[string]string{}
	for _, version := range []string{"v1", "v2", "v3"} {
		digests[version] = s.push(t, version)
	}
	s.create(t, "shop-v1", "v1", 2, 90)
	s.create(t, "shop-v2", "v2", 1, 10)
	s.divvy(t)

	s.awaitReady(t, map[string]int{"v1": 2, "v2": 1})
	for tag, v := range s.versions(t) {
		if v.ImageID != digests[tag] {
			t.Errorf("%s is %s, want the digest that it was pinned to, %s", tag, v.ImageID, digests[tag])
		}
		if v.Revision != "rev-"+tag || len(v.Backends[0].ID) != 64 {
			t.Errorf("%s: revision %q, backend %q", tag, v.Revision, v.Backends[0].ID)
		}
	}
	counts := s.load(t, 300)
	if counts["v1"] < 200 || counts["v2"] == 0 || counts["v1"]+counts["v2"] != 300 {
		t.Errorf("got %v for 90 and 10", counts)
	}
	s.record(t, "two")

	began := time.Now()
	s.Docker(t, "service", "update", "--detach", "--label-add", "divvy.weight=0", "shop-v1")
	s.Await(t, "the label to take effect", func() error {
		if got := s.versions(t)["v1"].Weight; got != 0 {
			return fmt.Errorf("the weight is %v", got)
		}
		return nil
	})
	t.Logf("the label took effect within %v", time.Since(began))
	s.Await(t, "the edit to be recorded", func() error {
		history := s.Docker(t, "exec", s.target, "/app", "history", "shop", "--json")
		if !strings.Contains(history, `"via": "label"`) && !strings.Contains(history, `"via":"label"`) {
			return fmt.Errorf("the history is %s", history)
		}
		return nil
	})
	if counts := s.load(t, 50); counts["v2"] != 50 {
		t.Errorf("got %v after all weight went to v2", counts)
	}

	lost := s.whileLoaded(t, func() {
		s.Docker(t, "service", "update", "--detach", "--image", s.image("v3"), "--update-order", "start-first", "shop-v2")
		s.awaitReady(t, map[string]int{"v1": 2, "v3": 1})
	})
	s.record(t, "updated")
	lost = append(lost, s.whileLoaded(t, func() {
		s.Docker(t, "service", "scale", "--detach", "shop-v1=3", "shop-v2=3")
		s.awaitReady(t, map[string]int{"v1": 3, "v3": 3})
		s.record(t, "scaled")
		s.Docker(t, "service", "scale", "--detach", "shop-v1=1", "shop-v2=1")
		s.awaitReady(t, map[string]int{"v1": 1, "v3": 1})
	})...)
	if len(lost) > 0 {
		t.Errorf("%d requests were lost, the first with: %s", len(lost), lost[0])
	}
	if counts := s.load(t, 50); counts["v3"] != 50 {
		t.Errorf("got %v after v2 was updated to v3", counts)
	}
}

// stack is a Swarm of one machine, with divvy.
type stack struct {
	*private.Engine
	app      []byte
	registry *registry
	client   *http.Client
	target   string // the container that divvy runs in
}

func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{app: build(t, "divvy/backends/docker/testdata/app"), Engine: private.Start(t)}
	// Each request is sent on a connection of its own.
	s.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	if err := s.Try(t, "swarm", "init", "--advertise-addr", loopback); err != nil {
		t.Skip("this test needs a Swarm, which cannot be here:", err)
	}
	t.Cleanup(func() { _ = s.Try(t, "swarm", "leave", "--force") }) // its tasks end with it
	if err := s.Try(t, "network", "create", "--driver", "overlay", "--attachable", "front"); err != nil {
		t.Skip("this test needs an overlay network, which cannot be here:", err)
	}
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	s.registry = newRegistry(t, l)
	return s
}

// build builds a program of this module.
func build(t *testing.T, program string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", program, err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (s *stack) image(tag string) string { return s.registry.host + "/shop:" + tag }

// push makes a version of the shop. Only with a health check does Swarm wait for
// a new task to answer before it ends the old one.
func (s *stack) push(t *testing.T, version string) (digest string) {
	t.Helper()
	return s.registry.push(t, version, s.app, map[string]any{
		"Entrypoint":   []string{"/app"},
		"Env":          []string{"VERSION=" + version},
		"ExposedPorts": map[string]any{"8080/tcp": struct{}{}},
		"Labels":       map[string]string{"org.opencontainers.image.revision": "rev-" + version},
		"Healthcheck":  map[string]any{"Test": []string{"CMD", "/app", "check"}, "Interval": time.Second},
	})
}

// create makes a service of the shop.
func (s *stack) create(t *testing.T, name, version string, replicas, weight int) {
	t.Helper()
	s.Docker(t, "service", "create", "--detach", "--quiet", "--name", name, "--network", "front",
		"--replicas", fmt.Sprint(replicas), "--label", "divvy.service=shop", "--label", "divvy.hosts=shop.test",
		"--label", fmt.Sprintf("divvy.weight=%d", weight), s.image(version))
}

// divvy makes the service that all requests go to.
func (s *stack) divvy(t *testing.T) {
	t.Helper()
	s.registry.push(t, "divvy", build(t, "divvy/cmd/divvy"), map[string]any{"Entrypoint": []string{"/app", "run", "--http", ":8080"}})
	socket := strings.TrimPrefix(s.Host, "unix://")
	s.Docker(t, "service", "create", "--detach", "--quiet", "--name", "divvy", "--network", "front",
		"--mount", "type=bind,source="+socket+",target=/var/run/docker.sock",
		"--publish", "mode=host,published=8080,target=8080", s.image("divvy"))
	s.Await(t, "divvy to run", func() error {
		s.target = s.Docker(t, "ps", "--quiet", "--filter", "name=divvy.1.")
		if s.target == "" {
			return private.ErrNotYet
		}
		return s.Try(t, "exec", s.target, "/app", "status")
	})
	t.Cleanup(func() { s.explain(t) })
}

// explain prints what divvy said, if the test failed: its log, and of its access
// log what did not go well.
func (s *stack) explain(t *testing.T) {
	if !t.Failed() {
		return
	}
	out, err := exec.Command("docker", "--host", s.Host, "logs", s.target).CombinedOutput()
	if err != nil {
		t.Log("the log of divvy:", err)
	}
	var told strings.Builder
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, `"status":200`) {
			told.WriteString(line)
		}
	}
	t.Logf("divvy said:\n%s", told.String())
}

// version is what divvy says of a version.
type version struct {
	Tags     []string
	ImageID  string `json:"image_id"`
	Revision string
	Weight   float64
	Backends []struct{ ID, State, Reason string }
}

func (s *stack) versions(t *testing.T) map[string]version {
	t.Helper()
	var status struct {
		Services []struct{ Versions []version }
	}
	if err := json.Unmarshal([]byte(s.Docker(t, "exec", s.target, "/app", "status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	all := map[string]version{}
	for _, service := range status.Services {
		for _, v := range service.Versions {
			all[v.Tags[0]] = v
		}
	}
	return all
}

// awaitReady waits until exactly these backends are ready.
func (s *stack) awaitReady(t *testing.T, want map[string]int) {
	t.Helper()
	s.Await(t, fmt.Sprintf("ready backends %v", want), func() error {
		ready := map[string]int{}
		all := s.versions(t)
		for tag, v := range all {
			for _, b := range v.Backends {
				if b.State == "ready" {
					ready[tag]++
				}
			}
		}
		if !maps.Equal(ready, want) {
			return fmt.Errorf("there are %v of %+v", ready, all)
		}
		return nil
	})
}

// get returns the version that answers.
func (s *stack) get(t *testing.T) (string, error) {
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:8080/", nil)
	if err != nil {
		return "", err
	}
	req.Host = "shop.test"
	resp, err := s.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s, %v", resp.Status, body, err)
	}
	version, _, _ := strings.Cut(string(body), " ")
	return version, nil
}

// load sends n requests and counts the versions that answer.
func (s *stack) load(t *testing.T, n int) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for range n {
		v, err := s.get(t)
		if err != nil {
			t.Fatal(err)
		}
		counts[v]++
	}
	return counts
}

// whileLoaded sends requests while f runs, and returns what became of those that
// were lost.
func (s *stack) whileLoaded(t *testing.T, f func()) (lost []string) {
	t.Helper()
	over := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			if _, err := s.get(t); err != nil {
				lost = append(lost, err.Error())
			}
		}
	})
	defer load.Wait()
	defer close(over)
	f()
	return lost
}
