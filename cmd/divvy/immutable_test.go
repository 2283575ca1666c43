package main

import (
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/catalog"
)

func TestALookBeforeTheAuditIsNone(t *testing.T) {
	t.Parallel()
	began := time.Now()
	f := func(found catalog.Finding, want string) {
		t.Helper()
		found.ID = "c1"
		p := &program{examined: map[string][]catalog.Finding{"shop": {found}}}
		v := admin.Version{ImageID: "sha256:a"}
		v.Backends = []backends.Status{{ID: "c1", Host: "h", State: backends.StateReady}}
		got := p.auditVersion("shop", &v, began)
		if got.Backends[0].Unknown != want || got.Clean != (want == "") {
			t.Errorf("unknown is %q and clean %v, want %q", got.Backends[0].Unknown, got.Clean, want)
		}
	}
	f(catalog.Finding{Looked: began.Add(time.Second)}, "")
	f(catalog.Finding{Looked: began.Add(-time.Second)}, "there was no time to look at it")
	f(catalog.Finding{Looked: began.Add(-time.Second), Unknown: "connection refused"}, "connection refused")
	f(catalog.Finding{ReadOnly: true}, "")
}

func TestThereIsNothingToAuditInStaticBackends(t *testing.T) {
	t.Parallel()
	static := admin.Version{Name: "v1"}
	static.Backends = []backends.Status{{ID: "10.0.0.1:80", Name: "10.0.0.1:80", State: backends.StateReady}}
	v := new(program).auditVersion("shop", &static, time.Now())
	if !v.Clean {
		t.Errorf("got %+v", v)
	}
	var out strings.Builder
	if err := printAudits(&out, []*admin.Audit{{Service: "shop", Versions: []admin.AuditVersion{v}}}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, "static: nothing to audit") != 2 || strings.Contains(got, "what was built") {
		t.Errorf("printed\n%s", got)
	}
}
