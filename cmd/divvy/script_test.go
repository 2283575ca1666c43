package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"divvy/testdata/ports"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"divvy": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
				fmt.Fprintln(os.Stderr, "divvy:", err)
				os.Exit(exitCode(err))
			}
		},
	})
}

// TestScripts runs the scripts that specify the program.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Values[deaf{}] = &deaf{}
			env.Setenv("STATE_DIRECTORY", filepath.Join(env.WorkDir, "state"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"backend":   scriptBackend,
			"port":      scriptPort,
			"get":       scriptGet,
			"load":      scriptLoad,
			"expand":    scriptExpand,
			"hup":       scriptHup,
			"deaf":      scriptDeaf,
			"hangup":    scriptHangUp,
			"awaitline": scriptAwaitLine,
		},
	})
}

// scriptBackend is `backend VAR TEXT [STATUS]`: it serves TEXT and puts its address
// into the variable.
func scriptBackend(ts *testscript.TestScript, _ bool, args []string) {
	status := http.StatusOK
	if len(args) > 2 {
		var err error
		status, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintln(w, args[1])
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.Listener.Addr().String())
}

// scriptPort is `port VAR`: it puts a free address into the variable.
func scriptPort(ts *testscript.TestScript, _ bool, args []string) {
	addr, err := ports.Unused()
	ts.Check(err)
	ts.Setenv(args[0], addr)
}

// scriptGet is `get URL TEXT [HEADER…]`: it asks until the answer contains the
// text.
func scriptGet(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	var last string
	for {
		last = fetch(args[0], args[2:])
		if strings.Contains(last, args[1]) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%s: got %s, want %s", args[0], last, args[1])
		}
	}
}

// scriptLoad is `load N URL`: it sends so many requests, whatever the answers.
func scriptLoad(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for range n {
		fetch(args[1], nil)
	}
}

// fetch returns the status and body of an answer, or what went wrong.
func fetch(url string, header []string) string {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	for _, h := range header {
		k, v, _ := strings.Cut(h, ": ")
		if k == "Host" {
			req.Host = v
		}
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return res.Status + "\n" + string(body)
}

// scriptHup is `hup`: it sends SIGHUP to what runs in the background.
func scriptHup(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGHUP))
	}
}

// deaf is a divvy whose output nobody reads.
type deaf struct{ cmd *exec.Cmd }

// scriptDeaf is `deaf`: it runs divvy with both outputs closed at the other end.
func scriptDeaf(ts *testscript.TestScript, _ bool, _ []string) {
	exe, err := exec.LookPath("divvy")
	ts.Check(err)
	cmd := exec.Command(exe, "run")
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+ts.Getenv("STATE_DIRECTORY"))
	r, w, err := os.Pipe()
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = w, w
	ts.Check(cmd.Start())
	ts.Check(errors.Join(r.Close(), w.Close()))
	ts.Defer(func() { _ = cmd.Process.Kill() })
	ts.Value(deaf{}).(*deaf).cmd = cmd
}

// scriptHangUp is `hangup`: it stops what deaf started, which must end well.
func scriptHangUp(ts *testscript.TestScript, _ bool, _ []string) {
	cmd := ts.Value(deaf{}).(*deaf).cmd
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	ts.Check(cmd.Wait())
}

// scriptAwaitLine is `awaitline FILE TEXT URL [HEADER…]`: it sends requests until
// the file contains the text.
func scriptAwaitLine(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		fetch(args[2], args[3:])
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(data), args[1]) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("waited too long for %s", strings.Join(args, " "))
		}
	}
}

// scriptExpand is `expand FILE…`: it replaces variables in files.
func scriptExpand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		data, err := os.ReadFile(path)
		ts.Check(err)
		ts.Check(os.WriteFile(path, []byte(os.Expand(string(data), ts.Getenv)), 0o644))
	}
}
