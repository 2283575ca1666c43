package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"divvy/cmd/internal/config"
	"divvy/proxy/certs"
)

// tool returns the path of a program that this test needs and a plain machine
// may lack.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("this test needs %s (Debian's package prometheus): %v", name, err)
	}
	return path
}

// A real Prometheus scrapes a divvy before a real engine, and every query of
// the dashboard has an answer, for both versions where it tells versions apart.
func TestPrometheusAnswersTheDashboard(t *testing.T) {
	t.Parallel()
	prometheus, promtool := tool(t, "prometheus"), tool(t, "promtool")
	w := newTown(t)
	for _, v := range []string{"v1", "v2"} {
		w.image(t, v, v)
		w.start(t, v, v, nil)
	}
	c := w.config(func(s *config.Service) {
		s.Weights = map[string]int{"v1": 50, "v2": 50}
		s.Hosts = []string{"127.0.0.1", "shop.test"}
	})
	c.Server.HTTPS, c.TLS.Issuer = "127.0.0.1:0", certs.Internal // so that there is a certificate
	w.open(t, c)
	w.awaitReady(t, map[string]int{"v1": 1, "v2": 1})
	admin := w.program.admin.Addr()

	stop := w.load(t)
	defer stop()
	fetch("http://localhost:"+portOf(w.url)+"/", nil) // which nobody answers to
	checkExposition(t, promtool, admin)
	addr := runPrometheus(t, prometheus, admin)

	names := []string{w.versions()["v1"].Name, w.versions()["v2"].Name}
	for _, q := range dashboardQueries(t) {
		var got []map[string]string
		await(t, "an answer to "+q, func() bool {
			var err error
			got, err = query(t.Context(), addr, q)
			if err != nil {
				return false // it may not be up yet
			}
			return answers(q, got, names)
		})
	}
}

// mayBeEmpty are parts of queries that need not have an answer: nothing of the kind
// has happened in this test.
var mayBeEmpty = []string{
	"divvy_grpc_requests_total", "divvy_rule_matches_total", "divvy_comparison_eta_seconds", "unless on (version)", "changes(", `scope="recent"`,
}

// answers reports whether the labels of an answer are those that a query of the
// dashboard should have.
func answers(q string, got []map[string]string, versions []string) bool {
	if slices.ContainsFunc(mayBeEmpty, func(part string) bool { return strings.Contains(q, part) }) {
		return true
	}
	if len(got) == 0 {
		return false
	}
	if !strings.Contains(q, `{service="shop"`) || got[0]["version"] == "" || strings.Contains(q, "divvy_version_role") {
		return true // it does not tell versions apart, or is of one
	}
	for _, v := range versions {
		if !slices.ContainsFunc(got, func(labels map[string]string) bool { return labels["version"] == v }) {
			return false
		}
	}
	return true
}

func portOf(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }

// checkExposition has promtool read /metrics.
func checkExposition(t *testing.T, promtool, admin string) {
	t.Helper()
	res, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// runPrometheus starts a Prometheus that scrapes target, and returns its
// address.
func runPrometheus(t *testing.T, program, target string) string {
	t.Helper()
	addr, dir := freePort(t), t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: divvy\n  static_configs: [{targets: [%q]}]\n", target)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus: %s", out.String())
		}
	})
	return addr
}

// query asks Prometheus, and returns the labels of each series of the answer
// that has a number.
func query(ctx context.Context, addr, q string) ([]map[string]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/api/v1/query?query="+url.QueryEscape(q), nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", q, answer.Error)
	}
	var all []map[string]string
	for _, r := range answer.Data.Result {
		if r.Value[1] != "NaN" {
			all = append(all, r.Metric)
		}
	}
	return all, nil
}

// dashboardQueries returns every query of the dashboard, as Grafana would send
// it.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../metrics/grafana/dashboards/divvy.json")
	if err != nil {
		t.Fatal(err)
	}
	var board any
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	replace := strings.NewReplacer("$service", "shop", "$metric", "speed", "$__rate_interval", "20s", "$__range", "1m")
	var all []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, k := range []string{"panels", "targets", "annotations", "list"} {
				walk(v[k])
			}
			if expr, ok := v["expr"].(string); ok {
				all = append(all, replace.Replace(expr))
			}
		}
	}
	walk(board)
	if len(all) < 20 {
		t.Fatalf("only %d queries were found", len(all))
	}
	return all
}
