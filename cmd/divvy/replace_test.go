//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// dynasty is a divvy that runs as a process of its own, and those that replace it.
type dynasty struct {
	t     *testing.T
	dir   string
	file  string // of the program
	url   string
	admin string
	log   *os.File
	first *exec.Cmd
	ended chan error // of the first
}

// newDynasty writes a configuration of one service that is answered by origin.
// Further lines of [server] may come after that of http.
func newDynasty(t *testing.T, origin http.HandlerFunc, server string) *dynasty {
	t.Helper()
	backend := httptest.NewServer(origin)
	t.Cleanup(backend.Close)
	d := &dynasty{t: t, dir: t.TempDir(), ended: make(chan error, 1)}
	d.file = filepath.Join(d.dir, "divvy")
	install(t, d.file)
	addr := freePort(t)
	d.url, d.admin = "http://"+addr, freePort(t)
	d.write(fmt.Sprintf(`[server]
http = %q
%s
[admin]
listen = %q
[docker]
enabled = false
[access_log]
format = "off"
[state]
directory = %q
[[service]]
name = "shop"
[[service.backend]]
version = "v1"
address = %q
`, addr, server, d.admin, filepath.Join(d.dir, "state"), backend.Listener.Addr()))
	return d
}

// built is the program, with what looks for races if the tests have it. Its file has
// no name any more.
var built = sync.OnceValues(func() (*os.File, error) {
	dir, err := os.MkdirTemp("", "divvy")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "divvy")
	args := []string{"build", "-o", path}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "divvy/cmd/divvy")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building divvy: %w\n%s", err, out)
	}
	return os.Open(path)
})

// install writes the program to a file.
func install(t *testing.T, path string) {
	t.Helper()
	from, err := built()
	if err != nil {
		t.Fatal(err)
	}
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, io.NewSectionReader(from, 0, 1<<40))
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
}

func (d *dynasty) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *dynasty) write(config string) {
	d.t.Helper()
	d.must(os.WriteFile(filepath.Join(d.dir, "divvy.toml"), []byte(config), 0o600))
}

// start starts the first one. Whoever is left of the dynasty is killed in the end.
func (d *dynasty) start(prepare ...func(*exec.Cmd)) {
	d.t.Helper()
	var err error
	d.log, err = os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	d.must(err)
	d.t.Cleanup(func() { d.log.Close() })
	d.first = exec.Command(d.file, "run")
	d.first.Dir, d.first.Stdout, d.first.Stderr = d.dir, d.log, d.log
	d.first.Env = os.Environ()
	d.first.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, p := range prepare {
		p(d.first)
	}
	d.must(d.first.Start())
	go func() { d.ended <- d.first.Wait() }()
	d.t.Cleanup(func() {
		_ = syscall.Kill(-d.first.Process.Pid, syscall.SIGKILL)
		if strings.Contains(d.logged(), "DATA RACE") {
			d.t.Error("there is a race")
		}
		if d.t.Failed() {
			d.t.Log(d.logged())
		}
	})
	await(d.t, "it serves", func() bool { return strings.HasPrefix(d.get(), "200 OK") })
}

// left waits until the first one has ended.
func (d *dynasty) left() {
	d.t.Helper()
	http.DefaultClient.CloseIdleConnections() // on each of which it would wait for one more request
	if err := receive(d.t, d.ended); err != nil {
		d.t.Errorf("the first one ended with %v", err)
	}
}

// receive returns the next value of ch.
func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("waited in vain")
		panic("not reached")
	}
}

// logged returns what all of them have logged.
func (d *dynasty) logged() string {
	text, err := os.ReadFile(d.log.Name())
	d.must(err)
	return string(text)
}

// saw waits until the log has a line.
func (d *dynasty) saw(line string) {
	d.t.Helper()
	await(d.t, "the log says "+line, func() bool { return strings.Contains(d.logged(), line) })
}

var heirs = regexp.MustCompile(`msg="replaced: finishing what has begun" by=(\d+)`)

// reigning returns the process that serves now, and how many did before it.
func (d *dynasty) reigning() (pid, before int) {
	pid = d.first.Process.Pid
	all := heirs.FindAllStringSubmatch(d.logged(), -1)
	if len(all) > 0 {
		pid, _ = strconv.Atoi(all[len(all)-1][1])
	}
	return pid, len(all)
}

func (d *dynasty) signal(s syscall.Signal) {
	d.t.Helper()
	pid, _ := d.reigning()
	d.must(syscall.Kill(pid, s))
}

// replace replaces the one that serves now.
func (d *dynasty) replace() {
	d.t.Helper()
	_, before := d.reigning()
	d.signal(syscall.SIGUSR2)
	await(d.t, "it is replaced", func() bool { _, n := d.reigning(); return n > before })
}

// replacedInVain tries to, and waits until the log says why not.
func (d *dynasty) replacedInVain(why string) {
	d.t.Helper()
	_, before := d.reigning()
	d.signal(syscall.SIGUSR2)
	d.saw(`msg="not replaced, going on" ` + why)
	if _, now := d.reigning(); now != before {
		d.t.Error("it was replaced")
	}
}

// end ends the one that serves now, and waits for it.
func (d *dynasty) end() {
	d.t.Helper()
	pid, _ := d.reigning()
	d.signal(syscall.SIGTERM)
	await(d.t, "it has ended", func() bool { return syscall.Kill(pid, 0) != nil })
}

// get returns the body of an answer, or what went wrong.
func (d *dynasty) get() string { return fetch(d.url, nil) }

// asker sends requests on connections that it keeps, and notes what fails.
type asker struct {
	sent   atomic.Int64
	closed atomic.Int64 // connections whose last answer said so
	mu     sync.Mutex
	failed []string
}

func (a *asker) note(err error) {
	a.sent.Add(1)
	if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.failed = append(a.failed, err.Error())
	}
}

// byLibrary asks as net/http does: every fourth request is a POST with such a body.
func (a *asker) byLibrary(ctx context.Context, client *http.Client, url string, body func() io.Reader) {
	for i := 0; ctx.Err() == nil; i++ {
		a.note(func() error {
			var res *http.Response
			var err error
			if i%4 == 3 {
				res, err = client.Post(url, "text/plain", body())
			} else {
				res, err = client.Get(url)
			}
			if err != nil {
				return err
			}
			defer res.Body.Close()
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
				return fmt.Errorf("%s: %w", res.Status, err)
			}
			return nil
		}())
	}
}

// byHand asks without mercy: what fails is not sent again.
func (a *asker) byHand(ctx context.Context, addr string) {
	for ctx.Err() == nil {
		a.onOne(ctx, addr)
	}
}

// onOne asks on one connection until an answer says that it is the last.
func (a *asker) onOne(ctx context.Context, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		a.note(err)
		return
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for i := 0; ctx.Err() == nil; i++ {
		request := "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
		if i%4 == 3 {
			request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(c, request); err != nil {
			a.note(err)
			return
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			a.note(err)
			return
		}
		_, err = io.Copy(io.Discard, res.Body)
		if err == nil && res.StatusCode != 200 {
			err = fmt.Errorf("got %s", res.Status)
		}
		if a.note(err); res.Close {
			a.closed.Add(1)
			return
		}
	}
}

// run asks on 33 connections until stop is called. One speaks HTTP/2, where clients
// are told which requests were not begun, and are expected to send those again (RFC
// 9113 section 6.8). The others cannot send anything twice.
func (a *asker) run(d *dynasty) (stop func()) {
	ctx, cancel := context.WithCancel(d.t.Context())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: 20 * time.Second}
	newer := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}, Timeout: 20 * time.Second}
	newer.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	again := func() io.Reader { return strings.NewReader("body") }
	once := func() io.Reader { return io.MultiReader(again()) }
	var wg sync.WaitGroup
	for i := range 16 {
		if i < 4 {
			wg.Go(func() { a.byLibrary(ctx, newer, d.url, again) })
		}
		wg.Go(func() { a.byLibrary(ctx, client, d.url, once) })
		wg.Go(func() { a.byHand(ctx, strings.TrimPrefix(d.url, "http://")) })
	}
	return func() { cancel(); wg.Wait(); client.CloseIdleConnections(); newer.CloseIdleConnections() }
}

// reach waits until so many requests were sent.
func (a *asker) reach(t *testing.T, n int64) {
	t.Helper()
	await(t, fmt.Sprint(n, " requests"), func() bool { return a.sent.Load() >= n })
}

// answering asks the admin listener again and again, each time on a new connection.
func (a *asker) answering(d *dynasty) (stop func()) {
	ctx, cancel := context.WithCancel(d.t.Context())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			res, err := client.Get("http://" + d.admin + "/healthz")
			if err == nil {
				res.Body.Close()
			}
			a.note(err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

func echoBody(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(w, r.Body)
	fmt.Fprintln(w, "here")
}

func TestDivvyIsReplacedTwiceUnderLoadAndNothingIsLost(t *testing.T) {
	t.Parallel()
	d := newDynasty(t, echoBody, "h2c = true\ntimeouts.shutdown = \"5s\"")
	d.start()
	requests := d.replacedTwice(2000, 4000, 10_000)
	if n := requests.closed.Load(); n < 32 { // more if one was opened when all that were there had been told
		t.Errorf("%d of 32 connections by hand ended with an answer that says so", n)
	}
}

// replacedTwice replaces it under load: after so many requests, and after so many
// more again, until there were all. Then it ends; no request may have failed, neither of
// clients, which are returned, nor of operators.
func (d *dynasty) replacedTwice(first, each, all int64) (requests *asker) {
	d.t.Helper()
	requests, operators := new(asker), new(asker)
	stop, stopOperators := requests.run(d), operators.answering(d)
	requests.reach(d.t, first)
	for range 2 {
		n := requests.sent.Load()
		d.replace()
		requests.reach(d.t, n+each)
	}
	requests.reach(d.t, all)
	stop()
	stopOperators()
	d.left()
	d.end()
	for who, a := range map[string]*asker{"clients": requests, "operators": operators} {
		if len(a.failed) > 0 {
			d.t.Errorf("%d of %d requests of %s failed, the first with: %s", len(a.failed), a.sent.Load(), who, a.failed[0])
		}
	}
	d.t.Logf("%d requests, %d of operators", requests.sent.Load(), operators.sent.Load())
	return requests
}

// What is under way when divvy is replaced is finished by the old one.
func TestWhatIsInFlightIsFinishedByTheOneThatBeganIt(t *testing.T) {
	t.Parallel()
	got, finish := make(chan bool, 1), make(chan bool)
	stop := sync.OnceFunc(func() { close(finish) })
	t.Cleanup(stop)
	d := newDynasty(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			got <- true
			<-finish
		}
		fmt.Fprintln(w, "here")
	}, "")
	d.start()
	answer := make(chan string, 1)
	go func() { answer <- fetch(d.url+"/slow", nil) }()
	receive(t, got)
	d.replace()
	if got := d.get(); got != "200 OK\nhere\n" {
		t.Errorf("the new one answers %q", got)
	}
	stop()
	if got := receive(t, answer); got != "200 OK\nhere\n" {
		t.Errorf("what was under way got %q", got)
	}
	d.left()
	d.end()
}

func TestANewProgramThatIsBrokenLeavesTheOldOneServing(t *testing.T) {
	t.Parallel()
	d := newDynasty(t, echoBody, "timeouts.replace = \"2s\"")
	d.start()
	f := func(script, want string) {
		t.Helper()
		next := filepath.Join(d.dir, "next")
		d.must(os.WriteFile(next, []byte("#!/bin/sh\n"+script+"\n"), 0o700))
		d.must(os.Rename(next, d.file))
		d.replacedInVain(want)
		if got := d.get(); got != "200 OK\nhere\n" {
			t.Errorf("%s: got %q", script, got)
		}
	}
	f("exit 1", `err="the new program: exit status 1"`)
	f("exec sleep 1000", `err="the new program: not ready within timeouts.replace, 2s"`)
	f("echo it is too old >&$DIVVY_REPLACES; exec sleep 1000", `err="the new program: not ready within timeouts.replace, 2s: it is too old"`)
}

func TestTheNewOneSaysWhatIsWrongWithItsConfiguration(t *testing.T) {
	t.Parallel()
	d := newDynasty(t, echoBody, "")
	d.start()
	d.write("[server]\nhttp = \"nowhere\"\n")
	d.replacedInVain(`err="the new program: exit status 1: divvy.toml:2: server.http:`)
	if got := d.get(); got != "200 OK\nhere\n" {
		t.Errorf("got %q", got)
	}
	d.end()
}

// manager is what systemd is to a process that it has started.
type manager struct {
	conn *net.UnixConn
	said bytes.Buffer
}

func newManager(t *testing.T, path string) *manager {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &manager{conn: c}
}

// hears waits until the process has said something.
func (m *manager) hears(t *testing.T, want string) {
	t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for buf := make([]byte, 1024); !strings.Contains(m.said.String(), want); {
		n, err := m.conn.Read(buf)
		if err != nil {
			t.Fatalf("heard %q, want %q: %v", m.said.String(), want, err)
		}
		m.said.Write(append(buf[:n:n], '\n'))
	}
}

func TestDivvyTakesTheSocketsOfSystemdAndTellsItHowItIs(t *testing.T) {
	t.Parallel()
	d := newDynasty(t, echoBody, `listener = [{ address = "systemd:web" }, { address = "unix:SOCKET" }]`)
	path := filepath.Join(d.dir, "s")
	config, err := os.ReadFile(filepath.Join(d.dir, "divvy.toml"))
	d.must(err)
	d.write(strings.ReplaceAll(string(config), "SOCKET", path))
	var files []*os.File
	web, err := net.Listen("tcp", "127.0.0.1:0")
	d.must(err)
	unix, err := net.Listen("unix", path)
	d.must(err)
	for _, l := range []any{web, unix} {
		f, err := l.(interface{ File() (*os.File, error) }).File()
		d.must(err)
		files = append(files, f)
	}
	m := newManager(t, filepath.Join(d.dir, "notify"))
	d.start(func(cmd *exec.Cmd) {
		args := append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, cmd.Args...)
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh"}, args...)
		cmd.ExtraFiles = files
		cmd.Env = append(cmd.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=web:file", "NOTIFY_SOCKET="+filepath.Join(d.dir, "notify"))
	})
	url := "http://" + web.Addr().String()
	web.Close()
	all := func() {
		t.Helper()
		for _, at := range []string{d.url, url} {
			if got := fetch(at, nil); got != "200 OK\nhere\n" {
				t.Errorf("%s: got %q", at, got)
			}
		}
		if got := fetchUnix(path); got != "200 OK" {
			t.Errorf("%s: got %q", path, got)
		}
	}
	m.hears(t, fmt.Sprintf("MAINPID=%d\nREADY=1", d.first.Process.Pid))
	all()
	d.signal(syscall.SIGHUP)
	m.hears(t, "RELOADING=1\nREADY=1")
	d.replace()
	pid, _ := d.reigning()
	m.hears(t, fmt.Sprintf("MAINPID=%d\nREADY=1", pid))
	d.left()
	all()
	d.end()
	m.hears(t, "STOPPING=1")
	if strings.Count(m.said.String(), "STOPPING=1") != 1 {
		t.Errorf("heard %q", m.said.String())
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file of systemd's socket: %v", err)
	}
}

// fetchUnix returns the status of an answer over a unix socket.
func fetchUnix(path string) string {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("unix", path)
		},
	}}
	res, err := client.Get("http://h/")
	if err != nil {
		return err.Error()
	}
	res.Body.Close()
	return res.Status
}

// A manager of services tells all processes of one to end, and does not wait long.
func TestOneThatWasReplacedEndsAtOnceWhenItIsTold(t *testing.T) {
	t.Parallel()
	d := newDynasty(t, echoBody, `timeouts.shutdown = "10m"`)
	d.start()
	c, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	d.must(err)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	d.must(err)
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	d.must(err)
	_, err = io.Copy(io.Discard, res.Body)
	d.must(err)
	d.replace()
	d.must(d.first.Process.Signal(syscall.SIGTERM))
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection got %v", err)
	}
	d.left()
	d.end()
}
