//go:build linux

package private

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ErrNotYet is for what Await waits for.
var ErrNotYet = errors.New("not yet")

// patience is how long an engine may take to start, to end and to do something.
const patience = time.Minute

// Engine is a Docker engine of the test's own. Unless it is a far one, it is in
// the same network as the test, and its containers can be reached.
type Engine struct {
	Host string // as in DOCKER_HOST

	name  string
	args  []string
	log   *os.File
	cmd   *exec.Cmd
	ended chan struct{} // closed when the engine has ended
}

// Start starts the engine that the environment names, with further arguments for
// dockerd. It ends when the test does; its containers are the test's to remove.
func Start(t *testing.T, args ...string) *Engine {
	t.Helper()
	e := newEngine(t, near, args)
	e.Begin(t)
	return e
}

func newEngine(t *testing.T, name string, args []string) *Engine {
	t.Helper()
	all := os.Getenv(apart)
	dir := filepath.Join(all, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "daemon.json") // rather than the machine's
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{Host: "unix://" + socket(all, name), name: name, log: log}
	namespace := filepath.Base(all) + "-" + name // of a containerd that all may share
	e.args = append([]string{
		"--config-file", config, "--data-root", dir + "/data", "--exec-root", dir + "/exec", "--pidfile", dir + "/pid", "--host", e.Host,
		"--containerd-namespace", namespace, "--containerd-plugins-namespace", namespace + "-plugins",
		"--iptables=false", "--ip6tables=false",
	}, args...)
	t.Cleanup(func() { e.close(t) })
	return e
}

func socket(dir, name string) string { return filepath.Join(dir, name, "sock") }

// Begin starts the engine again after End.
func (e *Engine) Begin(t *testing.T) {
	t.Helper()
	e.begin(t, 0)
	e.Await(t, "the engine", func() error { return e.Try(t, "version") })
}

// begin starts the engine, in the namespaces that the flags ask for.
func (e *Engine) begin(t *testing.T, namespaces uintptr) {
	t.Helper()
	e.cmd = exec.Command("dockerd", e.args...)
	e.cmd.Stdout, e.cmd.Stderr = e.log, e.log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	e.ended = ended
	go func() { _ = e.cmd.Wait(); close(ended) }()
}

// End ends the engine as its service manager does.
func (e *Engine) End(t *testing.T) {
	t.Helper()
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.ended:
	case <-time.After(patience):
		_ = e.cmd.Process.Kill()
		<-e.ended
		t.Errorf("the engine %s did not end", e.name)
	}
}

func (e *Engine) close(t *testing.T) {
	e.End(t)
	if text, err := os.ReadFile(e.log.Name()); t.Failed() && err == nil {
		t.Logf("the log of the engine %s ends with:\n%s", e.name, text[max(0, len(text)-4000):])
	}
	e.log.Close()
}

// Docker runs the docker command, as people do, and returns what it prints.
func (e *Engine) Docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := e.command(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Try is Docker for what may go wrong.
func (e *Engine) Try(t *testing.T, args ...string) error {
	t.Helper()
	_, err := e.command(t, args...)
	return err
}

func (e *Engine) command(t *testing.T, args ...string) (string, error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer stop()
	cmd := exec.CommandContext(ctx, "docker", append([]string{"--host", e.Host}, args...)...)
	var out, problem strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// Await waits until f returns no error.
func (e *Engine) Await(t *testing.T, what string, f func() error) {
	t.Helper()
	timeout := time.After(patience)
	for try := time.Tick(50 * time.Millisecond); ; {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-try:
		case <-e.ended:
			t.Fatalf("waiting for %s: the engine %s has ended", what, e.name)
		case <-timeout:
			t.Fatalf("waiting for %s in vain: %v", what, err)
		}
	}
}

// run runs a program of the machine.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
}
