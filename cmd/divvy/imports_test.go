package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// The floor plan: "left may import right". What stands further up in a line of
// the design may use what stands below it, never the reverse.
var allowed = map[string]string{
	"metrics":               "",
	"metrics/grafana":       "",
	"metrics/stats":         "",
	"backends":              "",
	"backends/docker":       "backends",
	"router":                "backends metrics/stats",
	"router/state":          "router",
	"proxy/http1":           "",
	"proxy/environ":         "",
	"proxy/sockets":         "",
	"proxy/certs":           "router/state",
	"proxy":                 "proxy/environ proxy/http1 proxy/sockets router backends metrics metrics/stats",
	"cmd/internal/config":   "proxy proxy/certs proxy/sockets router backends/docker backends metrics",
	"cmd/internal/catalog":  "cmd/internal/config router backends/docker backends",
	"cmd/internal/admin":    "metrics/stats proxy/certs proxy/sockets router/state router backends metrics",
	"cmd/internal/compare":  "cmd/internal/admin router/state router backends metrics metrics/stats",
	"cmd/internal/timeline": "cmd/internal/admin router/state metrics",
	"cmd/internal/report":   "cmd/internal/admin metrics/stats router/state",
	"cmd/internal/demo":     "cmd/internal/admin metrics",
	"cmd/divvy":             "cmd/internal/config cmd/internal/catalog cmd/internal/admin cmd/internal/compare cmd/internal/demo cmd/internal/report cmd/internal/timeline proxy proxy/certs proxy/sockets router/state router backends/docker backends metrics/stats metrics",
}

// only says which package alone may import a library.
var only = map[string]string{
	"github.com/docker/docker/":                   "backends/docker",
	"github.com/caddyserver/certmagic":            "proxy/certs",
	"github.com/pires/go-proxyproto":              "proxy",
	"github.com/coreos/go-systemd/v22/activation": "proxy/sockets",
}

func TestArrowsPointOneWay(t *testing.T) {
	t.Parallel()
	const module = "divvy/"
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.Contains(name, "testdata") {
			continue
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s is not on the floor plan", name)
		}
		for _, imp := range p.Imports {
			if dep, ours := strings.CutPrefix(imp, module); ours && !strings.Contains(" "+may+" ", " "+dep+" ") {
				t.Errorf("%s must not import %s", name, dep)
			}
			for library, owner := range only {
				if strings.HasPrefix(imp, library) && name != owner {
					t.Errorf("%s must not import %s: only %s may", name, imp, owner)
				}
			}
		}
	}
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "divvy/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			if len(all) < len(allowed)-1 {
				t.Fatalf("only %d packages were found", len(all))
			}
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
