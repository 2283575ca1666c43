package router

import (
	"cmp"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"divvy/backends"
)

// world is a registry whose containers the test starts and stops.
type world struct {
	t        *testing.T
	registry backends.Registry
	found    []backends.Endpoint
}

// start adds a container that is ready. Each is created an hour after the one
// before it.
func (w *world) start(id, imageID, tag string) {
	w.found = append(w.found, backends.Endpoint{
		Service: "shop", ID: id, Name: id, Addr: id + ":80", Health: backends.HealthPassing,
		Version: backends.Version{ImageID: imageID, Tag: tag},
		Created: time.Unix(int64(len(w.found))*3600, 0),
	})
	w.registry.Replace(w.found)
}

func (w *world) sicken(id string) { w.health(id, backends.HealthUnhealthy) }
func (w *world) heal(id string)   { w.health(id, backends.HealthPassing) }

func (w *world) health(id string, h backends.Health) {
	for i := range w.found {
		if w.found[i].ID == id {
			w.found[i].Health = h
		}
	}
	w.registry.Replace(w.found)
}

// service builds the service shop with what runs now.
func (w *world) service(c Config) *Service {
	w.t.Helper()
	c.Name = "shop"
	if err := c.Validate(); err != nil {
		w.t.Fatal(err)
	}
	return NewService(w.input(c))
}

// input is what the service is made of.
func (w *world) input(c Config) Input {
	c.Name = "shop"
	return Input{Config: c, Members: w.registry.Members("shop"), Keys: testKeys}
}

var testKeys = NewKeyring([]Key{{"k3y1", []byte("a secret of 32 bytes or even more")}})

func weights(kv map[string]int) Config { return Config{Weights: kv} }

// versions returns a world with n versions v0, v1, … of one container each.
func versions(t *testing.T, n int) *world {
	w := &world{t: t}
	for i := range n {
		w.start(fmt.Sprintf("c%d", i), fmt.Sprintf("sha256:%064x", i*7919+1), fmt.Sprintf("v%d", i))
	}
	return w
}

// request is a fake request.
type request struct {
	header, cookie, query map[string]string
	client                netip.Addr
	method, path          string
}

func (r request) Header(name string) string { return r.header[name] }
func (r request) Cookie(name string) string { return r.cookie[name] }
func (r request) Query(name string) string  { return r.query[name] }
func (r request) Client() netip.Addr        { return r.client }
func (r request) Certificate() string       { return "" }
func (r request) Method() string            { return cmp.Or(r.method, "GET") }
func (r request) Path() string              { return cmp.Or(r.path, "/") }

// tagOf returns the tag of the version decided, "" for none.
func tagOf(d Decision) string {
	if d.Version == nil {
		return ""
	}
	return d.Version.Pool.Version.Tag
}

// user returns a query of the user with this number, by header.
func user(i int) Query {
	return Query{Request: request{header: map[string]string{"X-User": fmt.Sprint(i)}}}
}

var byUser = Sticky{By: []string{"header:X-User"}}
