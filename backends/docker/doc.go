// Package docker finds the containers that run on a Docker engine and keeps the
// rest of divvy informed of them. It is the only package that knows the Docker
// client: client.go, swarm.go, decode.go and task.go translate what the watcher needs, lab.go and
// image.go make what demonstrations and tests need.
//
// # How one event passes through
//
// Somebody runs "docker stop shop-1":
//
//	engine        sends the stop signal, and a kill event
//	Client.Watch  reads and decodes it                              client.go
//	Watcher       is it a signal that stops?                        memory.go
//	              at once: Inventory.Stopping(host, id, why)        watcher.go
//	              marks the container, wakes the list loop
//	list loop     Client.List: a summary of all containers          watcher.go
//	              Client.Inspect: the new, changed, marked ones     inspect.go
//	              Inventory.Replace(host, all containers)
//
// Any other event takes the same way but for the shortcut. Events wake, lists
// inform: an event that is lost, doubled or late does no harm, since what is
// published is always the whole state, read after the event stream was opened,
// and read again every [Watcher.Resync] though nothing happened.
//
// What the program does with a [Container] is to ask for its address, which
// depends on where divvy itself stands:
//
//	vantage, err := client.Vantage(ctx)                             vantage.go
//	addr, err := container.Addr(docker.Want{Port: 8080}, vantage)   address.go
//
// # Where the engine is
//
// A [Host] says where an engine is: a local socket, TCP with or without TLS, or
// another machine by ssh (host.go, dial.go, ssh.go). Each has a client and a
// watcher of its own. What a container of another machine is reached by are its
// published ports, or a network that spans machines.
//
// # What a container has become
//
// A container may become something else than its image says. What speaks for that
// is read in three ways: from its inspection ([Fingerprint], [Mount]), from events
// of what somebody does to it by hand ([Touch]; touch.go tells them from health
// checks), and from what it has written into its own layer, which [Layers] asks
// for from time to time. What follows from it is the program's business, too.
//
// # In a Swarm
//
// [Swarm] is an engine that tells of the tasks of all nodes, too, if it manages
// them. For the watcher these are containers; their changes are heard in three
// ways:
//
//	an event of a service    scaled, updated, a label edited        swarm.go
//	an event of a container  of a task that runs here               client.go
//	looking at the tasks     whatever happens on other nodes        poll.go
//
// Tasks that shall end are left out of the list, and so drain, but for the last
// of a service while nobody can take their place (handover.go).
//
// # When the engine is away
//
// A list that fails changes nothing: the Inventory keeps what it was told, the
// watcher tries again, at first soon, then every few seconds, and asks for the
// events since the last one it has seen. A stream that is silent may be dead, so
// it is replaced by another one before long (stream.go).
package docker
