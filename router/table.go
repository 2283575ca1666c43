package router

import (
	"slices"
	"time"

	"divvy/backends"

	"github.com/cespare/xxhash/v2"
)

// Table is all services at one moment. It does not change; whether a version
// has a usable backend is looked up in its pool.
type Table struct {
	Services []*Service // by Index

	// Partial says that not all services are known yet: what matches none may
	// be for one of the others. It is set before the table is used.
	Partial bool

	hosts hosts
}

// Service is one application, ready to decide.
type Service struct {
	Name     string
	Index    int        // in Table.Services
	Versions []*Version // those whose containers came first are first
	Rules    []string   // the names of its rules, in their order

	hosts      []string
	tls        TLS
	hsts       string
	salt       uint64
	sticky     []key
	keys       *Keyring
	cookie     cookie
	pins       bool
	keep       time.Duration // below zero is for ever
	keepAtZero bool
	rebalance  []string
	rules      []rule
	override   overrides
	shares     []share
	idle       []string // names of the split that mean no version
	compare    Compare
	goals      []goal
	counting   Counting
	splitID    uint32
}

// Version is one version of a service in a table.
type Version struct {
	Index int // in Service.Versions
	Pool  *backends.Pool
	Name  string // as in logs and metrics
	Tags  []string

	// RolledBack says that the image gets no weight until an edit says so.
	RolledBack bool

	hash   uint64
	atZero bool // the split names it, with the weight zero
}

// Input is what a table needs to know of one service.
type Input struct {
	Config
	Members []backends.Member

	// Holders are the images that have the weight of a name, though other
	// images may run under it, too.
	Holders map[string]string

	// RolledBack are the images that get no weight.
	RolledBack []string

	// Keys sign the cookies, nil for none.
	Keys *Keyring
}

// Build makes a table. Each Config must be valid; where two services claim the
// same host and path, the first gets it.
func Build(inputs []Input) *Table {
	t := &Table{}
	for i, in := range inputs {
		s := NewService(in)
		s.Index = i
		t.Services = append(t.Services, s)
		for _, h := range in.hosts() {
			for _, p := range in.paths() {
				t.hosts.add(h, p, s)
			}
		}
	}
	return t
}

// NewService makes a service that stands in no table: to see what a split would
// do.
func NewService(in Input) *Service {
	s := &Service{Name: in.Name, hosts: in.hosts(), tls: in.TLS, hsts: in.TLS.hstsField(), salt: xxhash.Sum64String(in.Name), keys: in.Keys}
	for j, m := range in.Members {
		v := newVersion(j, m)
		v.RolledBack = slices.Contains(in.RolledBack, v.Key())
		s.Versions = append(s.Versions, v)
	}
	for name, w := range in.Weights {
		for _, v := range meant(in.Weights, name, s.Versions) {
			v.atZero = v.atZero || w == 0 && !v.RolledBack
		}
	}
	s.shares, s.idle = newSplit(in, s.Versions), idleWeights(in.Weights, s.Versions)
	for i := range s.shares {
		s.shares[i].seen = s.shares[i].holder()
	}
	s.splitID = splitIDOf(s.Holdings())
	s.compare, s.goals = in.Compare, newGoals(in.Goals)
	s.stick(in.Sticky)
	s.rules = newRules(in.Rules)
	for _, r := range in.Rules {
		s.Rules = append(s.Rules, r.Name)
	}
	s.override = newOverrides(in.Override)
	return s
}

// stick prepares what recognises units, and what keeps them.
func (s *Service) stick(c Sticky) {
	s.cookie = newCookie(c.Cookie, s.Name)
	for _, by := range c.By {
		k, err := parseKey(by)
		if err != nil {
			continue
		}
		if k.kind == "issued" {
			k.name = s.cookie.name
		}
		s.sticky = append(s.sticky, k)
	}
	s.pins = c.Pins()
	s.keep, _ = parseKeep(c.Keep)
	s.keepAtZero = c.OnZero == "keep"
	s.rebalance = c.RebalanceOn
}
