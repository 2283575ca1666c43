package docker

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/events"
)

// fakeEngine is the far end: a server on a local socket that answers what a real
// engine has answered once (testdata/engine, written by TestRecord), sends
// events on command, and fails in all the ways that engines do.
type fakeEngine struct {
	socket string
	server *http.Server
	events chan events.Message // what is sent here goes to the event stream
	cut    chan struct{}       // ends the event stream

	mu       sync.Mutex
	version  string            // of the API
	answers  map[string][]byte // by path without the version
	faults   map[string]http.HandlerFunc
	requests []*http.Request
}

func newFakeEngine(t testing.TB) *fakeEngine {
	t.Helper()
	e := &fakeEngine{
		socket:  filepath.Join(t.TempDir(), "docker.sock"),
		events:  make(chan events.Message),
		cut:     make(chan struct{}),
		version: "1.41",
		answers: map[string][]byte{},
		faults:  map[string]http.HandlerFunc{},
	}
	e.load(t, "engine")
	e.start(t)
	t.Cleanup(e.stop)
	return e
}

// load has the engine answer what is recorded in a folder of testdata. Of what
// ran before nothing is left.
func (e *fakeEngine) load(t testing.TB, dir string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.answers, func(path string, _ []byte) bool { return strings.HasPrefix(path, "/containers/") })
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no recorded answers", err)
	}
	for _, file := range files {
		answer, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var object struct{ ID string }
		_ = json.Unmarshal(answer, &object) // not every answer is an object
		kind, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		switch kind {
		case "container", "image":
			e.answers["/"+kind+"s/"+object.ID+"/json"] = answer
		case "containers":
			e.answers["/containers/json"] = answer
		default:
			e.answers["/"+kind] = answer
		}
	}
}

func (e *fakeEngine) start(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("unix", e.socket)
	if err != nil {
		t.Fatal(err)
	}
	e.server = &http.Server{Handler: e}
	go e.server.Serve(listener)
}

// stop is the end of the engine: every connection breaks.
func (e *fakeEngine) stop() { e.server.Close() }

func (e *fakeEngine) client(t testing.TB) *Client {
	t.Helper()
	c, err := Connect(Host{Endpoint: "unix://" + e.socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// breaks makes the engine do f instead of answering at path; nil mends it.
func (e *fakeEngine) breaks(path string, f http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults[path] = f
}

func (e *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		path = path[strings.Index(path[1:], "/")+1:]
	}
	e.mu.Lock()
	e.requests = append(e.requests, r)
	answer, known := e.answers[path]
	fault := e.faults[path]
	version := e.version
	e.mu.Unlock()

	w.Header().Set("Api-Version", version)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case fault != nil:
		fault(w, r)
	case path == "/_ping":
		w.WriteHeader(http.StatusOK)
	case !strings.HasPrefix(r.URL.Path, "/v"+version+"/"):
		refuse(w, http.StatusBadRequest, "client version is too old")
	case path == "/events":
		e.stream(w, r)
	case !known:
		refuse(w, http.StatusNotFound, "No such container")
	default:
		_, _ = w.Write(answer)
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func (e *fakeEngine) stream(w http.ResponseWriter, r *http.Request) {
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for {
		select {
		case m := <-e.events:
			_ = json.NewEncoder(w).Encode(m)
			_ = flush.Flush()
		case <-e.cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// asked returns the requests for path.
func (e *fakeEngine) asked(path string) []*http.Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := slices.Clone(e.requests)
	return slices.DeleteFunc(all, func(r *http.Request) bool { return !strings.HasSuffix(r.URL.Path, path) })
}

// recordedEvents returns the events that the real engine has sent.
func (e *fakeEngine) recordedEvents(t *testing.T) []events.Message {
	t.Helper()
	var all []events.Message
	if err := json.Unmarshal(e.answers["/events"], &all); err != nil {
		t.Fatal(err)
	}
	return all
}
