package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"divvy/backends"
	"divvy/backends/docker"
	"divvy/cmd/internal/config"
	"divvy/router"
)

// labelPrefix begins every label that speaks to divvy.
const labelPrefix = "divvy."

// labels is what a container's labels say. The labels divvy.port and
// divvy.network are read where the address is found.
type labels struct {
	service  string
	hosts    []string
	paths    []string
	sticky   router.Sticky
	override []string
	tagMove  string
	rules    []router.Rule
	weight   *int
	care     backends.Care
	wire     backends.Wire
	tls      router.TLS
	any      bool // there is a label for divvy

	immutable string
	ignore    docker.Ignore // of the container that has the label
}

// ruleLabel begins the labels that are rules: divvy.rule.NAME=VERSION if
// CONDITION; CONDITION.
const ruleLabel = "divvy.rule."

// LabelKeys lists the labels that divvy understands.
func LabelKeys() []string {
	return []string{
		"divvy.service", "divvy.hosts", "divvy.paths", "divvy.port", "divvy.network",
		"divvy.protocol", "divvy.backend_tls.server_name", "divvy.backend_tls.insecure", "divvy.weight", "divvy.on_tag_move",
		"divvy.sticky", "divvy.sticky.keep", "divvy.sticky.on_zero", "divvy.sticky.rebalance_on", "divvy.sticky.cookie",
		"divvy.immutable", "divvy.immutable.ignore", "divvy.override", ruleLabel + "NAME",
		"divvy.tls.redirect", "divvy.tls.hsts", "divvy.tls.hsts_subdomains", "divvy.tls.hsts_preload",
		"divvy.health.path", "divvy.health.status", "divvy.health.text", "divvy.health.tcp", "divvy.health.grpc", "divvy.health.grpc_service", "divvy.health.port",
		"divvy.health.interval", "divvy.health.timeout", "divvy.eject", "divvy.slow_start", "divvy.drain_timeout",
	}
}

// known reports whether divvy understands a label.
func known(key string) bool {
	return slices.Contains(LabelKeys(), key) || strings.HasPrefix(key, ruleLabel)
}

// parseLabels reads a container's labels, and returns all that is wrong with
// them.
func parseLabels(all map[string]string) (labels, error) {
	l := labels{
		service:  all["divvy.service"],
		hosts:    list(all["divvy.hosts"]),
		paths:    list(all["divvy.paths"]),
		override: list(all["divvy.override"]),
		tagMove:  all["divvy.on_tag_move"],
		rules:    rules(all),

		immutable: all["divvy.immutable"],
		ignore:    docker.Ignore(list(all["divvy.immutable.ignore"])),

		sticky: router.Sticky{
			By: list(all["divvy.sticky"]), Keep: all["divvy.sticky.keep"], OnZero: all["divvy.sticky.on_zero"],
			RebalanceOn: list(all["divvy.sticky.rebalance_on"]),
			Cookie:      router.Cookie{Name: all["divvy.sticky.cookie"]},
		},
	}
	var problems []error
	for key := range all {
		l.any = l.any || known(key)
		if strings.HasPrefix(key, labelPrefix) && !known(key) {
			problems = append(problems, fmt.Errorf("unknown label %s: use %s", key, strings.Join(LabelKeys(), ", ")))
		}
	}
	if text, ok := all["divvy.weight"]; ok {
		w, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || w < 0 || w > router.MaxWeight {
			problems = append(problems, fmt.Errorf("label divvy.weight: %q is not a weight: use 0 to %d", text, router.MaxWeight))
		} else {
			l.weight = &w
		}
	}
	var wrong []error
	l.care, wrong = careOf(all)
	problems = append(problems, wrong...)
	l.wire, wrong = wireOf(all)
	problems = append(problems, wrong...)
	l.tls, wrong = tlsOf(all)
	problems = append(problems, wrong...)
	problems = append(problems, l.validate()...)
	return l, together(problems)
}

// validate returns what is wrong with those labels that are configuration, in
// terms of the labels.
func (l *labels) validate() []error {
	c := router.Config{Name: l.service}
	l.describe(&c)
	if c.Name == "" {
		c.Name = "none" // whether it needs one is for the catalog to say
	}
	err := errors.Join(c.Validate(), config.ValidateImmutable(l.immutable, l.ignore))
	if err == nil {
		return nil
	}
	labelOf := map[string]string{"name": "service", "sticky.by": "sticky", "override.networks": "override", "sticky.cookie.name": "sticky.cookie",
		"immutable_ignore": "immutable.ignore"}
	for i, r := range l.rules {
		for _, key := range []string{"name", "to", "if"} {
			labelOf[fmt.Sprintf("rule[%d].%s", i, key)] = "rule." + r.Name
		}
	}
	var problems []error
	for _, e := range flat(err) {
		key, text, _ := strings.Cut(e.Error(), ": ")
		problems = append(problems, fmt.Errorf("label %s%s: %s", labelPrefix, cmp.Or(labelOf[key], key), text))
	}
	return problems
}

// flat takes joined errors apart.
func flat(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flat(e)...)
	}
	return all
}

// describe says of a service what the labels say.
func (l *labels) describe(c *router.Config) {
	c.Hosts, c.Paths, c.OnTagMove, c.Sticky, c.Rules = l.hosts, l.paths, l.tagMove, l.sticky, l.rules
	c.Override.Networks, c.TLS = l.override, l.tls
}

// tlsOf returns what labels say of TLS, and what is wrong with them. Files are for
// the file to name.
func tlsOf(all map[string]string) (router.TLS, []error) {
	t, r := router.DefaultTLS(), careReader{labels: all}
	read(&r, "tls.redirect", &t.Redirect, "true or false", strconv.ParseBool)
	r.duration("tls.hsts", &t.HSTS)
	read(&r, "tls.hsts_subdomains", &t.HSTSSubdomains, "true or false", strconv.ParseBool)
	read(&r, "tls.hsts_preload", &t.HSTSPreload, "true or false", strconv.ParseBool)
	return t, r.problems
}

// rules returns the rules of labels, in the order of their names.
func rules(all map[string]string) []router.Rule {
	var out []router.Rule
	for key, text := range all {
		name, ok := strings.CutPrefix(key, ruleLabel)
		if !ok {
			continue
		}
		to, conditions, _ := strings.Cut(text, " if ")
		r := router.Rule{Name: name, To: strings.TrimSpace(to)}
		for c := range strings.SplitSeq(conditions, ";") {
			if c = strings.TrimSpace(c); c != "" {
				r.If = append(r.If, c)
			}
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b router.Rule) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// together makes one error of several, on one line.
func together(problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	texts := make([]string, 0, len(problems))
	for _, p := range problems {
		texts = append(texts, p.Error())
	}
	slices.Sort(texts)
	return errors.New(strings.Join(texts, "; "))
}

// list splits a label's value at commas.
func list(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
