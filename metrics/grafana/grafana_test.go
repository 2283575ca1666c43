// Package grafana_test holds the dashboards to what divvy exports: Grafana
// shows a wrong metric name as an empty panel, and nobody sees why.
package grafana_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exported names every metric that divvy exports.
// It stands here until the package metrics can be asked.
var exported = []string{
	"divvy_access_log_dropped_total",
	"divvy_assignments_total",
	"divvy_backend_ejections_total",
	"divvy_backends",
	"divvy_build_info",
	"divvy_certificate_expiry_seconds",
	"divvy_certificate_failures_total",
	"divvy_comparison_alarm_line",
	"divvy_comparison_difference",
	"divvy_comparison_eta_seconds",
	"divvy_comparison_events_total",
	"divvy_comparison_evidence",
	"divvy_comparison_info",
	"divvy_comparison_ratio",
	"divvy_comparison_tolerated_ratio",
	"divvy_comparison_verdict",
	"divvy_config_last_reload_successful",
	"divvy_config_last_reload_timestamp_seconds",
	"divvy_docker_errors_total",
	"divvy_docker_up",
	"divvy_grpc_requests_total",
	"divvy_request_bytes_total",
	"divvy_request_duration_seconds",
	"divvy_requests_in_flight",
	"divvy_requests_total",
	"divvy_response_bytes_total",
	"divvy_retries_total",
	"divvy_rule_matches_total",
	"divvy_srm_alarm_line",
	"divvy_srm_detected",
	"divvy_srm_evidence",
	"divvy_srm_share_ratio",
	"divvy_time_to_first_byte_seconds",
	"divvy_unrouted_requests_total",
	"divvy_version_info",
	"divvy_version_mutable",
	"divvy_version_role",
	"divvy_version_share",
	"divvy_version_weight",
}

// histograms names those of them that are read through series with a suffix.
var histograms = []string{
	"divvy_request_duration_seconds",
	"divvy_time_to_first_byte_seconds",
}

// dashboard is the part of Grafana's dashboard model that is checked.
type dashboard struct {
	Panels      []panel
	Annotations struct{ List []query }
	Templating  struct{ List []variable }
}

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	Datasource  *datasource
	GridPos     struct{ X, Y, W, H int }
	Targets     []query
	Panels      []panel // of a row that is collapsed
}

type query struct {
	RefID      string
	Name       string
	Datasource *datasource
	Expr       string
}

type variable struct {
	Name       string
	Type       string
	Datasource *datasource
	Definition string
}

type datasource struct{ Type, UID string }

// columns is the width of Grafana's grid.
const columns = 24

func TestDashboardsHold(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no dashboards found")
	}
	for _, file := range files {
		for _, problem := range problems(read(t, file)) {
			t.Errorf("%s: %s", file, problem)
		}
	}
}

// A check that finds nothing anywhere would pass every dashboard, so each one
// is shown a dashboard that it must refuse.
func TestBrokenDashboardsAreRefused(t *testing.T) {
	t.Parallel()
	f := func(want string, damage func(d *dashboard)) {
		t.Helper()
		d := read(t, "dashboards/divvy.json")
		damage(d)
		got := problems(d)
		if !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("got %q, want a problem that says %q", got, want)
		}
	}
	f("no panels", func(d *dashboard) { d.Panels = nil })
	f("id 3 is taken", func(d *dashboard) { d.Panels[1].ID = 3 })
	f("has no id", func(d *dashboard) { d.Panels[1].ID = 0 })
	f("has no title", func(d *dashboard) { d.Panels[1].Title = "" })
	f("has no description", func(d *dashboard) { d.Panels[1].Description = "" })
	f("has no targets", func(d *dashboard) { d.Panels[1].Targets = nil })
	f("lie on each other", func(d *dashboard) { d.Panels[3].GridPos = d.Panels[1].GridPos })
	f("lie on each other", func(d *dashboard) { d.Panels[1].GridPos.H++ })
	f("lies outside the grid", func(d *dashboard) { d.Panels[1].GridPos.X = 22 })
	f("lies outside the grid", func(d *dashboard) { d.Panels[1].GridPos.W = 0 })
	f(`data source "prometheus"`, func(d *dashboard) { d.Panels[1].Targets[0].Datasource.UID = "prometheus" })
	f("data source missing", func(d *dashboard) { d.Panels[1].Datasource = nil })
	f("data source missing", func(d *dashboard) { d.Panels[1].Targets[0].Datasource = nil })
	f("data source missing", func(d *dashboard) { d.Annotations.List[0].Datasource = nil })
	f("data source missing", func(d *dashboard) { d.Templating.List[1].Datasource = nil })
	f("no variable datasource", func(d *dashboard) { d.Templating.List[0].Name = "source" })
	f("unknown variable $service", func(d *dashboard) { d.Templating.List[1].Name = "app" })
	f("unknown metric divvy_request_total", func(d *dashboard) {
		d.Panels[1].Targets[0].Expr = "sum(divvy_request_total)"
	})
	f("unknown metric divvy_requests_count", func(d *dashboard) {
		d.Panels[1].Targets[0].Expr = "sum(divvy_requests_count)"
	})
	f("unknown metric divvy_docker_up_sum", func(d *dashboard) {
		d.Panels[1].Targets[0].Expr = "divvy_docker_up_sum"
	})
	f("asks nothing", func(d *dashboard) { d.Panels[1].Targets[0].Expr = "" })
	f("asks nothing", func(d *dashboard) { d.Panels[1].Targets[0].Expr = "up" })
	f("refId A is taken", func(d *dashboard) {
		d.Panels[1].Targets = append(d.Panels[1].Targets, d.Panels[1].Targets[0])
	})
	f("unknown metric divvy_gone", func(d *dashboard) { d.Annotations.List[0].Expr = "divvy_gone" })
	f("unknown metric divvy_gone", func(d *dashboard) {
		d.Templating.List[1].Definition = "label_values(divvy_gone, service)"
	})
}

// What divvy measures is there to be seen.
func TestEveryMetricIsShown(t *testing.T) {
	t.Parallel()
	shown := make(map[string]bool)
	for _, p := range flat(read(t, "dashboards/divvy.json").Panels) {
		for _, q := range p.Targets {
			for _, name := range metrics(q.Expr) {
				shown[name] = true
			}
		}
	}
	for _, name := range exported {
		if !shown[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func read(t *testing.T, file string) *dashboard {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := new(dashboard)
	if err := json.Unmarshal(data, d); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return d
}

// problems returns what is wrong with d, as sentences.
func problems(d *dashboard) []string {
	var found []string
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	known := make(map[string]bool)
	for _, v := range d.Templating.List {
		known[v.Name] = true
		if v.Type == "query" {
			checkQuery(report, known, "variable "+v.Name, query{Datasource: v.Datasource, Expr: v.Definition})
		}
	}
	if !known["datasource"] {
		report("no variable datasource")
	}
	for _, a := range d.Annotations.List {
		checkQuery(report, known, "annotation "+a.Name, a)
	}

	panels := flat(d.Panels)
	if len(panels) == 0 {
		report("no panels")
	}
	ids := make(map[int]bool)
	for _, p := range panels {
		where := fmt.Sprintf("panel %d %q", p.ID, p.Title)
		switch {
		case p.ID <= 0:
			report("%s has no id", where)
		case ids[p.ID]:
			report("%s: id %d is taken", where, p.ID)
		}
		ids[p.ID] = true
		if p.Title == "" {
			report("%s has no title", where)
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" {
			report("%s has no description", where)
		}
		if len(p.Targets) == 0 {
			report("%s has no targets", where)
		}
		checkDatasource(report, where, p.Datasource)
		refs := make(map[string]bool)
		for _, q := range p.Targets {
			if refs[q.RefID] {
				report("%s: refId %s is taken", where, q.RefID)
			}
			refs[q.RefID] = true
			checkQuery(report, known, where+" target "+q.RefID, q)
		}
	}
	checkLayout(report, d.Panels)
	return found
}

var (
	metricName   = regexp.MustCompile(`\bdivvy_[a-z_]+`)
	variableName = regexp.MustCompile(`\$\{?(\w+)`)
)

func checkQuery(report func(string, ...any), known map[string]bool, where string, q query) {
	checkDatasource(report, where, q.Datasource)
	names := metrics(q.Expr)
	if len(names) == 0 {
		report("%s asks nothing of divvy: %q", where, q.Expr)
	}
	for _, name := range names {
		if !slices.Contains(exported, name) {
			report("%s: unknown metric %s", where, name)
		}
	}
	for _, m := range variableName.FindAllStringSubmatch(q.Expr, -1) {
		if name := m[1]; !known[name] && !strings.HasPrefix(name, "__") {
			report("%s: unknown variable $%s", where, name)
		}
	}
}

// A dashboard that names a data source works on one Grafana only.
func checkDatasource(report func(string, ...any), where string, s *datasource) {
	switch {
	case s == nil:
		report("%s: data source missing, want ${datasource}", where)
	case s.Type != "prometheus" || s.UID != "${datasource}":
		report("%s: data source %q of type %q, want ${datasource} of type prometheus", where, s.UID, s.Type)
	}
}

func checkLayout(report func(string, ...any), panels []panel) {
	for i, p := range panels {
		a := p.GridPos
		if a.X < 0 || a.Y < 0 || a.W <= 0 || a.H <= 0 || a.X+a.W > columns {
			report("panel %d %q lies outside the grid: %+v", p.ID, p.Title, a)
		}
		for _, q := range panels[:i] {
			b := q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				report("panels %d %q and %d %q lie on each other", q.ID, q.Title, p.ID, p.Title)
			}
		}
	}
}

// metrics returns the metrics of divvy that expr reads, histograms without the
// suffix of the series.
func metrics(expr string) []string {
	names := metricName.FindAllString(expr, -1)
	for i, name := range names {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, cut := strings.CutSuffix(name, suffix); cut && slices.Contains(histograms, base) {
				names[i] = base
			}
		}
	}
	return names
}

// flat returns panels and what is folded into collapsed rows.
func flat(panels []panel) []panel {
	var all []panel
	for _, p := range panels {
		all = append(all, p)
		all = append(all, flat(p.Panels)...)
	}
	return all
}
