package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"divvy/router"
)

// Unix stands for whoever connects to a unix socket where networks are named. It
// has no address, so no network contains it: not even that of this machine, which
// would give whoever may open a file what was meant for whoever has a login.
const Unix = "unix"

// peers are those that something holds for.
type peers struct {
	networks []netip.Prefix
	unix     bool // those without an address, too
}

// parsePeers reads what validatePeers has nothing against.
func parsePeers(texts []string) peers {
	p := peers{unix: slices.Contains(texts, Unix)}
	for _, text := range texts {
		if n, err := router.ParseNetwork(text); err == nil {
			p.networks = append(p.networks, n)
		}
	}
	return p
}

// validatePeers returns what is wrong with a list of networks, each problem with
// the key of the list.
func validatePeers(key string, texts []string) error {
	var problems []error
	for _, text := range texts {
		if _, err := router.ParseNetwork(text); err != nil && text != Unix {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
	}
	return errors.Join(problems...)
}

// none reports whether there can be nobody.
func (p *peers) none() bool { return len(p.networks) == 0 && !p.unix }

// has reports whether a peer is one of them, by its address; without one it is
// connected to a unix socket.
func (p *peers) has(a netip.Addr) bool {
	if !a.IsValid() {
		return p.unix
	}
	return slices.ContainsFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// peerOf returns the address of who is connected from a remote address, and the
// same in words. One without an address is "unknown" (RFC 7239 section 6.2).
func peerOf(remote string) (netip.Addr, string) {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}, "unknown"
	}
	a := plain(ap.Addr())
	return a, a.String()
}

// plain returns an address in the form in which networks are compared with it:
// IPv4 as such, and without a zone, which no network contains.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
