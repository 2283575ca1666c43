package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

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
	sticky   []string
	override []string
	weight   *int
	any      bool // there is a label for divvy
}

// LabelKeys lists the labels that divvy understands.
func LabelKeys() []string {
	return []string{"divvy.service", "divvy.hosts", "divvy.paths", "divvy.port", "divvy.network", "divvy.weight", "divvy.sticky", "divvy.override"}
}

// parseLabels reads a container's labels, and returns all that is wrong with
// them.
func parseLabels(all map[string]string) (labels, error) {
	l := labels{
		service:  all["divvy.service"],
		hosts:    list(all["divvy.hosts"]),
		paths:    list(all["divvy.paths"]),
		sticky:   list(all["divvy.sticky"]),
		override: list(all["divvy.override"]),
	}
	var problems []error
	for key := range all {
		l.any = l.any || slices.Contains(LabelKeys(), key)
		if strings.HasPrefix(key, labelPrefix) && !slices.Contains(LabelKeys(), key) {
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
	problems = append(problems, l.validate()...)
	return l, together(problems)
}

// validate returns what is wrong with those labels that are configuration, in
// terms of the labels.
func (l *labels) validate() []error {
	c := router.Config{Name: l.service, Hosts: l.hosts, Paths: l.paths, Sticky: router.Sticky{By: l.sticky}, Override: router.Override{Networks: l.override}}
	if c.Name == "" {
		c.Name = "none" // whether it needs one is for the catalog to say
	}
	err := c.Validate()
	if err == nil {
		return nil
	}
	labelOf := map[string]string{"name": "service", "sticky.by": "sticky", "override.networks": "override"}
	var problems []error
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		key, text, _ := strings.Cut(e.Error(), ": ")
		problems = append(problems, fmt.Errorf("label %s%s: %s", labelPrefix, cmp.Or(labelOf[key], key), text))
	}
	return problems
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
