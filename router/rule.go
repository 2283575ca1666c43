package router

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Rule sends the requests that meet all of its conditions to a version.
type Rule struct {
	// Name stands for the rule in metrics, logs and explanations.
	Name string `toml:"name"`

	// To is the version: a tag, a tag and the first digits of its image ID, or
	// these digits alone.
	To string `toml:"to"`

	// If has the conditions, each a subject, a comparison and a value:
	//
	//	header:X-Team = qa         equal
	//	path ^= /beta              begins with
	//	cookie:plan =~ ^gold       regular expression (RE2)
	//	query:try != no            not equal
	//	header:X-Beta              there, and not empty
	//
	// Subjects are header:NAME, cookie:NAME, query:NAME, path, method, host
	// and network, whose value is a network or an address of the client.
	If []string `toml:"if"`
}

// maxRules bounds how many rules a service may have: each is looked at for
// each of its requests.
const maxRules = 64

func validateRules(rules []Rule, bad reporter) {
	if len(rules) > maxRules {
		bad("rule: there are %d rules: use at most %d", len(rules), maxRules)
	}
	names := map[string]bool{}
	for i, r := range rules {
		if !nameForm.MatchString(r.Name) {
			bad("rule[%d].name: %q is not a name: use 1 to 63 letters, digits, dots, dashes and underscores", i, r.Name)
		}
		if names[r.Name] {
			bad("rule[%d].name: there are two rules %s", i, r.Name)
		}
		names[r.Name] = true
		if r.To == "" {
			bad("rule[%d].to: it names no version: use a tag, v1, or a tag and the first digits of its image ID, v1@53bff422", i)
		}
		if len(r.If) == 0 {
			bad("rule[%d].if: there is no condition: use one such as \"header:X-Team = qa\"", i)
		}
		for _, text := range r.If {
			if _, err := parseCondition(text); err != nil {
				bad("rule[%d].if: %w", i, err)
			}
		}
	}
}

// rule is a Rule that is ready to be matched.
type rule struct {
	index int
	name  string
	to    string
	conditions
}

// conditions are tests that all have to be passed.
type conditions []condition

// condition is one test of a request.
type condition struct {
	subject string // "header", "cookie", "query", "path", "method", "host", "network"
	name    string
	op      string // "=", "!=", "^=", "=~", "" for presence
	value   string
	pattern *regexp.Regexp
	network netip.Prefix
}

func newRules(rules []Rule) []rule {
	var all []rule
	for i, r := range rules {
		if c := compile(r.If); c != nil {
			all = append(all, rule{i, r.Name, r.To, c})
		}
	}
	return all
}

// compile reads conditions; it returns nil if one of them is none.
func compile(texts []string) conditions {
	var all conditions
	for _, text := range texts {
		c, err := parseCondition(text)
		if err != nil {
			return nil
		}
		all = append(all, c)
	}
	return all
}

func parseCondition(text string) (c condition, err error) {
	bad := func(why string) (condition, error) {
		return c, fmt.Errorf("%q is not a condition: %s", text, why)
	}
	subject, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	c.subject, c.name, _ = strings.Cut(subject, ":")
	c.op, c.value, _ = strings.Cut(strings.TrimSpace(rest), " ")
	c.value = strings.TrimSpace(c.value)
	named := oneOf(c.subject, "header", "cookie", "query")
	const spaced = "compare by = (equal), != (not equal), ^= (begins with) or =~ (regular expression), with spaces around it"
	switch {
	case strings.Contains(subject, "="):
		return bad(spaced)
	case !named && !oneOf(c.subject, "path", "method", "host", "network"):
		return bad("it begins with header:NAME, cookie:NAME, query:NAME, path, method, host or network")
	case named && c.name == "", named && c.subject != "query" && !validToken(c.name):
		return bad("name what is looked at, as in header:X-Team")
	case !named && c.name != "":
		return bad(c.subject + " takes no name")
	case !oneOf(c.op, "", "=", "!=", "^=", "=~"):
		return bad(spaced)
	case c.op == "" && !named:
		return bad("say what it is compared with, as in path ^= /beta")
	case c.op != "" && c.value == "" && c.op != "!=":
		return bad("there is nothing to compare with")
	case c.subject == "network" && !oneOf(c.op, "=", "!="):
		return bad("a network is compared by = or !=")
	}
	switch {
	case c.subject == "network":
		if c.network, err = ParseNetwork(c.value); err != nil {
			return bad(err.Error())
		}
	case c.op == "=~":
		if c.pattern, err = regexp.Compile(c.value); err != nil {
			return bad(err.Error())
		}
	case c.subject == "host" && oneOf(c.op, "=", "!="):
		if c.value, err = normalHost(c.value); err != nil || strings.HasPrefix(c.value, "*") {
			return bad("a host is equal to one name, such as shop.example.com: compare by =~ for several")
		}
	case c.subject == "host":
		c.value = strings.ToLower(c.value)
	}
	return c, nil
}

// met reports whether a request meets all conditions.
func (all conditions) met(q *Query) bool {
	for i := range all {
		if !all[i].holds(q) {
			return false
		}
	}
	return true
}

func (c *condition) holds(q *Query) bool {
	if c.subject == "network" {
		return c.network.Contains(q.Client().Unmap().WithZone("")) == (c.op == "=")
	}
	found := c.of(q)
	switch c.op {
	case "=":
		return found == c.value
	case "!=":
		return found != c.value
	case "^=":
		return strings.HasPrefix(found, c.value)
	case "=~":
		return c.pattern.MatchString(found)
	default:
		return found != ""
	}
}

// of returns what a condition looks at.
func (c *condition) of(q *Query) string {
	switch c.subject {
	case "path":
		return q.Path()
	case "method":
		return q.Method()
	case "host":
		return HostName(q.Header("Host"))
	default:
		return key{kind: c.subject, name: c.name}.value(q.Request)
	}
}

// ruled returns the rule that decides, and its version; nil if none does.
func (s *Service) ruled(q *Query) (*rule, *Version) {
	for i := range s.rules {
		r := &s.rules[i]
		if r.met(q) {
			if v := s.find(r.to); v != nil {
				return r, v
			}
		}
	}
	return nil, nil
}
