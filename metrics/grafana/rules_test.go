package grafana_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// promtool returns the tool of Prometheus that reads its files.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatal("promtool is not in PATH, and CI must check the rules; install the package prometheus")
	}
	t.Skip("promtool is not in PATH; install the package prometheus to check the rules")
	return ""
}

func TestRulesDoWhatTheirTestsSay(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), promtool(t), "test", "rules", "divvy_test.yml")
	cmd.Dir = "rules"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}

func TestPrometheusTakesItsConfiguration(t *testing.T) {
	t.Parallel()
	tool := promtool(t)
	// The options for native histograms are newer than Debian's Prometheus.
	text := strings.NewReplacer("scrape_native_histograms", "# ", "always_scrape_classic_histograms", "# ").Replace(readFile(t, "prometheus.yml"))
	dir := t.TempDir()
	for name, content := range map[string]string{"prometheus.yml": text, "rules/divvy.yml": readFile(t, "rules/divvy.yml")} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), tool, "check", "config", filepath.Join(dir, "prometheus.yml")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "1 rule files found") {
		t.Errorf("promtool check config: %v\n%s", err, out)
	}
}

// An alert that was never seen to fire may never fire, and one that was never seen
// to be silent may never be.
func TestEachAlertIsSeenToFireAndToBeSilent(t *testing.T) {
	t.Parallel()
	tests := readFile(t, "rules/divvy_test.yml")
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(readFile(t, "rules/divvy.yml"), -1) {
		seen := regexp.MustCompile(`alertname: `+m[1]+`\n +eval_time: \w+\n +exp_alerts:( \[\])?\n`).FindAllStringSubmatch(tests, -1)
		silent := slices.ContainsFunc(seen, func(s []string) bool { return s[1] != "" })
		fires := slices.ContainsFunc(seen, func(s []string) bool { return s[1] == "" })
		if !silent || !fires {
			t.Errorf("%s: fires: %v, is silent: %v", m[1], fires, silent)
		}
	}
}

func TestRulesReadWhatDivvyExports(t *testing.T) {
	t.Parallel()
	text := regexp.MustCompile(`(?m)^ *#.*\n`).ReplaceAllString(readFile(t, "rules/divvy.yml"), "")
	recorded := regexp.MustCompile(`\w+:divvy_\w+(:\w+)?`)
	for _, name := range metrics(recorded.ReplaceAllString(text, "")) {
		if !slices.Contains(exported, name) {
			t.Errorf("%s is no metric of divvy", name)
		}
	}
	for _, name := range recorded.FindAllString(text, -1) {
		if !strings.Contains(text, "- record: "+name+"\n") {
			t.Errorf("%s is not recorded", name)
		}
	}
}

// What compose.yaml mounts is there: Docker makes a folder of what is not.
func TestWhatIsMountedIsThere(t *testing.T) {
	t.Parallel()
	mounts := regexp.MustCompile(`(?m)^ +- (\./[^:]+):`).FindAllStringSubmatch(readFile(t, "../../compose.yaml"), -1)
	if len(mounts) < 5 {
		t.Errorf("only %d mounts were found", len(mounts))
	}
	for _, m := range mounts {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Error(err)
		}
	}
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
