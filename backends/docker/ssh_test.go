package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
)

// farSide is the variable that makes this program play ssh: it writes down its
// arguments and connects its input and output to the socket, as the docker
// command on the far side would.
const farSide = "DIVVY_TEST_FAR_SIDE"

func TestMain(m *testing.M) {
	if socket := os.Getenv(farSide); socket != "" {
		os.Exit(playSSH(socket))
	}
	os.Exit(m.Run())
}

func playSSH(socket string) int {
	if f, err := os.OpenFile(socket+".args", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintln(f, strings.Join(os.Args[1:], "\n"))
		f.Close()
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Permission denied\n(publickey).")
		return 255
	}
	go func() {
		_, _ = io.Copy(c, os.Stdin)
		os.Exit(0)
	}()
	_, _ = io.Copy(os.Stdout, c)
	return 0
}

// fakeSSH puts a program called ssh before all others, which leads to socket
// whatever it is asked for.
func fakeSSH(t *testing.T, socket string) {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n%s=%s exec %s \"$@\"\n", farSide, socket, os.Args[0])
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestSSHArgs(t *testing.T) {
	t.Parallel()
	f := func(endpoint, want string) {
		t.Helper()
		u, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		const same = "ssh -T -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=10 -o ServerAliveCountMax=2 "
		if got := strings.Join(sshArgs(u), " "); got != same+want {
			t.Errorf("got  %s\nwant %s", got, same+want)
		}
	}
	f("ssh://docker1", "-- docker1 docker system dial-stdio")
	f("ssh://me@docker1.example.com:2222", "-l me -p 2222 -- docker1.example.com docker system dial-stdio")
	f("ssh://me@docker1/", "-l me -- docker1 docker system dial-stdio")
	f("ssh://docker1/run/it's.sock", `-- docker1 docker --host 'unix:///run/it'\''s.sock' system dial-stdio`)
	f("ssh://-oProxyCommand=x", "-- -oProxyCommand=x docker system dial-stdio") // no option of ours
}

func TestEngineBySSH(t *testing.T) {
	e := newFakeEngine(t)
	fakeSSH(t, e.socket)
	c, err := Connect(Host{Name: "far", Endpoint: "ssh://me@docker1.example.com/run/docker.sock"})
	if err != nil {
		t.Fatal(err)
	}
	book := newLedger()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	w := &Watcher{Host: "far", Daemon: c, Inventory: book}
	go func() { ended <- w.Run(ctx) }()
	book.await(t, "the first list", func() bool { return book.replacements() == 1 })
	recorded := e.recordedEvents(t)
	kill := recorded[slices.IndexFunc(recorded, func(m events.Message) bool { return m.Action == "kill" })]
	e.events <- kill
	book.await(t, "an event", func() bool { return book.heard("stopping " + kill.Actor.ID) })

	args, err := os.ReadFile(e.socket + ".args")
	if err != nil || !slices.Contains(strings.Split(string(args), "\n"), "'unix:///run/docker.sock'") {
		t.Errorf("ssh was called with %q, %v", args, err)
	}
	if v, err := c.Vantage(t.Context()); err != nil || v.Host != "docker1.example.com" {
		t.Errorf("vantage is %+v, %v", v, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	c.Close()
}

func TestSSHSaysWhyItFailed(t *testing.T) {
	fakeSSH(t, filepath.Join(t.TempDir(), "none.sock"))
	c, err := Connect(Host{Name: "far", Endpoint: "ssh://docker1.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if _, err := c.List(ctx); err == nil || !strings.Contains(err.Error(), "ssh: Permission denied (publickey).") {
		t.Errorf("got %v, want what ssh said", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := c.List(ctx); err == nil || !strings.Contains(err.Error(), `"ssh": executable file not found`) {
		t.Errorf("got %v, want that there is no ssh", err)
	}
}
