package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"divvy/metrics/stats"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// comparing is a program whose candidates a test makes up.
type comparing struct {
	fake
	all    []Comparison
	shares []Share
}

func (c *comparing) Comparisons(service string) ([]Comparison, error) {
	if service != "shop" {
		return nil, ErrNoService
	}
	return c.all, nil
}

func (c *comparing) Split(service string) (Split, error) {
	return Split{Service: service, Shares: c.shares}, nil
}

// compared returns a comparison of the version v1 with a candidate, after some
// requests of which every tenth fails.
func compared(candidate, image string, requests int) Comparison {
	r := stats.NewRecorder(stats.Key{Service: "shop"}, false, nil)
	split := r.Split(1, 1)
	for i := range requests {
		x := stats.Sample{Latency: time.Duration(1+i%7) * time.Millisecond, Failed: i%20 > 17}
		split.Arrive(stats.Side(i%2), &x)
		split.Record(stats.Side(i%2), &x)
	}
	j := stats.DefaultJudge()
	j.Goals = []stats.GoalMargin{{Name: "signup", Margin: stats.Margin{Relative: 0.03}}}
	c := Comparison{
		Service: "shop", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Verdict: CannotTell, Report: j.Examine(r.Sums()),
		Stable:    Compared{Version: "v1", ImageID: "sha256:aaaaaaaa", Weight: 1, Share: 0.5},
		Candidate: Compared{Version: candidate, ImageID: image, Fingerprint: "f", Revision: "r", Created: "c", Weight: 1, Share: 0.5},
	}
	c.Sentences = c.Report.Sentences(c.Names())
	return c
}

// document returns a function that compares an answer with what the document says.
func document(t *testing.T, url string) func(path string) (status int, body string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: url}}
	routes, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return func(path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		route, params, err := routes.FindRoute(req)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
			Status:                 res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(data)),
			Options: &openapi3filter.Options{IncludeResponseStatus: true},
		}); err != nil {
			t.Errorf("%s: the answer is not what the document says: %v", path, err)
		}
		return res.StatusCode, string(data)
	}
}

func TestComparisonsAreWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	s, _ := open(t, Status{})
	program := &comparing{shares: []Share{{Version: "v1", Weight: 1, Share: 1, Runs: true}, {Version: "v9", Weight: 1}, {Version: "v2", Runs: true}}}
	program.now.Services = []Service{{Name: "shop", Versions: []Version{{Name: "v2@bbbbbbbb", Tags: []string{"v2", "next"}}}}}
	s.Control = program
	get := document(t, "http://"+s.Addr())
	f := func(path string, status int, want string) {
		t.Helper()
		got, body := get("/api/v1/services/" + path)
		if got != status || !strings.Contains(body, want) {
			t.Errorf("%s: got %d %s\nwant %d %s", path, got, body, status, want)
		}
	}
	f("shop/comparisons", 200, "[]")
	f("shop/comparisons/v2", 404, "service shop has no candidate: v1 has all the weight, so there is nothing to compare it with; give another version some")
	f("nobody/comparisons", 404, "service nobody: there is no such service")
	f("nobody/comparisons/v2", 404, "service nobody: there is no such service")
	program.shares = nil
	f("shop/comparisons/v2", 404, "service shop has no candidate: no version that runs has weight")
	program.shares = []Share{{Version: "v1", Weight: 1, Runs: true}, {Version: "v2", Weight: 1, Runs: true}}
	f("shop/comparisons/v2", 404, "service shop has no candidate: v1, v2 have weight, but none of them is compared")

	program.all = []Comparison{compared("v2@bbbbbbbb", "sha256:bbbbbbbb", 0), compared("v2@cccccccc", "sha256:cccccccc", 1000), compared("v3", "", 40_000)}
	program.all[2].Proxies = []Proxy{{Name: "p", Split: program.all[2].Report.Split}}
	f("shop/comparisons", 200, `"upper": null`)
	f("shop/comparisons/v3", 200, `"name": "p"`)
	f("shop/comparisons/v2@bbbb", 200, `"version": "v2@bbbbbbbb"`)
	f("shop/comparisons/next", 200, `"version": "v2@bbbbbbbb"`)
	f("shop/comparisons/v2", 422, "v2 names more than one candidate: use one of v2@bbbbbbbb, v2@cccccccc")
	f("shop/comparisons/v1", 404, "v1 is what the candidates are compared with: there are v2@bbbbbbbb, v2@cccccccc, v3")
	f("shop/comparisons/v9", 404, "v9 is no candidate of shop: there are v2@bbbbbbbb, v2@cccccccc, v3, compared with v1")
	f("shop/comparisons/a%2Fb", 404, "a/b is no candidate of shop")
}

func TestAComparisonArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	s, client := open(t, Status{})
	program := &comparing{all: []Comparison{compared("v2", "", 0), compared("v3", "", 40_000)}}
	s.Control = program
	all, err := client.Comparisons(t.Context(), "shop")
	if err != nil || len(all) != 2 {
		t.Fatalf("%d candidates, %v", len(all), err)
	}
	one, err := client.Comparison(t.Context(), "shop", "v3")
	if err != nil {
		t.Fatal(err)
	}
	text := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if got, want := text(all), text(program.all); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := text(one), text(program.all[1]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	errorsOf := all[0].Report.Finding("errors")
	if !math.IsInf(errorsOf.Ratio.Upper, 1) || !math.IsNaN(errorsOf.Ratio.Estimate) || errorsOf.Ratio.Lower != 0 {
		t.Errorf("of nothing the ratio is %v", errorsOf.Ratio)
	}
	refused := new(Refused)
	if _, err := client.Comparison(t.Context(), "shop", "v9/x y"); !errors.As(err, &refused) || refused.Status != 404 || !strings.Contains(refused.Text, "v9/x y is no candidate") {
		t.Errorf("got %v", err)
	}
}

func TestTheWorstOfSeveralVerdictsCounts(t *testing.T) {
	t.Parallel()
	f := func(want Verdict, all ...Verdict) {
		t.Helper()
		var list []Comparison
		for _, v := range all {
			list = append(list, Comparison{Verdict: v})
		}
		if got := Worst(list); got != want {
			t.Errorf("%v: got %s, want %s", all, got, want)
		}
	}
	f(CannotTell)
	f(NoWorse, NoWorse, NoWorse)
	f(CannotTell, NoWorse, CannotTell)
	f(Worse, CannotTell, NoWorse, Worse)
	f(CannotTell, "of a later divvy")
}
