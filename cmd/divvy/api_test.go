package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/config"
	"divvy/metrics"
	"divvy/router"
	"divvy/router/state"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// api is a running divvy whose API is asked, every question and answer checked
// against the document that it serves.
type api struct {
	*program
	t      *testing.T
	url    string
	routes routers.Router

	mu   sync.Mutex
	seen map[string]bool // "GET /path 200"
}

// openAPI runs a divvy with three versions of static backends.
func openAPI(t *testing.T, change func(*config.Config)) *api {
	t.Helper()
	c := quiet()
	c.Docker.Enabled = false
	s := config.Service{Config: router.Config{Name: "shop", Weights: map[string]int{"v1": 95, "v2": 5}}}
	for _, v := range []string{"v1", "v2", "v3"} {
		origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, v) }))
		t.Cleanup(origin.Close)
		s.Backends = append(s.Backends, config.Backend{Version: v, Address: origin.Listener.Addr().String()})
	}
	c.Services = []config.Service{s}
	if change != nil {
		change(c)
	}
	a := &api{t: t, program: start(t, c, metrics.Sinks{}), seen: map[string]bool{}}
	a.url = "http://" + a.admin.Addr()
	await(t, "the backends", func() bool {
		split, err := control{a.program}.Split("shop")
		return err == nil && len(split.Shares) == 3 && split.Shares[0].Share > 0
	})
	doc, err := openapi3.NewLoader().LoadFromData([]byte(a.raw("GET", "/api/v1/openapi.json", "")))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: a.url}}
	if a.routes, err = gorillamux.NewRouter(doc); err != nil {
		t.Fatal(err)
	}
	return a
}

// raw asks, and returns the answer's body.
func (a *api) raw(method, path, body string) string {
	a.t.Helper()
	_, text := a.do(a.request(method, path, body))
	return text
}

func (a *api) request(method, path, body string) *http.Request {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// do sends a request, and checks the answer against the document.
func (a *api) do(req *http.Request) (status int, text string) {
	a.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.routes != nil {
		a.check(req, res, data)
	}
	return res.StatusCode, string(data)
}

func (a *api) check(req *http.Request, res *http.Response, data []byte) {
	a.t.Helper()
	route, params, err := a.routes.FindRoute(req)
	if err != nil {
		if res.StatusCode != 404 && res.StatusCode != 405 {
			a.t.Errorf("%s %s is not in the document, and answers %d", req.Method, req.URL.Path, res.StatusCode)
		}
		return
	}
	a.mu.Lock()
	a.seen[fmt.Sprintf("%s %s %d", req.Method, route.Path, res.StatusCode)] = true
	a.mu.Unlock()
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(data)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		a.t.Errorf("%s %s: the answer is not what the document says: %v", req.Method, req.URL.Path, err)
	}
}

// expect asks, and fails unless the status is as wanted and the answer has the
// texts.
func (a *api) expect(method, path, body string, status int, texts ...string) string {
	a.t.Helper()
	got, text := a.do(a.request(method, path, body))
	if got != status {
		a.t.Errorf("%s %s %s: got %d, want %d: %s", method, path, body, got, status, text)
	}
	plain := strings.Join(strings.Fields(text), " ")
	for _, want := range texts {
		if !strings.Contains(plain, want) {
			a.t.Errorf("%s %s %s: got %s\nwithout %s", method, path, body, plain, want)
		}
	}
	return text
}

const shop = "/api/v1/services/shop"

func TestTheAPIDoesWhatItsDocumentSays(t *testing.T) {
	t.Parallel()
	a := openAPI(t, func(c *config.Config) {
		c.Services[0].Sticky = router.Sticky{By: []string{"header:X-User", "cookie"}, Keep: "24h"}
		c.Services[0].Override.Networks = []string{"10.0.0.0/8"}
		c.Services[0].Rules = []router.Rule{{Name: "qa", To: "v3", If: []string{"header:X-Team = qa"}}}
	})
	f := a.expect
	f("GET", "/api/v1/status", "", 200, `"name": "shop"`)
	f("GET", "/api/v1/services", "", 200, `"rules": [ "qa" ]`)
	f("GET", shop, "", 200, `"revision": 1`)
	f("GET", shop+"/versions", "", 200, `"weight": 95`)
	f("GET", shop+"/backends", "", 200, `"state": "ready"`)
	f("GET", shop+"/split", "", 200, `"weights": { "v1": 95, "v2": 5 }`)
	f("GET", shop+"/history", "", 200, `[]`)
	f("GET", shop+"/audit", "", 200, `"clean": true`, `"static": true`)
	f("GET", shop+"/comparisons", "", 200, `"candidate": { "version": "v2"`)
	f("GET", shop+"/comparisons/v2", "", 200, `"verdict": "cannot_tell"`)
	f("GET", shop+"/comparisons/v3", "", 404, "v3 is no candidate of shop: there are v2, compared with v1")
	f("GET", shop+"/timeline", "", 200, `"versions": []`)
	f("GET", shop+"/timeline?since=2026-01-02T15:04:05Z", "", 200, `"versions": []`)
	f("GET", shop+"/timeline?since=noon", "", 400, `since: \"noon\" is not a time`)
	f("GET", shop+"/history?limit=0", "", 400, `limit: \"0\" is not a number of entries`)
	for _, path := range []string{"", "/versions", "/backends", "/split", "/history", "/audit", "/comparisons", "/comparisons/v2", "/timeline"} {
		f("GET", "/api/v1/services/nobody"+path, "", 404, "service nobody: there is no such service")
	}
	// A dry run changes nothing.
	f("PATCH", shop+"/split", `{"weights": {"v2": 95}, "dry_run": true}`, 200, `"changed": true`, `"share": 0.5`)
	f("PATCH", shop+"/split", `{"weights": {"v2": 95}, "revision": 1, "who": "ann", "why": "a test"}`, 200, `"revision": 2`, `"dry_run": false`)
	f("PATCH", shop+"/split", `{"weights": {"v2": 1}, "revision": 1}`, 409,
		"the edit is based on revision 1, and the split has revision 2 now", `"present": { "service": "shop", "revision": 2`)
	f("PUT", shop+"/split", `{"weights": {"v1": 1}}`, 200, `"weight": 0, "share": 0`)
	f("POST", shop+"/promote", `{"version": "v3"}`, 200, `"version": "v3", "weight": 100, "share": 1`)
	f("POST", shop+"/rollback", ``, 200, `"rolled_back": [ "v3" ]`)
	f("PATCH", shop+"/split", `{"weights": {"v2": 1}}`, 200)
	f("POST", shop+"/drain", `{"version": "v2"}`, 200)
	f("POST", shop+"/drain", `{"version": "v1"}`, 422, "v1 has all the weight: give another version weight first")
	f("POST", shop+"/adopt", `{"version": "v1"}`, 422)
	f("GET", shop+"/history?limit=2", "", 200, `"kind": "drain"`)
	f("GET", shop+"/split", "", 200, `"rolled_back": [ { "image": "v3"`)
	f("POST", "/api/v1/keys/rotate", `{"forget": true}`, 200)
	// Decisions.
	f("POST", shop+"/decide", `{"headers": {"X-User": "7"}}`, 200, `"reason": "unit"`, `"by": "header:X-User"`, "v1 answers: it is the one that the hash of header:X-User falls to.")
	f("POST", shop+"/decide", ``, 200, "Chance decides: a new cookie is issued. v1 100 %.")
	f("POST", shop+"/decide", `{"headers": {"X-Team": "qa"}}`, 200, `"rule": "qa"`, "v3 answers: the rule qa matches.")
	f("POST", shop+"/decide", `{"path": "/?divvy-version=v2", "client": "10.1.2.3"}`, 200, "v2 answers: the request names it, and may.")
	f("POST", shop+"/decide", `{"client": "nobody"}`, 422, `client: \"nobody\" does not fit here: use an address such as 192.0.2.7`)
	f("POST", shop+"/decide", `{"path": "x"}`, 422)
	f("POST", "/api/v1/services/nobody/decide", ``, 404)
	// What is not understood.
	f("PATCH", shop+"/split", `{"weights": {"v9": 1}}`, 422, "v9 names no version that runs: there are v1, v2, v3")
	f("PATCH", shop+"/split", `{"weights": {"v1": -1}}`, 422, "weights.v1: -1 is not a weight: use 0 to 1000000")
	f("PATCH", shop+"/split", `{"weights": {"v1": 0}}`, 422)
	f("PATCH", shop+"/split", `{"wieghts": {"v1": 1}}`, 400, `unknown field \"wieghts\"`)
	f("PATCH", shop+"/split", `{"weights": {"v1": 1}} {}`, 400)
	f("PATCH", shop+"/split", `{`, 400)
	f("PATCH", shop+"/split", `{"weights": {"v1": 1.5}}`, 400)
	f("PATCH", shop+"/split", ``, 400, "weights: there are none")
	f("PATCH", shop+"/split", `{"weights": {"v1": null}}`, 400, "the weight of v1 is null: use a number")
	f("PUT", shop+"/split", `{"weights": {"v1": 1}, "version": "v1"}`, 400, "version: it is not expected here")
	f("POST", shop+"/promote", `{}`, 400, `version: there is none`)
	f("POST", shop+"/rollback", `{"who": "a\nb"}`, 400, "who: use up to 500 printable characters")
	f("POST", shop+"/rollback", `{"why": "`+strings.Repeat("x", 70_000)+`"}`, 413, "the body is larger than 65536 bytes")
	f("PATCH", "/api/v1/services/nobody/split", `{"weights": {"v1": 1}}`, 404)
	f("GET", "/api/v1/nothing", "", 404, "there is nothing here")
	f("DELETE", shop+"/split", "", 405)

	// Nothing of the document is left out, and each kind of operation has said
	// yes.
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(a.raw("GET", "/api/v1/openapi.json", "")), &doc); err != nil {
		t.Fatal(err)
	}
	for path, operations := range doc.Paths {
		for method := range operations {
			key := strings.ToUpper(method) + " " + path
			if !a.seen[key+" 200"] && !slices.Contains([]string{"GET /api/v1/events", "POST /api/v1/services/{service}/adopt"}, key) {
				t.Errorf("%s has not been asked with success", key)
			}
		}
	}
}

func TestEveryWriteIsInTheAuditLogAndTheEventStream(t *testing.T) {
	t.Parallel()
	a := openAPI(t, nil)
	client := admin.Client{Addr: a.admin.Addr()}
	events := make(chan admin.Event)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	listening := make(chan struct{})
	go func() {
		defer close(events)
		_ = client.Events(ctx, func(v any) error {
			e := v.(admin.Event)
			select {
			case <-listening:
			default:
				close(listening)
			}
			select {
			case events <- e:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	// The stream is open when something comes; edits are made until then.
	n := 0
	await(t, "the stream", func() bool {
		n++
		a.expect("PATCH", shop+"/split", fmt.Sprintf(`{"weights": {"v2": %d}, "who": "ann"}`, n+10), 200)
		select {
		case <-listening:
			return true
		default:
			return false
		}
	})
	e := <-events
	if e.Kind != "edit" || e.Service != "shop" || !strings.Contains(string(e.Data), `"who":"ann"`) {
		t.Errorf("got the event %s of %s: %s", e.Kind, e.Service, e.Data)
	}
}

func TestConcurrentEditsAreAllMade(t *testing.T) {
	t.Parallel()
	a := openAPI(t, nil)
	const clients, edits = 8, 25
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			client := admin.Client{Addr: a.admin.Addr()}
			for n := range edits {
				w := 1 + i*edits + n
				if _, err := client.Edit(t.Context(), "shop", "weights", admin.Change{Weights: admin.Weights{fmt.Sprintf("w%d", i): w}, Absent: true}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	split, err := control{a.program}.Split("shop")
	if err != nil {
		t.Fatal(err)
	}
	if want := uint64(1 + clients*edits); split.Revision != want {
		t.Errorf("revision %d after %d edits, want %d", split.Revision, clients*edits, want)
	}
	for i := range clients {
		if got, want := split.Weights[fmt.Sprintf("w%d", i)], (i+1)*edits; got != want {
			t.Errorf("w%d is %d, want %d", i, got, want)
		}
	}
}

func TestNoRequestFailsWhileWeightsAreEdited(t *testing.T) {
	t.Parallel()
	a := openAPI(t, func(c *config.Config) {
		c.Services[0].Sticky = router.Sticky{By: []string{"header:X-User", "cookie"}, Keep: "1s"}
	})
	const edits, editors, clients = 1000, 8, 8
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load, edit sync.WaitGroup
	for range clients {
		client := newClient(t)
		load.Go(func() {
			for n := 0; ctx.Err() == nil || n < 100; n++ {
				if fault := attempt(client, "http://"+a.server.Addr().String()); fault != "" {
					t.Errorf("a request failed: %s", fault)
					return
				}
			}
		})
	}
	for i := range editors {
		edit.Go(func() {
			for n := range edits / editors {
				e := state.Edit{Kind: state.Weights, Weights: map[string]int{fmt.Sprintf("v%d", 1+(i+n)%3): 1 + n}}
				if _, err := (control{a.program}).Edit("shop", e, false); err != nil {
					t.Errorf("an edit failed: %v", err)
					return
				}
			}
		})
	}
	edit.Wait()
	stop()
	load.Wait()
}
