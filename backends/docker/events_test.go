package docker

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"

	"divvy/backends"
)

// object is an answer of the engine, or a part of one.
type object = map[string]any

func (e *fakeEngine) decode(t testing.TB, path string, v any) {
	t.Helper()
	if err := json.Unmarshal(e.answers[path], v); err != nil {
		t.Fatal(path, err)
	}
}

func (e *fakeEngine) encode(t testing.TB, path string, v any) {
	t.Helper()
	answer, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	e.answers[path] = answer
}

// edit changes what the engine says of a container: its line of the list, and
// its inspection.
func (e *fakeEngine) edit(t *testing.T, id string, change func(line, inspection object)) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []object
	var inspection object
	e.decode(t, "/containers/json", &list)
	e.decode(t, "/containers/"+id+"/json", &inspection)
	i := slices.IndexFunc(list, func(line object) bool { return line["Id"] == id })
	change(list[i], inspection)
	e.encode(t, "/containers/json", list)
	e.encode(t, "/containers/"+id+"/json", inspection)
}

// end removes a container from the list. Its inspection says that it exited.
func (e *fakeEngine) end(t *testing.T, id string) {
	t.Helper()
	e.edit(t, id, func(_, inspection object) { inspection["State"].(object)["Running"] = false })
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []object
	e.decode(t, "/containers/json", &list)
	e.encode(t, "/containers/json", slices.DeleteFunc(list, func(line object) bool { return line["Id"] == id }))
}

// moved gives a container another address in its network.
func moved(address string) func(line, inspection object) {
	return func(line, inspection object) {
		for _, o := range []object{line, inspection} {
			for _, n := range o["NetworkSettings"].(object)["Networks"].(object) {
				n.(object)["IPAddress"] = address
			}
		}
	}
}

// life is what happens to one container, seen through the client and a watcher.
type life struct {
	*fakeEngine
	id   string
	book *ledger
	time time.Time // of the next event
}

// newLife watches an engine on which the container shop-new runs.
func newLife(t *testing.T) *life {
	t.Helper()
	l := &life{fakeEngine: newFakeEngine(t), book: newLedger()}
	watch(t, &Watcher{Daemon: l.client(t), Inventory: l.book})
	l.book.await(t, "the first list", func() bool { return l.book.replacements() == 1 })
	c, _ := l.book.container("shop-new")
	l.id, l.time = c.ID, c.Started.Add(time.Hour)
	l.book.take()
	return l
}

// happen sends an event, waits for the list after it, and returns what the
// Inventory was told before that.
func (l *life) happen(t *testing.T, kind events.Type, action string, attributes map[string]string) string {
	t.Helper()
	before := l.book.replacements()
	m := events.Message{Type: kind, Action: events.Action(action), TimeNano: l.time.UnixNano()}
	m.Actor = events.Actor{ID: l.id, Attributes: attributes}
	if kind == events.NetworkEventType {
		m.Actor = events.Actor{ID: "some-network", Attributes: map[string]string{"container": l.id}}
	}
	l.time = l.time.Add(time.Second)
	l.events <- m
	l.book.await(t, "the list after "+action, func() bool { return l.book.replacements() > before })
	told := slices.DeleteFunc(l.book.take(), func(s string) bool { return strings.HasPrefix(s, "replace") })
	return strings.ReplaceAll(strings.Join(told, ", "), l.id, "it")
}

func TestEveryEventDoesTheRightThing(t *testing.T) {
	t.Parallel()
	signal := func(n string) map[string]string { return map[string]string{"signal": n} }
	state := func(running, paused string) func(line, inspection object) {
		return func(line, inspection object) {
			line["State"] = running
			inspection["State"].(object)["Paused"] = paused == "paused"
		}
	}
	same := func(line, inspection object) {}
	gone := func(line, inspection object) { line["gone"] = true }

	// f lets an event happen after change, and compares what is told of the
	// container at once, and what is known of it afterwards.
	f := func(action string, attributes map[string]string, change func(line, inspection object), told string, want func(*Container)) {
		t.Helper()
		l := newLife(t)
		before, _ := l.book.container("shop-new")
		left := false
		l.edit(t, l.id, func(line, inspection object) {
			change(line, inspection)
			left = line["gone"] == true
		})
		if left {
			l.end(t, l.id)
		}
		kind := events.ContainerEventType
		if name, ok := strings.CutPrefix(action, "network "); ok {
			kind, action = events.NetworkEventType, name
		}
		if got := l.happen(t, kind, action, attributes); got != told {
			t.Errorf("%s: was told %q, want %q", action, got, told)
		}
		l.book.mu.Lock()
		defer l.book.mu.Unlock()
		i := slices.IndexFunc(l.book.found, func(c Container) bool { return c.ID == l.id })
		if want == nil || i < 0 {
			if want != nil || i >= 0 {
				t.Errorf("%s: the container is known: %v", action, i >= 0)
			}
			return
		}
		want(&before)
		got := l.book.found[i]
		if got.Name != before.Name || got.Paused != before.Paused || got.Health != before.Health ||
			!got.Started.Equal(before.Started) || !slices.Equal(got.Networks, before.Networks) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", action, got, before)
		}
	}
	unchanged := func(*Container) {}

	// A signal counts before the process ends; not every one ends it.
	f("kill", signal("15"), same, "stopping it: stop signal 15 was sent", unchanged)
	f("kill", signal("9"), gone, "stopping it: stop signal 9 was sent", nil)
	f("kill", signal("1"), same, "", unchanged)
	f("die", map[string]string{"exitCode": "137"}, gone, "stopping it: it exited", nil)
	f("died", nil, gone, "stopping it: it exited", nil)
	// Its end was told by kill and die before; should these be lost, the list
	// that follows tells.
	f("stop", nil, gone, "", nil)
	f("destroy", nil, gone, "", nil)
	// A process was killed, be it the first or one that the first can spare.
	f("oom", nil, same, "", unchanged)
	f("update", nil, same, "", unchanged)

	f("pause", nil, state("paused", "paused"), "", func(c *Container) { c.Paused = true })
	f("unpause", nil, state("running", ""), "", unchanged)
	f("rename", nil, func(line, inspection object) {
		line["Names"], inspection["Name"] = []string{"/shop-renamed"}, "/shop-renamed"
	}, "", func(c *Container) { c.Name = "shop-renamed" })
	f("health_status: unhealthy", nil, func(line, inspection object) {
		line["Status"] = "Up 1 second (unhealthy)"
		inspection["State"].(object)["Health"] = object{"Status": "unhealthy"}
	}, "", func(c *Container) { c.Health = backends.HealthUnhealthy })

	f("network disconnect", nil, func(line, inspection object) {
		for _, o := range []object{line, inspection} {
			o["NetworkSettings"].(object)["Networks"] = object{}
		}
	}, "", func(c *Container) { c.Networks = nil })
	f("network connect", nil, moved("172.17.99.9"), "", func(c *Container) { c.Networks = at(c.Networks, "172.17.99.9") })
}

// at returns networks with another address.
func at(networks []Network, address string) []Network {
	networks = slices.Clone(networks)
	networks[0].IP = parseAddr(address)
	return networks
}

func TestARestartedContainerHasAnotherLifeAndAddress(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	before, _ := l.book.container("shop-new")
	whole := l.answers["/containers/json"]
	l.end(t, l.id)
	if got := l.happen(t, "container", "die", nil); got != "stopping it: it exited" {
		t.Errorf("was told %q", got)
	}
	l.mu.Lock()
	l.answers["/containers/json"] = whole
	l.mu.Unlock()
	l.edit(t, l.id, func(line, inspection object) {
		moved("172.17.99.9")(line, inspection)
		inspection["State"].(object)["Running"] = true
		inspection["State"].(object)["StartedAt"] = l.time.Format(time.RFC3339Nano)
	})
	if got := l.happen(t, "container", "start", nil); got != "" {
		t.Errorf("was told %q", got)
	}
	after, ok := l.book.container("shop-new")
	if !ok || !after.Started.After(before.Started) || after.Networks[0].IP.String() != "172.17.99.9" {
		t.Errorf("got %+v, want a later start and the new address", after)
	}
	// A signal of its former life means nothing to this one.
	l.time = before.Started.Add(time.Minute)
	if got := l.happen(t, "container", "kill", map[string]string{"signal": "15"}); got != "" {
		t.Errorf("was told %q", got)
	}
}
