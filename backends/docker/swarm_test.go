package docker

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/events"

	"divvy/backends"
)

// newFakeSwarm returns an engine that manages the recorded Swarm, with the
// services divvy, shop-v1 with two tasks and shop-v2 with one.
func newFakeSwarm(t *testing.T) (*fakeEngine, *Swarm) {
	t.Helper()
	e := newFakeEngine(t)
	e.load(t, "swarm/two")
	return e, NewSwarm(e.client(t))
}

// elsewhere has the tasks run on another node than the engine's.
func (e *fakeEngine) elsewhere() {
	e.mu.Lock()
	defer e.mu.Unlock()
	node := regexp.MustCompile(`"NodeID": "[a-z0-9]{25}"`).Find(e.answers["/info"])
	maps.DeleteFunc(e.answers, func(path string, _ []byte) bool { return strings.HasPrefix(path, "/containers/") })
	e.answers["/containers/json"] = []byte("[]")
	e.answers["/info"] = []byte(strings.ReplaceAll(string(e.answers["/info"]), string(node), `"NodeID": "another"`))
}

// tasks returns what is known of all containers, by the name of their service.
func tasks(t *testing.T, s *Swarm) map[string][]Container {
	t.Helper()
	list, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]Container{}
	for _, summary := range list {
		c, err := s.Inspect(t.Context(), summary.ID)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(c.Name, ".")
		all[name] = append(all[name], c)
	}
	return all
}

func TestATaskIsAContainerWithTheLabelsOfItsService(t *testing.T) {
	t.Parallel()
	_, s := newFakeSwarm(t)
	all := tasks(t, s)
	if len(all["shop-v1"]) != 2 || len(all["shop-v2"]) != 1 || len(all["divvy"]) != 1 || len(all) != 3 {
		t.Fatalf("got %+v", all)
	}
	c := all["shop-v2"][0]
	if !strings.HasPrefix(c.Name, "shop-v2.1."+c.Task) || len(c.Task) != 25 || len(c.ID) != 64 {
		t.Errorf("task %q of container %q is called %q", c.Task, c.ID, c.Name)
	}
	if c.Labels["divvy.weight"] != "10" || c.Labels[labelTask] != "" {
		t.Errorf("labels are %v, want those of the service", c.Labels)
	}
	if v := c.Version; v.Repository != "shop/shop" && v.Repository != "docker.io/shop/shop" || v.Tag != "v2" || !strings.HasPrefix(v.ImageID, "sha256:") || v.Revision != "rev-v2" {
		t.Errorf("version is %+v", v)
	}
	if len(c.Networks) != 1 || c.Networks[0].Name != "front" || !c.Networks[0].ofSwarm() || !strings.HasPrefix(c.Networks[0].IP.String(), "10.0.1.") {
		t.Errorf("networks are %+v", c.Networks)
	}
	if c.Created.IsZero() || !c.Started.Equal(c.Created) || c.Health != backends.HealthNone || c.Problem != "" {
		t.Errorf("got %+v", c)
	}
	if c.Elsewhere {
		t.Error("it runs on another machine")
	}
	if !slices.Equal(c.Exposed, []int{8080}) {
		t.Errorf("exposes %v", c.Exposed)
	}
}

// Every proxy must mean the same version, whichever manager it asks.
func TestAVersionIsTheSameOnEveryNode(t *testing.T) {
	t.Parallel()
	e, s := newFakeSwarm(t)
	here := tasks(t, s)
	e.elsewhere()
	there := tasks(t, NewSwarm(e.client(t)))
	for name, all := range here {
		if len(there[name]) != len(all) {
			t.Errorf("%d tasks of %s elsewhere, want %d", len(there[name]), name, len(all))
			continue
		}
		for _, c := range there[name] {
			i := slices.IndexFunc(all, func(h Container) bool { return h.ID == c.ID })
			h := all[i]
			if !c.Elsewhere || h.Elsewhere || h.Version.Key() != c.Version.Key() || h.Version.String() != c.Version.String() || h.Name != c.Name || !h.Started.Equal(c.Started) || c.Problem != "" {
				t.Errorf("here it is %+v, elsewhere %+v", h, c)
			}
		}
	}
}

func TestALabelEditIsNews(t *testing.T) {
	t.Parallel()
	e, s := newFakeSwarm(t)
	before, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.load(t, "swarm/updated") // there shop-v1 has another weight
	after, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range tasks(t, s)["shop-v1"] {
		is := func(s Summary) bool { return s.ID == c.ID }
		if c.Labels["divvy.weight"] != "0" || before[slices.IndexFunc(before, is)] == after[slices.IndexFunc(after, is)] {
			t.Errorf("the edit of %s cannot be seen: %v", c.Name, c.Labels)
		}
	}
}

func TestTheSwarmOfAnEngineThatManagesNone(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	f := func(status int, message string, want int) {
		t.Helper()
		e.breaks("/services", func(w http.ResponseWriter, r *http.Request) { refuse(w, status, message) })
		s := NewSwarm(e.client(t))
		list, err := s.List(t.Context())
		if len(list) != want || (err == nil) != (want > 0) || s.Cluster() != "" {
			t.Errorf("%s: %d containers, %v; want %d", message, len(list), err, want)
		}
	}
	const none = "This node is not a swarm manager. "
	f(503, none+`Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`, 8)
	f(503, none+"Worker nodes can't be used to view or modify cluster state.", 8)
	f(404, "page not found", 8)    // Podman
	f(403, "Request forbidden", 8) // a proxy before the engine
	// Whoever has trouble may know tasks, so what was known of them must stay.
	f(503, none+"Manager is being prepared or has trouble connecting to the cluster.", 0)
	f(503, "The swarm does not have a leader.", 0)
	f(500, "rpc error: code = Unknown", 0)
}

func TestAManagerIsNotForgottenAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &Swarm{}
		no := errdefs.ErrUnavailable
		if err := s.deny(no); err != nil {
			t.Error("an engine that never managed a swarm is said to have lost it:", err)
		}
		s.last = &census{}
		for range 3 {
			if err := s.deny(no); !errors.Is(err, no) {
				t.Errorf("got %v, want that it is waited for", err)
			}
			time.Sleep(patience/2 - time.Second)
		}
		if err := s.deny(no); err != nil {
			t.Error("it is never believed:", err)
		}
	})
}

func TestSwarmUsesOnlyWhatItSays(t *testing.T) {
	t.Parallel()
	e, s := newFakeSwarm(t)
	tasks(t, s)
	tasks(t, s)
	if _, err := s.Vantage(t.Context()); err != nil {
		t.Fatal(err)
	}
	allowed := regexp.MustCompile(`^(HEAD|GET) (/_ping|/v1\.41/(version|containers/json|containers/[0-9a-f]{12,64}/json|services|tasks|nodes|info))$`)
	for _, r := range e.asked("") {
		if line := r.Method + " " + r.URL.Path; !allowed.MatchString(line) {
			t.Errorf("asked for %s", line)
		}
	}
	if n := len(e.asked("/info")); n != 1 {
		t.Errorf("asked %d times which cluster it is, want once", n)
	}
	if q := e.asked("/tasks")[0].URL.Query().Get("filters"); !strings.Contains(q, `"desired-state":{"running":true}`) {
		t.Errorf("asked for tasks by %s: those that ended are many", q)
	}
}

func TestDivvyMayBeATaskElsewhere(t *testing.T) {
	t.Parallel()
	e, s := newFakeSwarm(t)
	self := tasks(t, s)["divvy"][0]
	e.elsewhere()
	s = NewSwarm(e.client(t))
	tasks(t, s)
	v, err := s.vantage(t.Context(), surroundings{hostname: self.ID[:12], goos: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	if v.Container != self.ID || v.Direct || len(v.Networks) != 1 || v.Networks[0].ID != self.Networks[0].ID {
		t.Errorf("vantage is %+v", v)
	}
	for _, c := range tasks(t, s)["shop-v1"] {
		want := c.Networks[0].IP.String() + ":9000"
		if addr, err := c.Addr(Want{Port: 9000}, v); addr != want || err != nil {
			t.Errorf("got %s, %v; want %s", addr, err, want)
		}
	}
}

func TestANodeIsKnownThoughItsTasksEnd(t *testing.T) {
	t.Parallel()
	e, s := newFakeSwarm(t)
	node := tasks(t, s)["shop-v2"][0].NodeID
	if own, err := s.Client.Inspect(t.Context(), tasks(t, s)["shop-v2"][0].ID); err != nil || own.NodeID != node {
		t.Errorf("its engine says that it is on node %q, %v; its manager %q", own.NodeID, err, node)
	}
	e.elsewhere()
	s = NewSwarm(e.client(t))
	tasks(t, s)
	e.mu.Lock()
	e.answers["/tasks"] = []byte("[]")
	e.mu.Unlock()
	tasks(t, s)
	if node == "" || !s.Nodes()[node] {
		t.Errorf("nodes are %v, want %q", s.Nodes(), node)
	}
}

// The end of a task on another node is no event here.
func TestTasksAreLookedAt(t *testing.T) {
	t.Parallel()
	e, s := newFakeSwarm(t)
	book := newLedger()
	watch(t, &Watcher{Host: "h1", Daemon: s, Inventory: book})
	book.await(t, "the first list", func() bool { return book.replacements() == 1 })

	e.events <- events.Message{Type: events.NodeEventType, Action: "update", Actor: events.Actor{ID: "node"}}
	book.await(t, "the list after the event", func() bool { return book.replacements() == 2 })
	e.load(t, "swarm/scaled")
	book.await(t, "the new tasks", func() bool {
		book.mu.Lock()
		defer book.mu.Unlock()
		return len(book.found) == 7
	})
	filters := e.asked("/events")[0].URL.Query().Get("filters")
	for _, word := range []string{"service", "node", "update", "remove"} {
		if !strings.Contains(filters, fmt.Sprintf(`"%s":true`, word)) {
			t.Errorf("did not ask for %s: %s", word, filters)
		}
	}
}
