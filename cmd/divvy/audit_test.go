package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/config"
)

// specimen starts a container in a network of the town's own.
func (w *town) specimen(t *testing.T, name, tag string, change func(*docker.ContainerSpec)) string {
	t.Helper()
	spec := docker.ContainerSpec{Image: w.Repository() + ":" + tag, Name: name, Networks: []string{w.Repository() + "_net"}}
	if change != nil {
		change(&spec)
	}
	id, err := w.Container(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// ofApp builds an image of the application after a change.
func (w *town) ofApp(t *testing.T, tag string, change func(*docker.ImageSpec)) {
	t.Helper()
	spec := docker.ImageSpec{
		Files:      map[string]docker.File{"/app": {Source: w.app, Mode: 0o755}, "/etc/app.conf": {Data: []byte("as built")}},
		Entrypoint: []string{"/app"}, Env: map[string]string{"VERSION": tag}, Expose: []int{8080},
	}
	if change != nil {
		change(&spec)
	}
	if _, err := w.Image(t.Context(), tag, spec); err != nil {
		t.Fatal(err)
	}
}

// newTownWithNet is newTown with the network of specimens.
func newTownWithNet(t *testing.T) *town {
	t.Helper()
	w := newTown(t)
	if _, err := w.Network(t.Context(), "net"); err != nil {
		t.Fatal(err)
	}
	return w
}

// audit runs the command, and returns what it prints and its exit code.
func (w *town) audit(t *testing.T, args ...string) (text string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(t.Context(), append([]string{"audit", "--admin", w.program.admin.Addr()}, args...), &out, &errs)
	if err != nil {
		code = exitCode(err)
		fmt.Fprintln(&out, err)
	}
	return out.String(), code
}

// audited returns the kinds of mutation of each version, by tag.
func (w *town) audited(t *testing.T) map[string]string {
	t.Helper()
	text, _ := w.audit(t, "shop", "--json")
	var all []admin.Audit
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&all); err != nil || len(all) != 1 {
		t.Fatalf("%v in %s", err, text)
	}
	found := map[string]string{}
	for _, v := range all[0].Versions {
		var kinds []string
		note := func(list []backends.Mutation) {
			for _, m := range list {
				if !slices.Contains(kinds, string(m.Kind)) {
					kinds = append(kinds, string(m.Kind))
				}
			}
		}
		note(v.Mutations)
		for _, b := range v.Backends {
			note(b.Mutations)
			if b.Unknown != "" {
				kinds = append(kinds, "unknown: "+b.Unknown)
			}
		}
		slices.Sort(kinds)
		tag, _, _ := strings.Cut(v.Version, "@")
		found[tag] = strings.Join(kinds, " ")
	}
	return found
}

func TestAnAuditFindsWhatIsNotAsItWasBuilt(t *testing.T) {
	t.Parallel()
	w := newTownWithNet(t)
	plain := []string{"exec", "copy", "update", "volume", "env", "clean"}
	for _, tag := range plain {
		w.ofApp(t, tag, nil)
	}
	w.ofApp(t, "files", func(s *docker.ImageSpec) { s.Env["WRITE"] = "/etc/app.conf" })
	w.ofApp(t, "both", nil)
	id := map[string]string{}
	for _, tag := range append(plain, "files", "both") {
		id[tag] = w.specimen(t, tag, tag, func(s *docker.ContainerSpec) {
			if tag == "volume" {
				s.Volumes = []string{"/data"}
			}
		})
	}
	w.specimen(t, "env-2", "env", func(s *docker.ContainerSpec) { s.Env = map[string]string{"DEBUG": "1"} })
	w.open(t, w.config(nil))
	w.awaitReady(t, map[string]int{"exec": 1, "copy": 1, "update": 1, "volume": 1, "env": 2, "clean": 1, "files": 1, "both": 1})
	for what, err := range map[string]error{
		"exec":   w.Exec(t.Context(), id["exec"], "/app", "check"),
		"copy":   w.Copy(t.Context(), id["copy"], "tmp/x", []byte("x")), // seen though the path is ignored
		"update": w.Limit(t.Context(), id["update"], 64<<20),
		"both":   w.Exec(t.Context(), id["both"], "/app", "write", "/app.old", "x"),
	} {
		if err != nil {
			t.Fatal(what, err)
		}
	}
	want := map[string]string{
		"exec": "exec", "copy": "copy", "update": "update", "volume": "mount", "env": "configuration", "clean": "",
		"files": "files", "both": "exec files",
	}
	await(t, "the events", func() bool {
		touched := 0
		for _, v := range w.versions() {
			for _, m := range v.Backends[0].Mutations {
				if slices.Contains([]backends.MutationKind{backends.MutationExec, backends.MutationCopy, backends.MutationUpdate}, m.Kind) {
					touched++
				}
			}
		}
		return touched == 4
	})
	if got := w.audited(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("found %v, want %v", got, want)
	}
	text, code := w.audit(t, "shop")
	for _, sentence := range []string{
		": a process was started in it (exec)", ": files were copied into it (copy)", ": its limits were changed (update)",
		"mount: it may write into a volume at /data", "files: files differ from its image: changed /etc/app.conf",
		"files: files differ from its image: added /app.old", "configuration: env@",
		"(" + w.Repository() + "-env-2), which differs in environment (DEBUG)",
		"not everything is known to be what was built: shop",
	} {
		if !strings.Contains(text, sentence) {
			t.Errorf("the audit does not say %q:\n%s", sentence, text)
		}
	}
	if code != exitFailed {
		t.Errorf("the exit code is %d", code)
	}
	problems := strings.Join(w.program.status().Problems, "\n")
	if !strings.Contains(problems, "service shop: "+w.Repository()+"-files may not be what files@") {
		t.Errorf("the status does not tell of what was found:\n%s", problems)
	}
	var status bytes.Buffer
	if err := run(t.Context(), []string{"status", "--admin", w.program.admin.Addr()}, &status, io.Discard); err != nil || !strings.Contains(status.String(), "may not be what") {
		t.Errorf("%v, and divvy status prints\n%s", err, &status)
	}
	if text := w.metrics(t); strings.Count(text, "divvy_version_mutable{") != 8 || strings.Count(text, `"} 1`+"\n") < 7 {
		t.Errorf("the metrics say\n%s", text)
	}
}

// metrics returns the series about what may be mutable.
func (w *town) metrics(t *testing.T) string {
	t.Helper()
	res, err := http.Get("http://" + w.program.admin.Addr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for line := range strings.Lines(string(all)) {
		if strings.HasPrefix(line, "divvy_version_mutable{") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

func TestAnAuditFindsNothingInWhatIsAsItWasBuilt(t *testing.T) {
	t.Parallel()
	w := newTownWithNet(t)
	w.ofApp(t, "v1", func(s *docker.ImageSpec) {
		s.Health = &docker.HealthCheck{Command: []string{"/app", "check"}, Interval: time.Second}
		s.Env["WRITE"] = "/tmp/app/state"
	})
	w.ofApp(t, "v2", func(s *docker.ImageSpec) {
		s.Env["WRITE"] = "/srv/state/x"
		s.Labels = map[string]string{"divvy.immutable.ignore": "/srv/state"}
	})
	w.ofApp(t, "v3", nil)
	w.specimen(t, "v1", "v1", nil)
	w.specimen(t, "v1-2", "v1", nil)
	w.specimen(t, "v2", "v2", func(s *docker.ContainerSpec) { s.Volumes = []string{"/var/cache/deep/down"} })
	w.specimen(t, "v3", "v3", func(s *docker.ContainerSpec) { s.ReadOnly = true })
	c := w.config(func(s *config.Service) { s.Immutable = config.Require })
	w.open(t, c)
	w.awaitReady(t, map[string]int{"v1": 2, "v2": 1, "v3": 1})
	text, code := w.audit(t)
	if code != 0 || strings.Count(text, ": what was built") != 3 || !strings.Contains(text, "its root is read-only") {
		t.Errorf("the exit code is %d:\n%s", code, text)
	}
	w.awaitReady(t, map[string]int{"v1": 2, "v2": 1, "v3": 1})
	for _, p := range w.program.status().Problems {
		t.Errorf("problem: %s", p)
	}
}

func TestWhatIsRequiredToBeAsBuiltGetsNoTrafficOtherwise(t *testing.T) {
	t.Parallel()
	w := newTownWithNet(t)
	w.ofApp(t, "v1", nil)
	w.specimen(t, "a", "v1", nil)
	b := w.specimen(t, "b", "v1", nil)
	w.specimen(t, "odd", "v1", func(s *docker.ContainerSpec) { s.Env = map[string]string{"DEBUG": "1"} })
	w.open(t, w.config(func(s *config.Service) { s.Immutable = config.Require }))
	w.awaitReady(t, map[string]int{"v1": 2})
	if odd := w.versions()["v1"].Backends[2]; odd.State != backends.StateInvalid || !strings.Contains(odd.Reason, "-a, which came first: environment (DEBUG)") {
		t.Errorf("one that is configured unlike the others is %s: %s", odd.State, odd.Reason)
	}
	stop := w.load(t)
	if err := w.Exec(t.Context(), b, "/app", "check"); err != nil {
		t.Fatal(err)
	}
	var touched backends.Status
	await(t, "it to leave the rotation", func() bool {
		touched = w.versions()["v1"].Backends[1]
		return touched.State == backends.StateInvalid
	})
	if !strings.Contains(touched.Reason, `immutable is "require": touched by hand at `) {
		t.Errorf("the reason is %q", touched.Reason)
	}
	after := w.seen.count()
	await(t, "more traffic", func() bool { return w.seen.count() > after+500 })
	for _, o := range w.seen.observations()[after+100:] {
		if o.Container == b {
			t.Fatal("it was sent a request")
		}
	}
	if sent, failed := stop(); len(failed) > 0 {
		t.Errorf("%d of %d requests failed, the first with: %s", len(failed), sent, failed[0])
	}
	// Its next life is another matter.
	if err := w.Stop(t.Context(), b, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	w.awaitReady(t, map[string]int{"v1": 2})
}
