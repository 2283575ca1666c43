package docker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// record writes what the engine answers into testdata/swarm, if it is asked to.
func (s *stack) record(t *testing.T, moment string) {
	t.Helper()
	if os.Getenv("DIVVY_RECORD") == "" {
		return
	}
	c, err := Connect(Host{Endpoint: s.Host})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	api, err := c.negotiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("testdata", "swarm", moment)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &recorder{bench: &bench{Lab: &Lab{api: api, name: s.registry.host}}, dir: dir}
	home := filepath.Dir(strings.TrimPrefix(s.Host, "unix://"))
	get := func(path string) []byte {
		return bytes.ReplaceAll(r.get(t, path), []byte(home), []byte("/var/lib/docker"))
	}
	for _, path := range []string{"services", "tasks", "nodes"} {
		r.save(t, path, get("/"+path))
	}
	var info struct{ Swarm json.RawMessage } // the rest is about the machine
	if err := json.Unmarshal(get("/info"), &info); err != nil {
		t.Fatal(err)
	}
	r.save(t, "info", encode(t, info))
	list := get("/containers/json")
	r.save(t, "containers", list)
	var containers []struct{ ID string }
	if err := json.Unmarshal(list, &containers); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(containers, func(a, b struct{ ID string }) int { return strings.Compare(a.ID, b.ID) })
	for i, c := range containers {
		r.save(t, fmt.Sprintf("container-%d", i), get("/containers/"+c.ID+"/json"))
	}
}
