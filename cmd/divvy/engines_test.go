package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/config"
)

// enginesAtWork runs engines of which none is there, in a world where time
// passes only when all wait. The story gets how often something changed.
func enginesAtWork(t *testing.T, story func(e *engines, log *bytes.Buffer, changed *atomic.Int64), names ...string) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, changed := new(bytes.Buffer), new(atomic.Int64)
		e := &engines{
			log: slog.New(slog.NewTextHandler(log, nil)), changed: func() { changed.Add(1) },
			stopping: func(string, string) {}, wake: make(chan struct{}, 1), key: newKey(),
		}
		c := config.Docker{Enabled: true}
		for _, name := range names {
			c.Hosts = append(c.Hosts, docker.Host{Name: name, Endpoint: "unix:///nowhere/" + name})
		}
		commit, _, err := e.prepare(c)
		if err != nil {
			t.Fatal(err)
		}
		commit()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		synctest.Wait()
		story(e, log, changed)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// runs has an engine list these containers.
func (e *engines) runs(w *engine, ids ...string) {
	var all []docker.Container
	for _, id := range ids {
		all = append(all, docker.Container{ID: id, Name: id, Version: backends.Version{Tag: "v1"}})
	}
	inventory{e, w}.Replace(w.host.Name, all)
}

// runningNow returns the containers that are known, by host.
func (e *engines) runningNow() string {
	var all []string
	for _, h := range e.hosts() {
		for _, c := range h.Containers {
			all = append(all, h.Name+"/"+c.ID)
		}
	}
	return strings.Join(all, " ")
}

func TestAHostThatNobodyReachesIsWaitedForAMinute(t *testing.T) {
	enginesAtWork(t, func(e *engines, _ *bytes.Buffer, changed *atomic.Int64) {
		e.watched[0].vantage = func(context.Context) (docker.Vantage, error) { return docker.Vantage{}, nil }
		e.runs(e.watched[0], "c1")
		time.Sleep(59 * time.Second)
		if e.known() || e.runningNow() != "a/c1" {
			t.Errorf("all is known: %v, though one host is not; %s runs", e.known(), e.runningNow())
		}
		before := changed.Load()
		time.Sleep(2 * time.Second)
		if !e.known() || changed.Load() == before {
			t.Errorf("a minute later all is known: %v, told %v", e.known(), changed.Load() > before)
		}
	}, "a", "b")
}

func TestAHostThatHangsHoldsUpNoOther(t *testing.T) {
	enginesAtWork(t, func(e *engines, log *bytes.Buffer, _ *atomic.Int64) {
		var asked atomic.Int64
		var hangs atomic.Bool
		hangs.Store(true)
		e.watched[0].vantage = func(ctx context.Context) (docker.Vantage, error) {
			if asked.Add(1); !hangs.Load() {
				return docker.Vantage{}, nil
			}
			<-ctx.Done()
			return docker.Vantage{}, errors.New("it hangs")
		}
		e.watched[1].vantage = func(context.Context) (docker.Vantage, error) { return docker.Vantage{}, nil }
		e.runs(e.watched[0], "c1")
		e.runs(e.watched[1], "c2")
		synctest.Wait()
		if got := e.runningNow(); got != "b/c2" {
			t.Errorf("%s is known at once, want b/c2", got)
		}
		for range 10 * 60 {
			time.Sleep(time.Second)
			e.runs(e.watched[1], "c3")
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "finding out where divvy stands"); asked.Load() > 30 || n != 1 {
			t.Errorf("asked %d times in ten minutes, and told of it %d times", asked.Load(), n)
		}
		hangs.Store(false)
		time.Sleep(askMax)
		synctest.Wait()
		if got := e.runningNow(); got != "a/c1 b/c3" {
			t.Errorf("%s is known in the end", got)
		}

		// One that is known is believed without an answer, at most once late.
		hangs.Store(true)
		e.runs(e.watched[0], "c4")
		time.Sleep(vantageTime)
		e.runs(e.watched[0], "c5")
		synctest.Wait()
		if got := e.runningNow(); got != "a/c5 b/c3" {
			t.Errorf("%s is known of hosts that were", got)
		}
	}, "a", "b")
}

func TestAnotherNameOrEndpointForgetsNothing(t *testing.T) {
	t.Parallel()
	f := func(next []docker.Host, want string) {
		t.Helper()
		e := &engines{log: slog.New(slog.DiscardHandler), key: newKey(), wake: make(chan struct{}, 1)}
		watch := func(hosts ...docker.Host) {
			commit, _, err := e.prepare(config.Docker{Enabled: len(hosts) > 0, Hosts: hosts})
			if err != nil {
				t.Fatal(err)
			}
			commit()
		}
		watch(docker.Host{Name: "a", Endpoint: "unix:///a"}, docker.Host{Name: "b", Endpoint: "unix:///b"})
		for i, id := range []string{"c1", "c2"} {
			e.runs(e.watched[i], id)
			e.take(e.watched[i])
		}
		watch(next...)
		if got := e.runningNow(); got != want {
			t.Errorf("after %+v %q runs, want %q", next, got, want)
		}
		for _, w := range e.watched {
			e.runs(w, "c1")
			e.take(w)
		}
		if got := e.runningNow(); strings.Contains(got, "c2") {
			t.Errorf("after %+v was listed, %q runs", next, got)
		}
	}
	host := func(name, endpoint string) docker.Host {
		return docker.Host{Name: name, Endpoint: "unix:///" + endpoint}
	}
	f([]docker.Host{host("a", "a"), host("c", "b")}, "a/c1 c/c2")
	f([]docker.Host{host("a", "a"), host("b", "c")}, "a/c1 b/c2")
	f([]docker.Host{host("b", "a"), host("a", "b")}, "b/c1 a/c2") // the endpoint counts more
	f([]docker.Host{host("a", "a"), host("c", "c")}, "a/c1 b/c2") // until it is listed
	f([]docker.Host{host("c", "c")}, "a/c1 b/c2")
	f([]docker.Host{host("a", "a")}, "a/c1")
	f(nil, "")
}
