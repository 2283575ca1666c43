//go:build linux

package private

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// The ends of the cable between the test's network and the far engine's.
const (
	nearEnd, nearAddr = "near", "10.99.0.1"
	farEnd, farAddr   = "far", "10.99.0.2"
)

// StartFar starts one more engine, as if on another machine: it has a network of
// its own, is at the end of a cable, and all that can be reached there are the
// ports that its containers publish, and the API.
func StartFar(t *testing.T, args ...string) *Far {
	t.Helper()
	const api = "tcp://0.0.0.0:2375"
	f := &Far{Engine: newEngine(t, "far", append([]string{"--host", api, "--tls=false"}, args...)), Addr: farAddr}
	f.begin(t, unix.CLONE_NEWNET)
	f.Await(t, "the far engine", func() error { return f.Try(t, "version") })
	pid := fmt.Sprint(f.cmd.Process.Pid)
	run(t, "ip", "link", "add", nearEnd, "type", "veth", "peer", "name", farEnd, "netns", pid)
	run(t, "ip", "addr", "add", nearAddr+"/24", "dev", nearEnd)
	run(t, "ip", "link", "set", nearEnd, "up")
	f.there(t, "link", "set", "lo", "up")
	f.there(t, "addr", "add", farAddr+"/24", "dev", farEnd)
	f.Join(t)
	return f
}

// Far is an engine on what could be another machine.
type Far struct {
	*Engine
	Addr string // of the machine
}

// there runs ip on the other machine.
func (f *Far) there(t *testing.T, args ...string) {
	t.Helper()
	run(t, "nsenter", append([]string{"--net=" + fmt.Sprintf("/proc/%d/ns/net", f.cmd.Process.Pid), "ip"}, args...)...)
}

// Cut pulls the plug of the cable: what is sent goes nowhere, and nobody is told.
func (f *Far) Cut(t *testing.T) {
	t.Helper()
	f.there(t, "link", "set", farEnd, "down")
}

// Join puts it in again.
func (f *Far) Join(t *testing.T) {
	t.Helper()
	f.there(t, "link", "set", farEnd, "up")
}
