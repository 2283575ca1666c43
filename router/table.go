package router

import (
	"net/netip"

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

	// Cookie is the name of the cookie in which divvy keeps the unit, "" if
	// the service is not sticky by it.
	Cookie string

	salt     uint64
	sticky   []key
	override []netip.Prefix
	shares   []share
	idle     []string // keys of the weights that name no version
}

// Version is one version of a service in a table.
type Version struct {
	Index int // in Service.Versions
	Pool  *backends.Pool
	Name  string // as in logs and metrics
	Tags  []string
	hash  uint64
}

// Input is what a table needs to know of one service.
type Input struct {
	Config
	Members []backends.Member
}

// Build makes a table. Each Config must be valid; where two services claim the
// same host and path, the first gets it.
func Build(inputs []Input) *Table {
	t := &Table{}
	for i, in := range inputs {
		s := newService(i, in)
		t.Services = append(t.Services, s)
		for _, h := range in.hosts() {
			for _, p := range in.paths() {
				t.hosts.add(h, p, s)
			}
		}
	}
	return t
}

func newService(i int, in Input) *Service {
	s := &Service{Name: in.Name, Index: i, salt: xxhash.Sum64String(in.Name)}
	for j, m := range in.Members {
		s.Versions = append(s.Versions, newVersion(j, m))
	}
	s.shares, s.idle = newSplit(in.Weights, s.Versions), idleWeights(in.Weights, s.Versions)
	for _, by := range in.Sticky.By {
		k, err := parseKey(by)
		if err != nil {
			continue
		}
		if k.kind == "issued" {
			s.Cookie = "divvy-" + in.Name
			k.name = s.Cookie
		}
		s.sticky = append(s.sticky, k)
	}
	for _, n := range in.Override.Networks {
		if p, err := ParseNetwork(n); err == nil {
			s.override = append(s.override, p)
		}
	}
	return s
}
