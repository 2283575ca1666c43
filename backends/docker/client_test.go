package docker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
)

// A relay before the engine's socket that lets nothing else through must do.
func TestClientUsesOnlyWhatItSays(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	c := e.client(t)
	if _, err := c.Vantage(t.Context()); err != nil {
		t.Fatal(err)
	}
	book := newLedger()
	watch(t, &Watcher{Daemon: c, Inventory: book})
	book.await(t, "the first list", func() bool { return book.replacements() > 0 })

	for _, r := range e.asked("") {
		get := r.Method == http.MethodGet || r.Method == http.MethodHead && r.URL.Path == "/_ping"
		if !get || !allowed.MatchString(r.URL.Path) {
			t.Errorf("the client asked for %s %s", r.Method, r.URL.Path)
		}
		if agent := r.Header.Get("User-Agent"); agent != "divvy" {
			t.Errorf("the client calls itself %q", agent)
		}
	}
	// Only those started by digest or ID have names to look for.
	images := slices.DeleteFunc(e.asked("/json"), func(r *http.Request) bool { return !strings.Contains(r.URL.Path, "/images/") })
	if len(images) != 2 {
		t.Errorf("%d images were inspected, want 2", len(images))
	}
}

func TestClientTellsGoneFromBroken(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	c := e.client(t)
	if _, err := c.Inspect(t.Context(), "0123456789abcdef"); !errors.Is(err, ErrGone) || !strings.HasPrefix(err.Error(), "container 0123456789ab: ") {
		t.Errorf("got %v, want ErrGone", err)
	}
	list, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := list[0].ID
	e.breaks("/containers/"+id+"/json", func(w http.ResponseWriter, r *http.Request) { refuse(w, http.StatusForbidden, "not for you") })
	if _, err := c.Inspect(t.Context(), id); err == nil || errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "not for you") {
		t.Errorf("got %v, want what the engine said", err)
	}
}

func TestClientFindsNoTagOnAnImageThatIsGone(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	for path := range e.answers {
		if strings.HasPrefix(path, "/images/") {
			delete(e.answers, path)
		}
	}
	c := e.client(t)
	list, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(s Summary) bool { return s.Names == "/shop-by-id" })
	found, err := c.Inspect(t.Context(), list[i].ID)
	if v := found.Version; err != nil || v.Repository != "" || v.Tag != digits(v.ImageID)[:12] {
		t.Errorf("version is %+v, %v; want the beginning of the ID", v, err)
	}
}

func TestClientRefusesBrokenLists(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	c := e.client(t)
	whole := e.answers["/containers/json"]
	f := func(fault http.HandlerFunc) {
		t.Helper()
		e.breaks("/containers/json", fault)
		if list, err := c.List(t.Context()); err == nil {
			t.Errorf("got %d containers, want an error", len(list))
		}
	}
	f(func(w http.ResponseWriter, r *http.Request) { refuse(w, http.StatusInternalServerError, "no") })
	f(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(whole[:len(whole)/2]) })
	f(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(whole[:len(whole)/2])
		panic(http.ErrAbortHandler) // the connection breaks
	})
	f(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "<html>Bad gateway</html>") })

	e.breaks("/containers/json", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := c.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v from an engine that hangs, want DeadlineExceeded", err)
	}

	e.breaks("/containers/json", nil)
	if list, err := c.List(t.Context()); err != nil || len(list) != 8 {
		t.Errorf("got %d containers, %v; want 8", len(list), err)
	}
}

// subscribe watches until the stream ends, and returns channels for what comes.
func subscribe(ctx context.Context, c *Client, since time.Time) (opened chan struct{}, heard chan Event, ended chan error) {
	opened, heard, ended = make(chan struct{}), make(chan Event, 100), make(chan error, 1)
	go func() {
		ended <- c.Watch(ctx, Subscription{
			Since:  since,
			Opened: func() { close(opened) },
			Handle: func(e Event) { heard <- e },
		})
	}()
	return opened, heard, ended
}

func TestClientWatches(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	since := time.Unix(1700000000, 5)
	opened, heard, ended := subscribe(t.Context(), e.client(t), since)
	<-opened
	recorded := e.recordedEvents(t)
	for _, m := range recorded {
		e.events <- m
	}
	for _, m := range recorded {
		if got, want := <-heard, decodeEvent(&m); got != want {
			t.Errorf("heard %+v, want %+v", got, want)
		}
	}
	e.cut <- struct{}{}
	if err := <-ended; err == nil || !strings.HasSuffix(err.Error(), "the engine closed it") {
		t.Errorf("ended with %v", err)
	}

	query := e.asked("/events")[0].URL.Query()
	if got := query.Get("since"); got != "1700000000.000000005" {
		t.Errorf("asked for events since %s", got)
	}
	for _, word := range []string{"kill", "die", "start", "health_status", "disconnect", "container", "network"} {
		if !strings.Contains(query.Get("filters"), `"`+word+`":true`) {
			t.Errorf("did not ask for %s: %s", word, query.Get("filters"))
		}
	}
	if n := strings.Count(query.Get("filters"), "exec"); n != 1 {
		t.Errorf("asked for %d events of each run of a health check, want one: %s", n, query.Get("filters"))
	}
}

func TestClientWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	ctx, stop := context.WithCancel(t.Context())
	opened, _, ended := subscribe(ctx, e.client(t), time.Time{})
	<-opened
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

// An engine that is upgraded may no longer know the version that was agreed on.
func TestClientAgreesOnTheVersionAnew(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	c := e.client(t)
	if _, err := c.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	e.version = "1.44"
	e.mu.Unlock()
	if _, err := c.List(t.Context()); err == nil {
		t.Fatal("the engine still accepts the old version")
	}
	opened, _, _ := subscribe(t.Context(), c, time.Time{})
	<-opened
	if _, err := c.List(t.Context()); err != nil {
		t.Errorf("after the stream was opened again: %v", err)
	}
}

func TestWatcherWithRecordedEngine(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	book := newLedger()
	w := &Watcher{Host: "h1", Daemon: e.client(t), Inventory: book}
	watch(t, w)
	book.await(t, "the first list", func() bool { return book.replacements() == 1 })
	all := "replace shop-by-digest shop-by-id shop-checked shop-host shop-networks shop-new shop-old shop-paused"
	if got := book.take(); len(got) != 1 || got[0] != all {
		t.Errorf("was told %q, want %q", got, all)
	}

	// While the engine does not answer lists, the stop signal is told.
	busy := make(chan struct{})
	e.breaks("/containers/json", func(w http.ResponseWriter, r *http.Request) {
		<-busy
		_, _ = w.Write(e.answers["/containers/json"])
	})
	recorded := e.recordedEvents(t)
	kill := recorded[slices.IndexFunc(recorded, func(m events.Message) bool { return m.Action == "kill" })]
	e.events <- kill
	told := "stopping " + kill.Actor.ID + ": stop signal 3 was sent"
	book.await(t, "the stop signal", func() bool { return book.heard(told) })
	close(busy)
	book.await(t, "the list after it", func() bool { return book.replacements() == 2 })
	if got := book.take(); len(got) != 2 || got[0] != told {
		t.Errorf("was told %q, want the signal before the list", got)
	}

	// The engine ends and comes back. What is asked for are the events since
	// the last one.
	e.stop()
	book.mu.Lock()
	n := book.replaced
	book.mu.Unlock()
	e.start(t)
	book.await(t, "a list of the engine that came back", func() bool { return book.replacements() > n })
	requests := e.asked("/events")
	if got, want := requests[len(requests)-1].URL.Query().Get("since"), timestamp(time.Unix(0, kill.TimeNano)); got != want {
		t.Errorf("asked for the events since %s, want %s", got, want)
	}
	if s := w.Status(); !s.Up || s.Errors == 0 {
		t.Errorf("status is %+v", s)
	}
}
