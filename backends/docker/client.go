package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// userAgent is how divvy shows itself in the engine's log.
const userAgent = "divvy"

// Client is a Docker engine, reached through its API. Of it, these are used, so
// that a proxy before the engine's socket need allow no more:
//
//	GET /_ping  /version  /events
//	GET /containers/json  /containers/{id}/json  /images/{id}/json
//	GET /containers/{id}/changes
//	GET /networks, of engines on other machines
//
// It may be asked for HEAD /containers/{id}/archive in addition, which tells files
// from folders: without that, a changed file is not known to be one.
type Client struct {
	// Key is that of the hashes in fingerprints. Clients whose containers are to
	// be compared must have the same. It must not change after the first call.
	Key []byte

	host Host

	mu  sync.Mutex
	api *client.Client // speaks a version of the API that the engine knows; nil at first
}

var _ Daemon = (*Client)(nil)

// Connect returns a client for the engine of h. It connects when it is first
// used; the error is about what h says.
func Connect(h Host) (*Client, error) {
	c := &Client{host: h.complete()}
	if _, err := c.host.dial(); err != nil {
		return nil, err
	}
	return c, nil
}

// Host returns where the engine is, completed from the environment.
func (c *Client) Host() Host { return c.host }

// negotiate agrees with the engine on a version of its API, as the library
// would by itself if told to. But that writes what concurrent calls read, goes
// on with a version that may be too new if the engine is down at first, and
// never goes up again, as it must when the engine was upgraded meanwhile to one
// that does not speak the old version any more.
func (c *Client) negotiate(ctx context.Context) (*client.Client, error) {
	api, err := c.host.dial()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, callTimeout)
	defer stop()
	ping, err := api.Ping(ctx)
	if err != nil {
		return nil, fmt.Errorf("greeting the engine: %w", err)
	}
	api.NegotiateAPIVersionPing(ping)

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.api != nil {
		_ = c.api.Close() // its idle connections; calls that use it may end
	}
	c.api = api
	return api, nil
}

// negotiated returns a client that has agreed on a version.
func (c *Client) negotiated(ctx context.Context) (*client.Client, error) {
	c.mu.Lock()
	api := c.api
	c.mu.Unlock()
	if api != nil {
		return api, nil
	}
	return c.negotiate(ctx)
}

// Close closes the connections that are not in use.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.api == nil {
		return nil
	}
	return c.api.Close()
}

// List implements Daemon.
func (c *Client) List(ctx context.Context) ([]Summary, error) {
	api, err := c.negotiated(ctx)
	if err != nil {
		return nil, err
	}
	list, err := api.ContainerList(ctx, container.ListOptions{})
	if err != nil {
		return nil, err
	}
	all := make([]Summary, 0, len(list))
	for i := range list {
		all = append(all, decodeSummary(&list[i]))
	}
	return all, nil
}

// Inspect implements Daemon.
func (c *Client) Inspect(ctx context.Context, id string) (Container, error) {
	fail := func(err error) (Container, error) {
		return Container{}, fmt.Errorf("container %.12s: %w", id, err)
	}
	api, err := c.negotiated(ctx)
	if err != nil {
		return fail(err)
	}
	answer, err := api.ContainerInspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return fail(ErrGone)
	}
	if err != nil {
		return fail(fmt.Errorf("inspecting: %w", err))
	}
	found, err := decodeContainer(&answer)
	if err != nil {
		return fail(err)
	}
	found.Fingerprint = fingerprint(c.Key, &answer)
	if found.Version.Tag == "" {
		if err := nameByImage(ctx, api, &found); err != nil {
			return fail(err)
		}
	}
	return found, nil
}

// nameByImage completes the version of a container that was started by digest
// or by ID. An image may have lost its names, or have been removed by force
// while the container runs.
func nameByImage(ctx context.Context, api *client.Client, c *Container) error {
	v := &c.Version
	image, err := api.ImageInspect(ctx, v.ImageID)
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("inspecting its image: %w", err)
	}
	name := imageName{v.Repository, v.Tag}.complete(image.RepoTags, image.RepoDigests, v.ImageID)
	v.Repository, v.Tag = name.repository, name.tag
	return nil
}

// Watch implements Daemon. Each time it agrees on the version of the API anew.
func (c *Client) Watch(ctx context.Context, s Subscription) error {
	api, err := c.negotiate(ctx)
	if err != nil {
		return fmt.Errorf("opening the event stream: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	messages, ended := api.Events(ctx, events.ListOptions{Since: timestamp(s.Since), Filters: relevant()})
	s.Opened()
	for {
		select {
		case m := <-messages:
			s.Handle(decodeEvent(&m))
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				err = errors.New("the engine closed it")
			}
			return fmt.Errorf("reading the event stream: %w", err)
		}
	}
}

// relevant selects the events after which a list may say something new, and those
// of what is done to a container by hand. Without it each run of a health check
// would be three events; with it, it is one.
func relevant() filters.Args {
	f := filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)),
		filters.Arg("type", string(events.NetworkEventType)),
		filters.Arg("type", string(events.ServiceEventType)),
		filters.Arg("type", string(events.NodeEventType)),
	)
	for _, action := range []events.Action{
		actionKill, actionDie, podmanDied, actionOOM,
		events.ActionStart, events.ActionStop, events.ActionDestroy, events.ActionRename,
		events.ActionPause, events.ActionUnPause, events.ActionHealthStatus,
		events.ActionConnect, events.ActionDisconnect,
		actionExec, actionCopy,
		events.ActionCreate, events.ActionUpdate, events.ActionRemove,
	} {
		f.Add("event", string(action))
	}
	return f
}

// timestamp writes t as the API wants it: seconds and nanoseconds.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond())
}
