package admin

import (
	"time"

	"divvy/metrics/stats"
)

// Comparison is a candidate beside the stable version of its service.
type Comparison struct {
	Service   string        `json:"service"`
	Stable    Compared      `json:"stable"`
	Candidate Compared      `json:"candidate"`
	Since     time.Time     `json:"since"`             // when the comparison began; earlier counts are of other images
	Verdict   Verdict       `json:"verdict"`           // of all that a rollout depends on
	Reason    string        `json:"reason"`            // why, in a sentence
	Sentences []string      `json:"sentences"`         // what was found, the most important first
	PerSecond float64       `json:"per_second"`        // units of both versions, lately; 0: not known
	Report    *stats.Report `json:"report"`            // all numbers
	Proxies   []Proxy       `json:"proxies,omitempty"` // the split by itself, where several count
}

// Compared is one of the two versions that are compared.
type Compared struct {
	Version     string  `json:"version"` // as in logs and metrics
	ImageID     string  `json:"image_id,omitempty"`
	Fingerprint string  `json:"fingerprint,omitempty"` // of what else shapes what it does
	Revision    string  `json:"revision,omitempty"`
	Created     string  `json:"created,omitempty"`
	Weight      float64 `json:"weight"`
	Share       float64 `json:"share"` // of all units, now; 0 to 1
}

// Proxy is what one of several proxies saw of the split.
type Proxy struct {
	Name  string             `json:"name"`
	Split stats.SplitFinding `json:"split"`
}

// Verdict is what a comparison comes to.
type Verdict string

// The verdicts.
const (
	Worse      Verdict = "worse"       // a guard is certainly worse by more than is tolerated
	NoWorse    Verdict = "no_worse"    // all guards are certainly within what is tolerated
	CannotTell Verdict = "cannot_tell" // there is not enough evidence for either, or the split is off
)
