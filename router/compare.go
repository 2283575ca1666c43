package router

import (
	"fmt"
	"slices"

	"divvy/metrics/stats"
)

// Compare says which versions are judged by which, and by what.
type Compare struct {
	// Off switches it off.
	Off bool `toml:"off"`

	// Stable is the version that the others are compared with, named as in
	// weights; "" is the one with the most weight.
	Stable string `toml:"stable"`

	// Candidates are those that are compared with it; none means every other
	// version with weight, of which the MaxCandidates heaviest count.
	Candidates []string `toml:"candidates"`

	// Errors are statuses below 500 that count as errors for this service, and
	// NotErrors those from 500 on that do not.
	Errors    []int `toml:"errors"`
	NotErrors []int `toml:"not_errors"`

	// Tolerate says how much worse a candidate may be, by metric: "errors",
	// "canceled", "p95", "p99" and "speed". What is not said is as usual.
	Tolerate map[string]Tolerance `toml:"tolerate"`
}

// Tolerance is how much worse a candidate may be. What is nil is as usual.
type Tolerance struct {
	// Relative is the part by which it may be worse: 0.25 is a quarter more
	// errors, or a quantile that is longer by a quarter.
	Relative *float64 `toml:"relative"`

	// Absolute is, of errors and canceled, what bounds the harm on the way to all
	// of the traffic: 0.001 are 0.1 points of all requests. Of latencies it is a
	// difference in seconds that is tolerated whatever part it is of the whole.
	Absolute *float64 `toml:"absolute"`
}

// MaxCandidates is how many versions are compared with the stable one at a time.
const MaxCandidates = 8

// Goal is something that requests can reach, such as a purchase. A unit reaches it
// once.
type Goal struct {
	// Name stands for the goal in metrics and verdicts.
	Name string `toml:"name"`

	// If has the conditions that the request meets, as those of a [Rule].
	If []string `toml:"if"`

	// Status are the statuses of answers that count; none means 200 to 399.
	Status []int `toml:"status"`

	// Tolerate is the part of the rate that a candidate may lose: 0.03 (or nil).
	Tolerate *float64 `toml:"tolerate"`

	// Guard says that no candidate is no worse that may lose more.
	Guard bool `toml:"guard"`
}

// metricsOf are the metrics that something may be tolerated of, besides goals.
var metricsOf = []string{"errors", "canceled", "p95", "p99", "speed"}

func (c *Compare) validate(bad reporter) {
	if len(c.Candidates) > MaxCandidates {
		bad("compare.candidates: there are %d: name at most %d", len(c.Candidates), MaxCandidates)
	}
	if c.Stable != "" && !weightForm.MatchString(c.Stable) {
		bad("compare.stable: %q names no version: use a tag, v1, or a tag and the first digits of its image ID, v1@53bff422", c.Stable)
	}
	for _, name := range c.Candidates {
		switch {
		case !weightForm.MatchString(name):
			bad("compare.candidates: %q names no version: use a tag, v1, or a tag and the first digits of its image ID, v1@53bff422", name)
		case name == c.Stable:
			bad("compare.candidates: %s is compare.stable: a version is not compared with itself", name)
		}
	}
	validateStatuses("compare.errors", c.Errors, 100, 499, bad)
	validateStatuses("compare.not_errors", c.NotErrors, 500, 599, bad)
	for _, metric := range sorted(c.Tolerate) {
		t := c.Tolerate[metric]
		if !slices.Contains(metricsOf, metric) {
			bad("compare.tolerate: %q is no metric: use errors, canceled, p95, p99 or speed", metric)
			continue
		}
		validateTolerance("compare.tolerate."+metric+".relative", t.Relative, 10, bad)
		validateTolerance("compare.tolerate."+metric+".absolute", t.Absolute, 1, bad)
	}
}

func validateTolerance(key string, t *float64, most float64, bad reporter) {
	if t != nil && !(*t > 0 && *t <= most) {
		bad("%s: %v is not what can be tolerated: use more than 0 and at most %v, 0.25 for a quarter", key, *t, most)
	}
}

func validateStatuses(key string, statuses []int, least, most int, bad reporter) {
	for _, status := range statuses {
		if status < least || status > most {
			bad("%s: %d is none of its statuses: use %d to %d", key, status, least, most)
		}
	}
}

func validateGoals(goals []Goal, bad reporter) {
	if len(goals) > stats.MaxGoals {
		bad("goal: there are %d goals: use at most %d", len(goals), stats.MaxGoals)
	}
	names := map[string]bool{}
	for i, g := range goals {
		switch {
		case !nameForm.MatchString(g.Name):
			bad("goal[%d].name: %q is not a name: use 1 to 63 letters, digits, dots, dashes and underscores", i, g.Name)
		case names[g.Name]:
			bad("goal[%d].name: there are two goals %s", i, g.Name)
		case slices.Contains(metricsOf, g.Name):
			bad("goal[%d].name: %s is a metric of every service: use another name", i, g.Name)
		}
		names[g.Name] = true
		if len(g.If) == 0 {
			bad("goal[%d].if: there is no condition: use one such as \"path ^= /checkout/done\"", i)
		}
		for _, text := range g.If {
			if _, err := parseCondition(text); err != nil {
				bad("goal[%d].if: %w", i, err)
			}
		}
		validateStatuses(fmt.Sprintf("goal[%d].status", i), g.Status, 100, 599, bad)
		validateTolerance(fmt.Sprintf("goal[%d].tolerate", i), g.Tolerate, 0.99, bad)
	}
}

// goal is a Goal that is ready to be matched.
type goal struct {
	conditions
	status []int
}

func newGoals(goals []Goal) []goal {
	var all []goal
	for _, g := range goals[:min(len(goals), stats.MaxGoals)] {
		// One without conditions keeps its bit, and is never reached.
		all = append(all, goal{compile(g.If), g.Status})
	}
	return all
}

// Goals returns which goals a request would reach, one bit each, if it is answered
// as it must be for that; see Reached.
func (s *Service) Goals(q *Query) (goals uint8) {
	for i := range s.goals {
		if len(s.goals[i].conditions) > 0 && s.goals[i].met(q) {
			goals |= 1 << i
		}
	}
	return goals
}

// Reached returns which of these goals were reached by an answer.
func (s *Service) Reached(goals uint8, status int) (reached uint8) {
	for i := range s.goals {
		switch g := &s.goals[i]; {
		case goals&(1<<i) == 0:
		case len(g.status) == 0 && status >= 200 && status < 400, slices.Contains(g.status, status):
			reached |= 1 << i
		}
	}
	return reached
}

// Fails reports whether an answer with a status is an error of the version.
func (s *Service) Fails(status int) bool {
	if status >= 500 {
		return !slices.Contains(s.compare.NotErrors, status)
	}
	return slices.Contains(s.compare.Errors, status)
}
