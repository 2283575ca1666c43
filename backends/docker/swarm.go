package docker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// Swarm is an engine as a [Client] knows it, and if it manages a Swarm, all
// tasks of it as well, wherever they run: each is a [Container], with the
// labels of its service. Of an engine that manages none it says what the Client
// says. Of the API it uses what the Client does, and
//
//	GET /services  /tasks     whenever it lists, and tasks more often, see poll
//	GET /info                 once, for the IDs of cluster and node
//	GET /nodes                where tasks are reached through ports of their nodes
//
// A proxy before the engine that refuses the first hides the Swarm.
type Swarm struct {
	*Client

	stirred chan struct{} // receives a value after something happened

	mu     sync.Mutex // guards the fields below
	last   *census    // what the last list said; nil if the engine manages no Swarm
	denied time.Time  // since when the engine says that it manages none any more
	moved  time.Time  // when something happened last
}

var _ Daemon = (*Swarm)(nil)

// patience is how long an engine that managed a Swarm may say that it does not
// before it is believed. One that is starting says so, too, and its tasks run on.
const patience = 30 * time.Second

// NewSwarm returns the Swarm that the engine manages, if it does.
func NewSwarm(c *Client) *Swarm { return &Swarm{Client: c, stirred: make(chan struct{}, 1)} }

// Cluster returns the ID of the Swarm, "" if the engine manages none or does not
// say which. Managers of one Swarm say the same.
func (s *Swarm) Cluster() string {
	if c := s.known(); c != nil {
		return c.cluster
	}
	return ""
}

// Nodes returns the IDs of the nodes of the Swarm that the engine manages, as
// far as they had tasks. The map must not be changed.
func (s *Swarm) Nodes() map[string]bool {
	if c := s.known(); c != nil {
		return c.nodes
	}
	return nil
}

// known returns what the last list said, nil if there is no Swarm.
func (s *Swarm) known() *census {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// List implements Daemon. Containers of tasks are listed as tasks, and not at
// all once Swarm wants them to end and others can take their place, see
// handOver. While the Swarm has no leader, nothing can be listed.
func (s *Swarm) List(ctx context.Context) ([]Summary, error) {
	local, err := s.Client.List(ctx)
	if err != nil {
		return nil, err
	}
	now, err := s.look(ctx, local)
	if err != nil {
		return nil, fmt.Errorf("asking for the tasks of the swarm: %w", err)
	}
	s.mu.Lock()
	if now != nil {
		now.remember(s.last)
		now.handOver(s.last, local, time.Now())
	}
	s.last = now
	s.mu.Unlock()
	if now == nil {
		return local, nil
	}
	return now.summaries(local), nil
}

// look takes a census. It returns nil if the engine manages no Swarm.
func (s *Swarm) look(ctx context.Context, local []Summary) (*census, error) {
	api, err := s.negotiated(ctx)
	if err != nil {
		return nil, err
	}
	var a answers
	a.services, err = api.ServiceList(ctx, swarm.ServiceListOptions{})
	if managesNone(err) {
		return nil, s.deny(err)
	}
	if err != nil {
		return nil, err
	}
	if a.cluster, a.node, err = s.identify(ctx, api); err != nil {
		return nil, err
	}
	if a.tasks, err = wantedTasks(ctx, api); err != nil {
		return nil, err
	}
	if needNodes(a.tasks) {
		if a.nodes, err = api.NodeList(ctx, swarm.NodeListOptions{}); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.denied = time.Time{}
	s.mu.Unlock()
	return decodeCensus(a, local), nil
}

// managesNone reports whether err is how an engine says that it manages no
// Swarm: one without any, a worker, an engine that knows none (Podman), and a
// proxy that lets nobody ask. A manager that has trouble says something else.
func managesNone(err error) bool {
	return errdefs.IsNotFound(err) || errdefs.IsPermissionDenied(err) ||
		errdefs.IsUnavailable(err) && (strings.Contains(err.Error(), "docker swarm init") || strings.Contains(err.Error(), "Worker nodes"))
}

// deny returns the error of an engine that managed a Swarm until now, and nil
// once it is to be believed that it does not.
func (s *Swarm) deny(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.last == nil:
		return nil
	case s.denied.IsZero():
		s.denied = time.Now()
	case time.Since(s.denied) >= patience:
		s.denied = time.Time{}
		return nil
	}
	return err
}

// identify returns the IDs of the cluster and of the engine's node. They are
// asked for once, and are "" if a proxy hides them: then managers of one Swarm
// are not known to be of one.
func (s *Swarm) identify(ctx context.Context, api *client.Client) (cluster, node string, err error) {
	if c := s.known(); c != nil && c.cluster != "" {
		return c.cluster, c.node, nil
	}
	info, err := api.Info(ctx)
	switch {
	case errdefs.IsPermissionDenied(err):
		return "", "", nil
	case err != nil:
		return "", "", err
	case info.Swarm.Cluster == nil:
		return "", info.Swarm.NodeID, nil
	}
	return info.Swarm.Cluster.ID, info.Swarm.NodeID, nil
}

// wantedTasks returns the tasks that Swarm wants to run.
func wantedTasks(ctx context.Context, api *client.Client) ([]swarm.Task, error) {
	f := filters.NewArgs(filters.Arg("desired-state", string(swarm.TaskStateRunning)))
	return api.TaskList(ctx, swarm.TaskListOptions{Filters: f})
}

// Inspect implements Daemon. Of a task on another machine nothing more can be
// learnt than its manager has said.
func (s *Swarm) Inspect(ctx context.Context, id string) (Container, error) {
	var t task
	found := false
	if c := s.known(); c != nil {
		t, found = c.tasks[id]
	}
	if found && !t.here {
		c := t.Container
		c.Elsewhere = true
		return c, nil
	}
	c, err := s.Client.Inspect(ctx, id)
	if err != nil || !found {
		return c, err
	}
	return t.seen(c), nil
}

// Vantage finds out where this process stands. In a Swarm it may be a task
// itself, on a machine whose engine nobody asks.
func (s *Swarm) Vantage(ctx context.Context) (Vantage, error) { return s.vantage(ctx, lookAround()) }

func (s *Swarm) vantage(ctx context.Context, around surroundings) (Vantage, error) {
	v, err := s.Client.vantage(ctx, around)
	c := s.known()
	if err != nil || v.Container != "" || c == nil {
		return v, err
	}
	for _, id := range around.containers() {
		for _, t := range c.tasks {
			if strings.HasPrefix(t.ID, id) {
				v.Container, v.Networks, v.Direct, v.Host = t.ID, t.Networks, false, s.host.machine()
				return v, nil
			}
		}
	}
	return v, nil
}

// Watch implements Daemon. What happens to tasks on other machines is no event
// here, so beside reading the stream it looks at them from time to time.
func (s *Swarm) Watch(ctx context.Context, sub Subscription) error {
	ctx, stop := context.WithCancel(ctx)
	var mu sync.Mutex // keeps calls of Handle apart
	told := sub.Handle
	sub.Handle = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		told(e)
	}
	var polling sync.WaitGroup
	polling.Go(func() { s.poll(ctx, sub.Handle) })
	defer polling.Wait()
	defer stop()

	listen := sub
	listen.Handle = func(e Event) {
		if stirs(e) {
			s.stir()
		}
		sub.Handle(e)
	}
	return s.Client.Watch(ctx, listen)
}
