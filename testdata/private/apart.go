//go:build linux

// Package private starts Docker engines of a test's own. The test begins with
//
//	if !private.Apart(t) {
//		return
//	}
//
// and is run once more, in a process with a network namespace of its own, so that
// the machine and its engine see nothing of what is started there.
package private

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// apart names the folder of everything that the test writes, in the environment
// of the process that runs it.
const apart = "DIVVY_TEST_APART"

// near is the name of the engine that the environment names.
const near = "near"

// Apart reports whether the test runs in a network namespace of its own. If it
// does not, Apart lets it run there from its beginning, and what becomes of it
// becomes of this one. Where there can be no engine the test is skipped: it is
// about divvy and not about the machine.
func Apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apart) != "" {
		run(t, "ip", "link", "set", "lo", "up")
		return true
	}
	need(t)
	dir, err := os.MkdirTemp("", "divvy") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeAll(t, dir) })
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.v", "-test.run=^"+t.Name()+"$", "-test.timeout="+left(t).String())
	cmd.Env = append(os.Environ(), apart+"="+dir, "DOCKER_HOST=unix://"+socket(dir, near), "DOCKER_CONTEXT=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Skip("this test needs a network namespace of its own, which cannot be here:", err)
	}
	err = cmd.Wait()
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out.String())
	case strings.Contains(out.String(), "--- SKIP: "+t.Name()+" "):
		t.Skip(out.String())
	default:
		t.Log(out.String())
	}
	return false
}

func need(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("this test starts a Docker engine")
	}
	for _, program := range []string{"dockerd", "docker", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("this test starts a Docker engine of its own:", err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("this test starts a Docker engine of its own, which only root may")
	}
}

// left returns how long the test may take, so that it ends before this one is
// ended, and removes what it has made.
func left(t *testing.T) time.Duration {
	end, limited := t.Deadline()
	if !limited {
		return 0 // for ever
	}
	return max(time.Until(end)-10*time.Second, time.Second)
}

// removeAll removes the engines' files, of which some may be mounted still.
func removeAll(t *testing.T, dir string) {
	pids, _ := filepath.Glob(filepath.Join(dir, "*", "pid"))
	for _, file := range pids {
		endByFile(file)
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			_ = unix.Unmount(f[4], unix.MNT_DETACH)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// endByFile ends an engine by its pidfile, which goes with it. There is none left
// unless the test's process was ended from outside.
func endByFile(file string) {
	text, _ := os.ReadFile(file)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return
	}
	late := time.After(patience)
	for try := time.Tick(50 * time.Millisecond); ; {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil || strings.TrimSpace(string(name)) != "dockerd" {
			return
		}
		_ = unix.Kill(pid, unix.SIGTERM)
		select {
		case <-try:
		case <-late:
			return
		}
	}
}
