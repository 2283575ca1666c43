package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// listing is an answer of the engine: "C /etc", "A /etc/app", "D /bin".
func listing(lines ...string) string {
	var all []container.FilesystemChange
	for _, line := range lines {
		kind := strings.Index("CAD", line[:1])
		all = append(all, container.FilesystemChange{Kind: container.ChangeType(kind), Path: line[2:]})
	}
	text, _ := json.Marshal(all)
	return string(text)
}

func TestWhatCountsAsAChange(t *testing.T) {
	t.Parallel()
	f := func(want string, lines ...string) {
		t.Helper()
		list, whole, err := decodeChanges(strings.NewReader(listing(lines...)), maxListing)
		if err != nil || !whole {
			t.Fatal(whole, err)
		}
		folder := func(p string) (folder, known bool) {
			return strings.HasSuffix(p, "folder"), !strings.HasSuffix(p, "secret")
		}
		var got []string
		e := evidence(list, Ignore{"/var/log", "*.pid"}, folder)
		for _, c := range e.Found {
			got = append(got, c.String())
		}
		for _, c := range e.Unsure {
			got = append(got, c.String()+"?")
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%q: got %q, want %q", lines, got, want)
		}
	}
	f("")
	f("changed /app/a, added /app/b, deleted /bin/sh", "C /app", "A /app/b", "C /app/a", "C /bin", "D /bin/sh")
	f("", "C /var", "C /var/log", "A /var/log/app", "A /app.pid")
	// A folder is listed when something in it has changed, and when something
	// was there that is gone again.
	f("", "C /app", "C /app/folder")
	f("changed /app", "C /app")
	f("added /app/folder", "C /app", "A /app/folder")
	f("added /a/b/c", "A /a/b/c", "A /a/b", "A /a") // in any order
	f("", "C /")
	f("added /a/secret, changed /b/secret?", "A /a/secret", "C /b/secret") // what was added or deleted is no matter of what it is
	f(`added "/a\nb"`, "A /a\nb")
}

func TestListsOfAnyLengthAreRead(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("A /app/%04d", i))
	}
	whole := listing(lines...)
	for _, limit := range []int{1, 2, 100, 10_000, len(whole) - 1} {
		list, all, err := decodeChanges(strings.NewReader(whole), int64(limit))
		if err != nil || all || len(list) > limit/20 {
			t.Errorf("up to %d bytes: %d changes, all of them is %v, %v", limit, len(list), all, err)
		}
	}
	list, all, err := decodeChanges(strings.NewReader(whole), int64(len(whole)))
	if len(list) != 1000 || !all || err != nil {
		t.Errorf("%d changes, all of them is %v, %v", len(list), all, err)
	}
	for _, bad := range []string{"", "{}", "[", `[{"Path": 1}]`, `[{"Path": "/a"`} {
		if _, _, err := decodeChanges(strings.NewReader(bad), maxListing); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	if list, all, err := decodeChanges(strings.NewReader("null"), maxListing); list != nil || !all || err != nil {
		t.Errorf("null is %v, %v, %v", list, all, err)
	}
}

func TestClientReadsChanges(t *testing.T) {
	t.Parallel()
	e := newFakeEngine(t)
	c := e.client(t)
	e.breaks("/containers/a/changes", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, listing("C /app", "C /etc", "C /etc/folder", "A /tmp/x"))
	})
	e.breaks("/containers/a/archive", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			t.Errorf("asked for files: %s", r.Method)
		}
		mode := "eyJtb2RlIjo0MjB9" // {"mode": 420}, a file
		if r.URL.Query().Get("path") == "/etc/folder" {
			mode = "eyJtb2RlIjoyMTQ3NDg0MTQxfQ==" // {"mode": 2147484141}, a folder
		}
		w.Header().Set("X-Docker-Container-Path-Stat", mode)
	})
	got, err := c.Changes(t.Context(), "a", Ignore{"/tmp"})
	if err != nil || fmt.Sprint(got) != fmt.Sprint(Changes{Found: []Change{{Path: "/app", Kind: "changed"}}}) {
		t.Errorf("got %+v, %v", got, err)
	}
	e.breaks("/containers/a/archive", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden) // as a proxy before the socket may answer
	})
	got, err = c.Changes(t.Context(), "a", Ignore{"/tmp", "/app"})
	if err != nil || fmt.Sprint(got) != fmt.Sprint(Changes{Unsure: []Change{{Path: "/etc/folder", Kind: "changed"}}}) {
		t.Errorf("got %+v, %v where it cannot be asked what is a folder", got, err)
	}
	if _, err := c.Changes(t.Context(), "b", nil); !errors.Is(err, ErrGone) {
		t.Errorf("got %v for a container that is gone", err)
	}
	e.breaks("/containers/a/changes", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusForbidden, "no") })
	if _, err := c.Changes(t.Context(), "a", nil); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("got %v from an engine that refuses", err)
	}
	e.breaks("/containers/a/changes", func(w http.ResponseWriter, _ *http.Request) {
		var lines []string
		for i := range 2 * maxChanges {
			lines = append(lines, fmt.Sprintf("A /app/%04d", i))
		}
		_, _ = io.WriteString(w, listing(lines...))
	})
	if got, err := c.Changes(t.Context(), "a", nil); err != nil || !got.Partial || len(got.Found) != maxChanges {
		t.Errorf("got %d changes, partial is %v, %v", len(got.Found), got.Partial, err)
	}
}

func TestNoMoreIsAskedThanIsWorthIt(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 2 * maxQuestions {
		lines = append(lines, fmt.Sprintf("C /app/%02d", i))
	}
	list, _, err := decodeChanges(strings.NewReader(listing(append(lines, "A /new")...)), maxListing)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	got := evidence(list, nil, func(string) (folder, known bool) { asked++; return true, true })
	if asked != maxQuestions || !got.Partial || len(got.Found) != 1 || len(got.Unsure) != 0 {
		t.Errorf("asked %d times for %+v", asked, got)
	}
}

func TestChangesAreReadByTheWayThatAllIs(t *testing.T) {
	t.Parallel()
	e, ours := newFakeEngine(t), newAuthority(t, "ca")
	e.breaks("/containers/a/changes", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, listing("A /app")) })
	plain := httptest.NewServer(e)
	t.Cleanup(plain.Close)
	secure := e.serveTLS(t, ours)
	ours.issue(t, "divvy", false)
	f := func(h Host) {
		t.Helper()
		c, err := Connect(h)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, err := c.Changes(t.Context(), "a", nil); err != nil || len(got.Found) != 1 {
			t.Errorf("%s: got %+v, %v", h.Endpoint, got, err)
		}
	}
	f(Host{Endpoint: "unix://" + e.socket})
	f(Host{Endpoint: plain.URL})
	f(Host{Endpoint: strings.Replace(plain.URL, "http", "tcp", 1)})
	certified := Host{CA: ours.path("ca"), Cert: ours.path("divvy"), Key: ours.path("divvy-key"), Endpoint: secure}
	f(certified)
	certified.Endpoint = strings.Replace(secure, "tcp", "https", 1)
	f(certified)
}

func TestAnEngineThatFallsSilentHoldsNothing(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c, err := Connect(Host{Endpoint: "https://" + silent.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if c.api, err = c.host.dial(); err != nil { // they have agreed on a version before
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	if _, err := c.Changes(ctx, "a", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(2 * dialTimeout))
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection is still open: %v", err)
	}
}
