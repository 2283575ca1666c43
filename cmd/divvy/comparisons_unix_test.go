//go:build unix

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"divvy/cmd/internal/admin"
	"divvy/metrics/stats"
)

// Each replacement counts beside the one that it replaces, which goes on counting what
// it began.
func TestAComparisonGoesOnWhenDivvyIsReplaced(t *testing.T) {
	t.Parallel()
	d := newDynasty(t, func(http.ResponseWriter, *http.Request) {}, "")
	text, err := os.ReadFile(filepath.Join(d.dir, "divvy.toml"))
	d.must(err)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(other.Close)
	d.write(strings.Replace(string(text), `name = "shop"`, "name = \"shop\"\nweights = { v1 = 6, v2 = 4 }", 1) +
		fmt.Sprintf("[[service.backend]]\nversion = \"v2\"\naddress = %q\n", other.Listener.Addr()))
	d.start()
	client := admin.Client{Addr: d.admin}
	units := func() (n uint64) {
		all, err := client.Comparisons(t.Context(), "shop")
		if err != nil || len(all) == 0 {
			return 0
		}
		split := all[0].Report.Split.Units
		return split[stats.Stable] + split[stats.Candidate]
	}
	load := func() {
		for range 100 {
			if got := d.get(); !strings.HasPrefix(got, "200 OK") {
				t.Fatalf("got %s", got)
			}
		}
	}
	load()
	before := units()
	for range 2 {
		d.replace()
		load()
	}
	want := before + 200
	var got uint64
	await(t, fmt.Sprintf("%d units", want), func() bool { got = units(); return got >= want })
	if got != want {
		t.Errorf("%d units were counted, want %d", got, want)
	}
	if log := d.logged(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "level=WARN") {
		t.Errorf("logged %s", log)
	}
	d.end()
	d.left()
}
