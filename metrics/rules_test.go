package metrics

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// ruled returns the lines of the rules' counters.
func ruled(t *testing.T, p *Prometheus) string {
	t.Helper()
	return scrape(t, p, "divvy_rule_matches_total")
}

func rule(service, name string, n int) string {
	return fmt.Sprintf("divvy_rule_matches_total{rule=%q,service=%q} %d\n", name, service, n)
}

func TestMatchesAreCountedByRule(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	if got := ruled(t, p); got != "" {
		t.Errorf("before there is any rule: got\n%s", got)
	}
	shop, blog := p.Rules("shop", []string{"b", "a"}), p.Rules("blog", []string{"a"})
	shop[0].Inc()
	shop[0].Inc()
	blog[0].Inc()
	want := rule("blog", "a", 1) + rule("shop", "a", 0) + rule("shop", "b", 2)
	if got := ruled(t, p); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := p.Rules("empty", nil); len(got) != 0 {
		t.Errorf("no rules have %d counters", len(got))
	}
}

// A count belongs to the rule's name, wherever it stands.
func TestRulesKeepTheirCountsThroughReloads(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	p.Rules("shop", []string{"a", "b"})[1].Inc()
	again := p.Rules("shop", []string{"new", "b", "a"})
	again[1].Inc()
	p.Present([]Key{{Service: "shop"}})
	want := rule("shop", "a", 0) + rule("shop", "b", 2) + rule("shop", "new", 0)
	if got := ruled(t, p); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRulesThatAreGoneAreDropped(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	old := p.Rules("shop", []string{"a", "b"})
	p.Rules("blog", []string{"a"})
	p.Rules("shop", []string{"b"})
	old[0].Inc() // a late request of the table before
	old[1].Inc()
	if got, want := ruled(t, p), rule("blog", "a", 0)+rule("shop", "b", 1); got != want {
		t.Errorf("a rule is gone: got\n%s\nwant\n%s", got, want)
	}
	p.Present([]Key{{Service: "shop"}})
	if got, want := ruled(t, p), rule("shop", "b", 1); got != want {
		t.Errorf("a service is gone: got\n%s\nwant\n%s", got, want)
	}
	// What comes back under its name starts from zero.
	p.Rules("shop", []string{"a", "b"})
	p.Rules("blog", []string{"a"})
	p.Present([]Key{{Service: "shop"}, {Service: "blog"}})
	if got, want := ruled(t, p), rule("blog", "a", 0)+rule("shop", "a", 0)+rule("shop", "b", 1); got != want {
		t.Errorf("they are back: got\n%s\nwant\n%s", got, want)
	}
	p.Rules("shop", nil)
	p.Present(nil)
	if got := ruled(t, p); got != "" {
		t.Errorf("all are gone: got\n%s", got)
	}
}

func TestRulesAreCountedWhileTheyChange(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 100 {
				for _, c := range p.Rules("shop", []string{"stays", fmt.Sprint("r", (i+j)%3)}) {
					c.Inc()
				}
				p.Present([]Key{{Service: "shop"}})
			}
		})
		wg.Go(func() {
			for range 20 {
				ruled(t, p)
			}
		})
	}
	wg.Wait()
	if got, want := ruled(t, p), rule("shop", "stays", 400); !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 2 {
		t.Errorf("got\n%s\nwant one rule and\n%s", got, want)
	}
}
