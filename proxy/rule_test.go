package proxy

import (
	"strings"
	"testing"

	"divvy/router"
)

// counts checks the counters of the rules, as /metrics has them.
func (h *harness) counts(want ...string) {
	h.t.Helper()
	var got []string
	for line := range strings.Lines(h.scrape()) {
		if strings.HasPrefix(line, "divvy_rule_matches_total{") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		h.t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRulesSendRequestsToVersions(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.versions("v1", "v2")
		door.configure(func(_ *Config, s *router.Config) {
			s.Weights = map[string]int{"v1": 1}
			s.Override.Networks = []string{"127.0.0.1"}
			s.Rules = []router.Rule{
				{Name: "beta", To: "v2", If: []string{"path ^= /beta x/"}},
				{Name: "team", To: "v2", If: []string{"header:x-team = qa", "method != POST", "host = shop.test", "network = 127.0.0.0/8"}},
				{Name: "gold", To: "v2", If: []string{"cookie:plan =~ ^gold"}},
				{Name: "try", To: "v2", If: []string{"query:try = a b"}},
				{Name: "nobody", To: "v3", If: []string{"path ^= /"}},
				{Name: "far", To: "v2", If: []string{"network = 192.0.2.0/24"}},
			}
		})
		f := func(version, reason, target string, fields ...string) {
			t.Helper()
			a := door.get(target, fields...)
			door.is(a, 200, version)
			door.setsNothing(a)
			if o := door.observed(); o.Reason != reason {
				t.Errorf("%s %q: by %s, want %s", target, fields, o.Reason, reason)
			}
		}
		f("v1", "request", "/")
		f("v2", "rule", "/beta%20x/a")
		f("v1", "request", "/beta%20x")
		f("v2", "rule", "/", "X-Team: qa")
		f("v1", "request", "/", "X-Team: dev")
		f("v2", "rule", "/", "Cookie: a=b; plan=golden")
		f("v1", "request", "/", "Cookie: plan=golden; plan=golden") // which one is meant is unknown
		f("v2", "rule", "/?try=a+b")
		f("v2", "rule", "/?%74ry=a%20b")
		f("v1", "override", "/beta%20x/", "Divvy-Version: v1")
		door.is(door.post("/", "", "X-Team: qa"), 200, "v1")
		door.observed()
		want := func(beta string) []string {
			return []string{
				`divvy_rule_matches_total{rule="beta",service="shop"} ` + beta,
				`divvy_rule_matches_total{rule="far",service="shop"} 0`,
				`divvy_rule_matches_total{rule="gold",service="shop"} 1`,
				`divvy_rule_matches_total{rule="nobody",service="shop"} 0`,
				`divvy_rule_matches_total{rule="team",service="shop"} 1`,
				`divvy_rule_matches_total{rule="try",service="shop"} 2`,
			}
		}
		door.counts(want("1")...)

		// A reload keeps the counts of the rules that stay, whatever their order is.
		door.configure(func(_ *Config, s *router.Config) { s.Rules = append(s.Rules[1:], s.Rules[0]) })
		door.counts(want("1")...)
		f("v2", "override", "/", "Divvy-Version: v2")
		f("v2", "rule", "/beta%20x/")
		door.counts(want("2")...)
		door.configure(func(_ *Config, s *router.Config) { s.Rules = s.Rules[:2] })
		door.counts(want("2")[2], want("2")[4])
		door.configure(func(_ *Config, s *router.Config) { s.Rules = nil })
		door.counts()
	})
}
