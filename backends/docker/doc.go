// Package docker finds the containers that run on a Docker engine and keeps the
// rest of divvy informed of them. It is the only package that knows the Docker
// client: client.go and decode.go translate what the watcher needs, lab.go and
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
// # When the engine is away
//
// A list that fails changes nothing: the Inventory keeps what it was told, the
// watcher tries again, at first soon, then every few seconds, and asks for the
// events since the last one it has seen.
package docker
