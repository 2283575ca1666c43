package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"divvy/backends/docker"
	"divvy/cmd/internal/admin"
)

// locked is a log that is read while it is written.
type locked struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// Whatever divvy says, writes and keeps is searched for a secret that it has
// seen in the environment, in arguments and in the commands of processes.
func TestSecretsOfContainersAppearNowhere(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	w := newTownWithNet(t)
	w.ofApp(t, "v1", nil)
	a := w.specimen(t, "a", "v1", func(s *docker.ContainerSpec) { s.Env = map[string]string{"SECRET": secret} })
	w.specimen(t, "b", "v1", func(s *docker.ContainerSpec) {
		s.Env, s.Cmd = map[string]string{"SECRET": secret + "3"}, []string{"--password=" + secret}
	})
	c := w.config(nil)
	c.Log.Level = "debug"
	c.State.Directory = t.TempDir()
	c.AccessLog.Format, c.AccessLog.Output = "json", filepath.Join(c.State.Directory, "access.log")
	log := new(locked)
	w.program = startLogging(t, c, w.seen, log)
	w.url = "http://" + w.program.server.Addr().String()

	said := new(locked)
	events, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		_ = admin.Client{Addr: w.program.admin.Addr()}.Events(events, json.NewEncoder(said).Encode)
	}()
	w.awaitReady(t, map[string]int{"v1": 2})
	w.get(t, newClient(t))
	if err := w.Exec(t.Context(), a, "/app", "write", "/srv/x", secret); err != nil {
		t.Fatal(err)
	}
	await(t, "the touch", func() bool { return strings.Contains(log.String(), "touched by hand") })
	for _, args := range [][]string{{}, {"--json"}} {
		text, _ := w.audit(t, args...)
		fmt.Fprint(said, text)
	}
	for _, path := range []string{"/metrics", "/api/v1/status", shop, shop + "/versions", shop + "/backends", shop + "/audit"} {
		res, err := http.Get("http://" + w.program.admin.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(said, res.Body)
		res.Body.Close()
	}
	for _, name := range []string{"environment (SECRET)", "touched by hand", "added /srv/x", "differs in"} {
		if !strings.Contains(said.String(), name) {
			t.Errorf("nobody says %q, so this proves nothing", name)
		}
	}
	texts := map[string]string{"the log": log.String(), "the API": said.String()}
	_ = filepath.WalkDir(c.State.Directory, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			data, _ := os.ReadFile(path)
			texts[path] = string(data)
		}
		return err
	})
	for where, text := range texts {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("the secret is in %s: …%s…", where, text[max(0, i-100):min(len(text), i+100)])
		}
	}
}
