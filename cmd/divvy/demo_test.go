package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"divvy/backends/docker"
)

// screen is what the demonstration prints, and when.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// row is a line of the table: version, backends, weight, set, seen, requests.
var row = regexp.MustCompile(`(?m)^ +(v[123])\S* +(\d) +(\d+) +[\d.]+ % +[\d.]+ % +[1-9]\d* +`)

// showsAll reports what is missing from the last table.
func showsAll(text string) error {
	got := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		got[m[1]] = m[2] + " backends, weight " + m[3]
	}
	want := map[string]string{"v1": "2 backends, weight 80", "v2": "1 backends, weight 15", "v3": "1 backends, weight 5"}
	for v, w := range want {
		if got[v] != w {
			return fmt.Errorf("%s: got %q, want %q", v, got[v], w)
		}
	}
	return nil
}

func TestTheDemoInThisProcess(t *testing.T) {
	t.Parallel()
	var out screen
	if err := run(t.Context(), []string{"demo", "--in-process", "--for", "3s"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := showsAll(out.String()); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// demoName finds the name under which the demonstration makes things.
var demoName = regexp.MustCompile(`divvy-demo-[0-9a-f]{8}`)

// leftovers returns what remains of a demonstration.
func leftovers(t *testing.T, lab *docker.Lab, printed string) []string {
	t.Helper()
	name := demoName.FindString(printed)
	if name == "" {
		return nil // it was interrupted before it made anything
	}
	client, err := docker.Connect(docker.Host{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	list, err := client.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, s := range list {
		c, err := client.Inspect(t.Context(), s.ID)
		if err == nil && strings.HasPrefix(c.Name, name) {
			left = append(left, "container "+c.Name)
		}
	}
	for _, v := range []string{"v1", "v2", "v3"} {
		// Only a container of an image that is gone cannot be made.
		if _, err := lab.Container(t.Context(), docker.ContainerSpec{Image: name + ":" + v, Name: name + "-probe"}); err == nil {
			left = append(left, "image "+name+":"+v)
		}
	}
	return left
}

func TestTheDemoLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	var out screen
	if err := run(t.Context(), []string{"demo", "--for", "4s"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := showsAll(out.String()); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	if left := leftovers(t, w.Lab, out.String()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTheDemoLeavesNothingBehindWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	for _, after := range []time.Duration{0, 100 * time.Millisecond, 700 * time.Millisecond, 2 * time.Second, 4 * time.Second} {
		ctx, stop := context.WithTimeout(t.Context(), after)
		var out screen
		err := run(ctx, []string{"demo"}, &out, io.Discard)
		stop()
		if err != nil {
			t.Errorf("interrupted after %v: %v", after, err)
		}
		if left := leftovers(t, w.Lab, out.String()); len(left) > 0 {
			t.Errorf("interrupted after %v, left behind: %v", after, left)
		}
	}
}

// TestTheDemoLeavesNothingBehindInAClosedPipe runs the program as a process,
// since only a process gets SIGPIPE.
func TestTheDemoLeavesNothingBehindInAClosedPipe(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "divvy") // by this name the test is the program
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), link, "demo")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 256)
	n, err := out.Read(first)
	if err != nil {
		t.Fatal(err)
	}
	out.Close()
	if err := cmd.Wait(); cmd.ProcessState == nil || !cmd.ProcessState.Exited() {
		t.Errorf("it was ended from outside: %v", err)
	}
	if left := leftovers(t, w.Lab, string(first[:n])); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
