package docker

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
)

// TestRecord writes testdata/engine anew from the answers of the real engine,
// if the environment variable DIVVY_RECORD is set. The lab is called "shop" in
// them, so that they do not depend on its random name.
func TestRecord(t *testing.T) {
	if os.Getenv("DIVVY_RECORD") == "" {
		t.Skip("set DIVVY_RECORD=1 to record testdata/engine anew")
	}
	r := &recorder{bench: newBench(t), dir: filepath.Join("testdata", "engine")}
	began := time.Now()
	r.scene(t)

	r.save(t, "version", r.get(t, "/version"))
	list, err := r.api.ContainerList(t.Context(), container.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.save(t, "containers", r.get(t, "/containers/json"))
	for _, c := range list {
		name := strings.TrimPrefix(c.Names[0], "/"+r.name+"-")
		r.save(t, "container-"+name, r.get(t, "/containers/"+c.ID+"/json"))
		if strings.HasPrefix(name, "by-") { // others need not ask for their image
			r.save(t, "image-"+name, r.get(t, "/images/"+c.ImageID+"/json"))
		}
	}
	if err := r.Stop(t.Context(), list[0].ID, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	r.saveEvents(t, began)
}

type recorder struct {
	*bench
	dir string // where to write
}

// scene starts one container for each of the ways to start one.
func (r *recorder) scene(t *testing.T) {
	t.Helper()
	program, err := os.ReadFile(r.app)
	if err != nil {
		t.Fatal(err)
	}
	byID := r.image(t, "beta", "two", nil)
	if err := r.Tag(t.Context(), byID, "alpha"); err != nil {
		t.Fatal(err)
	}
	r.image(t, "v1", "one", nil)
	r.image(t, "checked", "three", func(s *ImageSpec) {
		s.Expose = []int{9090, 8080}
		s.StopSignal = "SIGQUIT"
		s.Health = &HealthCheck{Command: []string{"/app", "check"}, Interval: time.Second}
	})
	compose := map[string]string{labelProject: "shop", LabelNetwork: "front"}
	networks := []string{r.network(t, "front"), r.network(t, "back")}

	r.run(t, ContainerSpec{Name: "old", Image: r.name + ":v1"})
	r.image(t, "v1", "one again", nil)
	r.run(t, ContainerSpec{Name: "new", Image: r.name + ":v1"})
	r.run(t, ContainerSpec{Name: "by-id", Image: byID})
	r.run(t, ContainerSpec{Name: "by-digest", Image: pull(t, r.Lab, program)})
	r.run(t, ContainerSpec{Name: "networks", Image: r.name + ":v1", Networks: networks, Labels: compose, Publish: []int{8080}})
	r.run(t, ContainerSpec{Name: "host", Image: r.name + ":v1", HostNetwork: true})
	paused := r.run(t, ContainerSpec{Name: "paused", Image: r.name + ":v1"})
	if err := r.Pause(t.Context(), paused.ID); err != nil {
		t.Fatal(err)
	}
	r.run(t, ContainerSpec{Name: "checked", Image: r.name + ":checked"})
	r.awaitContainer(t, "checked", func(c Container) bool { return c.Health == "healthy" })
}

// get returns what the engine answers, which the client only gives decoded.
func (r *recorder) get(t *testing.T, path string) []byte {
	t.Helper()
	resp, err := r.api.HTTPClient().Get("http://docker/v" + r.api.ClientVersion() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return body
}

func (r *recorder) saveEvents(t *testing.T, began time.Time) {
	t.Helper()
	messages, ended := r.api.Events(t.Context(), events.ListOptions{
		Since: timestamp(began), Until: timestamp(time.Now()), Filters: relevant(),
	})
	var all []events.Message
	for {
		select {
		case m := <-messages:
			all = append(all, m)
		case err := <-ended:
			if err != io.EOF {
				t.Fatal(err)
			}
			r.save(t, "events", encode(t, all))
			return
		}
	}
}

func (r *recorder) save(t *testing.T, name string, answer []byte) {
	t.Helper()
	var text bytes.Buffer
	if err := json.Indent(&text, bytes.ReplaceAll(answer, []byte(r.name), []byte("shop")), "", " "); err != nil {
		t.Fatal(err)
	}
	text.WriteByte('\n')
	if err := os.WriteFile(filepath.Join(r.dir, name+".json"), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
