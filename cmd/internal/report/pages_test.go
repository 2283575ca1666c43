package report

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"divvy/backends"
	"divvy/cmd/internal/admin"
	"divvy/router/state"
)

const day = 24 * time.Hour

// pages make what reports of all kinds are made of.
var pages = map[string]func() *Data{
	"nothing": func() *Data {
		return &Data{Now: now, Divvy: "1.2.3", Service: admin.Service{Name: "shop"}, Split: admin.Split{Service: "shop"}}
	},
	"little": func() *Data { return shop(does{"v1", 1, 0.4, 0, 12 * time.Millisecond, 4 * time.Minute}) },
	"early": func() *Data {
		return shop(does{"v1", 90, 4, 0.01, 12 * time.Millisecond, 90 * time.Minute},
			does{"v2", 10, 0.4, 0.01, 11 * time.Millisecond, 5 * time.Minute}).edited(5 * time.Minute)
	},
	"worse": func() *Data {
		return shop(does{"v1@53bff422", 90, 180, 0.004, 12 * time.Millisecond, 6 * time.Hour},
			does{"v2@210fe938", 10, 20, 0.02, 16 * time.Millisecond, 42 * time.Minute}).edited(42*time.Minute, 3*time.Hour)
	},
	"several": func() *Data {
		return shop(does{"v1", 70, 70, 0.004, 12 * time.Millisecond, 9 * day}, does{"v2", 10, 10, 0.004, 9 * time.Millisecond, 30 * time.Hour},
			does{"v3", 10, 10, 0.02, 60 * time.Millisecond, 20 * time.Hour}, does{"v4", 10, 10, 0.001, 300 * time.Millisecond, 3 * time.Hour},
		).edited(3*time.Hour, 20*time.Hour, 21*time.Hour, 30*time.Hour)
	},
	"greatest": greatest,
	"hostile":  hostile,
}

// greatest is as much as there can be: 32 versions over two weeks, eight candidates,
// a hundred edits with long reasons.
func greatest() *Data {
	var all []does
	for i := range 32 {
		weight := 0.0
		if i < 9 {
			weight = float64(10 - i)
		}
		all = append(all, does{fmt.Sprintf("release-2026.03.%02d-rc.1@53bff4%02d", i, i), weight, 1 + float64(i), 0.01, time.Duration(5+i) * time.Millisecond, 14 * 24 * time.Hour})
	}
	d := shop(all...)
	for i := range 100 {
		d.edited(time.Duration(i) * 3 * time.Hour)
		e := &d.History[i]
		e.Revision, e.From.Weights, e.To.Weights, e.Why = uint64(100-i), d.Split.Weights, d.Split.Weights, longText(500)
	}
	return d
}

func longText(n int) string {
	text := ""
	for len(text) < n {
		text += "because it was so "
	}
	return text[:n]
}

const evil = `</style></title><script>alert(1)</script><img src=x onerror=alert(2)>"'&{{.}}` + "`javascript:alert(3)"

// hostile is what people write who want something else than a report.
func hostile() *Data {
	d := shop(does{evil, 90, 4, 0.01, 12 * time.Millisecond, time.Hour}, does{evil + "2", 10, 0.4, 0.01, 11 * time.Millisecond, time.Hour})
	d.Divvy, d.Service.Name, d.Service.Hosts, d.Service.Paths, d.Service.Sticky, d.Service.Rules = evil, evil, []string{evil}, []string{evil}, []string{evil}, []string{evil}
	d.Problems = []string{evil}
	d.Split.RolledBack = []state.RolledBack{{Image: evil, Name: evil, Time: now}}
	v := &d.Service.Versions[0]
	v.Tags, v.ImageID, v.Revision, v.Created = []string{evil}, evil, evil, evil
	v.Mutations = []backends.Mutation{{Kind: backends.MutationExec, Detail: evil}}
	v.Backends[0].State = backends.State(evil)
	d.edited(time.Minute)
	e := &d.History[0]
	e.Kind, e.Who, e.Via, e.Why, e.To.Weights = state.Kind(evil), evil, evil, evil, map[string]int{evil: 1}
	c := &d.Comparisons[0]
	c.Reason, c.Sentences = evil, append(c.Sentences, evil)
	c.Stable.ImageID, c.Stable.Fingerprint, c.Stable.Revision, c.Stable.Created = evil, evil, evil, evil
	c.Report.Findings[0].Metric = evil
	c.Proxies = []admin.Proxy{{Name: evil, Split: c.Report.Split}}
	return d
}

// PAGES=folder writes all pages there, to be looked at.
func TestPagesCanBeLookedAt(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("PAGES")
	if folder == "" {
		t.Skip("PAGES names no folder")
	}
	for name, data := range pages {
		if err := os.WriteFile(filepath.Join(folder, name+".html"), []byte(data().written(t)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
