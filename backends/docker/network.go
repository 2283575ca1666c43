package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
)

// maxSharing is how many containers may share a network by way of one another.
const maxSharing = 8

// shareNetworks gives the containers that are in the network of another one what
// makes its address. Those whose other one is not there keep nothing, as they
// have nothing.
func shareNetworks(all []Container) {
	sharing := func(c Container) bool { return c.NetworkOf != "" }
	if !slices.ContainsFunc(all, sharing) {
		return
	}
	// The engine writes IDs; those who create containers by its API may write
	// names.
	by := make(map[string]*Container, 2*len(all))
	for i := range all {
		by[all[i].Name] = &all[i]
	}
	for i := range all {
		by[all[i].ID] = &all[i]
	}
	for i := range all {
		c := &all[i]
		owner := c
		for n := 0; owner != nil && owner.NetworkOf != "" && n < maxSharing; n++ {
			owner = by[owner.NetworkOf]
		}
		if owner != nil && owner != c && owner.NetworkOf == "" {
			c.Networks, c.HostNetwork, c.Published = owner.Networks, owner.HostNetwork, owner.Published
		}
	}
}

// wide returns the networks, by ID, whose addresses are the same on every
// machine. Where nobody may ask for networks there are none.
func (c *Client) wide(ctx context.Context) (map[string]bool, error) {
	api, err := c.negotiated(ctx)
	if err != nil {
		return nil, fmt.Errorf("docker host %s: %w", c.host, err)
	}
	list, err := api.NetworkList(ctx, network.ListOptions{})
	if errdefs.IsPermissionDenied(err) || errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("docker host %s: asking for its networks: %w", c.host, err)
	}
	all := map[string]bool{}
	for _, n := range list {
		if n.Scope != "local" || strings.HasSuffix(n.Driver, "vlan") { // macvlan and ipvlan
			all[n.ID] = true
		}
	}
	return all, nil
}
