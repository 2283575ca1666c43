package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"divvy/backends/docker"
	"divvy/cmd/internal/config"
)

// life is a service of two backends under load, to which things happen.
type life struct {
	*town
	t       *testing.T
	env     map[string]string
	kind    string // of application
	network string
	ids     []string
	made    int
	log     *locked
}

// lifeClients is how many keep-alive clients there are; each fourth sends POST.
// After enough requests of theirs it is the next event's turn.
const (
	lifeClients = 32
	enough      = 1000
)

// newLives returns a life for each kind of application.
func newLives(t *testing.T) []*life {
	return []*life{
		newLife(t, "ends what it has begun", map[string]string{"DELAY": "5ms"}),
		newLife(t, "does not", map[string]string{"DELAY": "5ms", "ABRUPT": "1"}),
	}
}

func newLife(t *testing.T, kind string, env map[string]string) *life {
	l := &life{town: newTown(t), t: t, kind: kind, env: env, log: new(locked)}
	l.image(t, "v1", "v1")
	var err error
	if l.network, err = l.Network(t.Context(), "life"); err != nil {
		t.Fatal(err)
	}
	l.add()
	l.add()
	c := l.config(func(s *config.Service) { s.Network = l.network })
	l.program = startLogging(t, c, l.seen, io.MultiWriter(testWriter{t}, l.log))
	l.url = "http://" + l.program.server.Addr().String()
	l.await(2)
	return l
}

// add starts one more backend.
func (l *life) add() {
	l.t.Helper()
	l.made++
	id, err := l.Container(l.t.Context(), docker.ContainerSpec{
		Image: l.Repository() + ":v1", Name: fmt.Sprint("b", l.made), Env: l.env, Networks: []string{l.network},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.ids = append(l.ids, id)
}

func (l *life) await(ready int) {
	l.t.Helper()
	await(l.t, fmt.Sprint(ready, " backends"), func() bool { return l.ready() == ready })
}

// must fails the test with an error.
func (l *life) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// for a while there is traffic.
func (l *life) forAWhile() {
	l.t.Helper()
	n := l.seen.count()
	await(l.t, "traffic", func() bool { return l.seen.count() > n+enough })
}

// tally is what became of the requests of a case.
type tally struct {
	mu                sync.Mutex
	gets, posts       int
	failGET, failPOST []string
}

// load sends requests until stop is called.
func (l *life) load() (stop func() *tally) {
	ctx, cancel := context.WithCancel(l.t.Context())
	client := newClient(l.t)
	var wg sync.WaitGroup
	sum := &tally{}
	for i := range lifeClients {
		method := http.MethodGet
		if i%4 == 3 {
			method = http.MethodPost
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				sum.count(method, once(client, method, l.url))
			}
		})
	}
	return func() *tally {
		cancel()
		wg.Wait()
		return sum
	}
}

func (s *tally) count(method, fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, failed := &s.gets, &s.failGET
	if method == http.MethodPost {
		n, failed = &s.posts, &s.failPOST
	}
	*n++
	if fault != "" {
		*failed = append(*failed, fault)
	}
}

// once sends one request and returns what went wrong, "" for nothing.
func once(client *http.Client, method, url string) string {
	req, err := http.NewRequest(method, url, strings.NewReader("body"))
	if err != nil {
		return err.Error()
	}
	res, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err.Error()
	case res.StatusCode != http.StatusOK:
		line, _, _ := strings.Cut(string(text), "\nrequest ")
		return res.Status + ": " + strings.TrimSpace(line)
	}
	return ""
}

// happening is what may happen to a version that has two containers.
type happening struct {
	name     string
	do       func(l *life)
	harmless bool // not even a POST is lost
}

// happenings are those that each engine knows.
var happenings = []happening{
	{name: "stop and start", do: func(l *life) {
		l.must(l.Stop(l.t.Context(), l.ids[0], 10*time.Second))
		l.forAWhile()
		l.must(l.Start(l.t.Context(), l.ids[0]))
		l.await(2)
	}},
	{name: "restart", do: func(l *life) {
		l.must(l.Restart(l.t.Context(), l.ids[0], 10*time.Second))
		l.await(2)
	}},
	{name: "pause and unpause", do: func(l *life) {
		l.must(l.Pause(l.t.Context(), l.ids[0]))
		l.forAWhile()
		l.must(l.Unpause(l.t.Context(), l.ids[0]))
		l.await(2)
	}},
	{name: "kill -9", do: func(l *life) {
		l.must(l.Kill(l.t.Context(), l.ids[0], "KILL"))
		l.forAWhile()
		l.must(l.Start(l.t.Context(), l.ids[0]))
		l.await(2)
	}},
	{name: "replace both, one by one", do: func(l *life) {
		for i := range 2 {
			l.add()
			l.await(3)
			l.must(l.Stop(l.t.Context(), l.ids[i], 10*time.Second))
			l.await(2)
		}
	}},
	{name: "disconnect from the network", do: func(l *life) {
		l.must(l.Disconnect(l.t.Context(), l.network, l.ids[0]))
		l.forAWhile()
		l.must(l.Connect(l.t.Context(), l.network, l.ids[0]))
		l.await(2)
	}},
}

// TestTheLifeOfAContainerUnderLoad prints, with -v, what became of the requests
// while things happened to one of two backends. Nothing that may be sent again is
// ever lost. What may not be, a POST that was under way, is lost only by an
// application that does not end what it has begun, or is not let.
func TestTheLifeOfAContainerUnderLoad(t *testing.T) {
	t.Parallel()
	lives := newLives(t)
	happen(t, lives, happenings)
	t.Log(lastRequests(t, lives[0]))
}

// happen lets all of it happen to each life, and prints what became of the
// requests.
func happen(t *testing.T, lives []*life, all []happening) {
	t.Helper()
	var table strings.Builder
	fmt.Fprintf(&table, "\n| what happens | application | GET sent | failed | POST sent | failed |\n|---|---|--:|--:|--:|--:|\n")
	for _, h := range all {
		for _, l := range lives {
			sum := l.through(h)
			fmt.Fprintf(&table, "| %s | %s | %d | %d | %d | %d |\n", h.name, l.kind, sum.gets, len(sum.failGET), sum.posts, len(sum.failPOST))
			if len(sum.failGET) > 0 {
				t.Errorf("%s, the application %s: %d of %d GET failed, the first with: %s", h.name, l.kind, len(sum.failGET), sum.gets, sum.failGET[0])
			}
			if h.harmless && len(sum.failPOST) > 0 {
				t.Errorf("%s, the application %s: %d of %d POST failed", h.name, l.kind, len(sum.failPOST), sum.posts)
			}
			for _, f := range slices.Compact(slices.Sorted(slices.Values(sum.failPOST))) {
				t.Logf("%s, the application %s: a POST failed with: %s", h.name, l.kind, f)
			}
		}
	}
	t.Log(table.String())
}

// through lets h happen under load.
func (l *life) through(h happening) *tally {
	l.seen.forget()
	stop := l.load()
	l.forAWhile()
	h.do(l)
	l.forAWhile()
	l.ids = l.ids[len(l.ids)-2:]
	return stop()
}

// lastRequests measures how long after the engine's kill event the last request
// began on the container that is stopped.
func lastRequests(t *testing.T, l *life) string {
	client, err := docker.Connect(docker.Host{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	killed := make(chan docker.Event, 64)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	opened := make(chan struct{})
	go func() {
		_ = client.Watch(ctx, docker.Subscription{
			Since: time.Now(), Opened: func() { close(opened) },
			Handle: func(e docker.Event) {
				if e.Action == "kill" {
					killed <- e
				}
			},
		})
	}()
	<-opened
	var lags []time.Duration
	stops := 3
	if testing.Verbose() {
		stops = 11 // so that the median says something
	}
	for range stops {
		l.seen.forget()
		load := l.load()
		l.forAWhile()
		id := l.ids[0]
		l.must(l.Stop(ctx, id, 10*time.Second))
		e := <-killed
		for e.Container != id {
			e = <-killed
		}
		l.forAWhile()
		load()
		var last time.Time
		for _, o := range l.seen.observations() {
			if o.Container == id && o.Start.After(last) {
				last = o.Start
			}
		}
		lags = append(lags, max(0, last.Sub(e.At)))
		l.must(l.Start(ctx, id))
		l.await(2)
	}
	slices.Sort(lags)
	return fmt.Sprintf("from the kill event to the last new request: median %v, most %v", lags[len(lags)/2], lags[len(lags)-1])
}
