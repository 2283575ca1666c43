package docker

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// censusOf returns a census of recorded answers, and the engine's own list.
func censusOf(t *testing.T, moment string) (*census, []Summary) {
	t.Helper()
	read := func(name string, v any) {
		text, err := os.ReadFile(filepath.Join("testdata", "swarm", moment, name+".json"))
		if err == nil {
			err = json.Unmarshal(text, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var a answers
	read("services", &a.services)
	read("tasks", &a.tasks)
	var list []container.Summary
	read("containers", &list)
	var local []Summary
	for i := range list {
		local = append(local, decodeSummary(&list[i]))
	}
	return decodeCensus(a, local), local
}

// elsewhere returns a census as another manager would take it.
func elsewhere(t *testing.T, moment string) *census {
	c, _ := censusOf(t, moment)
	for id, task := range c.tasks {
		task.here = false
		c.tasks[id] = task
	}
	return c
}

// images returns the tags that the tasks of shop-v2 run.
func images(c *census) string {
	var all []string
	for _, task := range c.tasks {
		if strings.HasPrefix(task.Name, "shop-v2.") {
			all = append(all, task.Version.Tag)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// The recorded update starts the new task first, and is seen when the old one
// shall end and runs still.
func TestTheLastTaskOfAServiceIsKeptUntilAnotherIsInUse(t *testing.T) {
	t.Parallel()
	start := time.Now()
	last, local := censusOf(t, "two")
	last.handOver(nil, local, start)
	f := func(after time.Duration, want string, handing bool) {
		t.Helper()
		now, local := censusOf(t, "updated")
		now.handOver(last, local, start.Add(after))
		if got := images(now); got != want || now.handing != handing {
			t.Errorf("after %v there are %s, handing over %v; want %s", after, got, now.handing, want)
		}
		last = now
	}
	f(time.Second, "v2 v3", true)
	f(time.Second+handover/2, "v2 v3", true)
	f(time.Second+handover, "v3", false)
	f(time.Minute, "v3", false)
}

func TestATaskThatOthersCanReplaceIsLetGoAtOnce(t *testing.T) {
	t.Parallel()
	last, local := censusOf(t, "scaled")
	last.handOver(nil, local, time.Now())
	if got := images(last); got != "v3 v3 v3" {
		t.Fatalf("there are %s", got)
	}
	now, local := censusOf(t, "updated")
	now.handOver(last, local, time.Now())
	if got := images(now); got != "v3" || now.handing {
		t.Errorf("after scaling there are %s, handing over %v", got, now.handing)
	}
}

// Here its stop signal is heard, elsewhere nothing is.
func TestTheVeryLastTaskOfAServiceIsKeptWhileItRuns(t *testing.T) {
	t.Parallel()
	f := func(first *census, after time.Duration, want string) {
		t.Helper()
		_, local := censusOf(t, "two")
		start := time.Now()
		first.handOver(nil, local, start)
		for _, d := range []time.Duration{0, after} {
			none := &census{tasks: map[string]task{}}
			none.handOver(first, local, start.Add(d))
			first = none
		}
		if got := images(first); got != want {
			t.Errorf("%v after its end was wanted there is %q, want %q", after, got, want)
		}
	}
	here, _ := censusOf(t, "two")
	f(here, time.Minute, "v2")
	f(elsewhere(t, "two"), handover/2, "v2")
	f(elsewhere(t, "two"), handover, "")

	// What has ended is not kept.
	last, local := censusOf(t, "two")
	last.handOver(nil, local, time.Now())
	none := &census{tasks: map[string]task{}}
	none.handOver(last, nil, time.Now())
	if len(none.tasks) != 0 {
		t.Errorf("there are %v", slices.Collect(maps.Keys(none.tasks)))
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	f := func(c *census, quiet, want time.Duration) {
		t.Helper()
		if got := c.pace(quiet); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	f(nil, 0, pollSettled)
	f(&census{settled: true}, time.Hour, pollSettled)
	f(&census{settled: true}, time.Second, pollStirred)
	f(&census{}, time.Second, pollStirred)
	f(&census{}, time.Hour, pollUnsettled)
	f(&census{settled: true, updating: true}, time.Hour, pollStirred)
	f(&census{settled: true, handing: true}, time.Hour, pollHanding)
}
