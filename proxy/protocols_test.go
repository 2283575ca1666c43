package proxy

import (
	"fmt"
	"net/http"
	"testing"

	"divvy/router"
)

// Who gets which version does not depend on the protocol: the same requests give
// the same answers through each.
func TestWhoGetsWhatIsTheSameThroughEveryProtocol(t *testing.T) {
	const units = 60
	type outcome struct {
		byHeader, byCookie, overridden string
		share                          int // of 300 requests without a unit, for v2
	}
	var first outcome
	for i, d := range doors {
		door := newHarness(t, d.open)
		for _, v := range []string{"v1", "v2", "v3"} {
			door.origin(v, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, v) })
		}
		door.refusing("v1") // another of it answers instead
		door.configure(func(c *Config, s *router.Config) {
			s.Weights = map[string]int{"v1": 3, "v2": 1}
			s.Sticky.By = []string{"header:X-User"}
			s.Override.Networks = []string{"127.0.0.1"}
			c.Attempts = 3
		})
		var got outcome
		for u := range units {
			got.byHeader += door.get("/", fmt.Sprint("X-User: ", u)).body
		}
		got.overridden = door.get("/", "Divvy-Version: v3").body + door.get("/?divvy-version=v3").body
		for range 300 {
			if door.get("/").body == "v2" {
				got.share++
			}
		}
		again := 0
		for len(door.seen) > 0 {
			again += door.observed().Attempts - 1
		}
		if again == 0 {
			t.Errorf("%s: nothing was sent again", d.name)
		}
		door.configure(func(_ *Config, s *router.Config) { s.Sticky.By = []string{"cookie"} })
		for u := range units {
			got.byCookie += door.get("/", fmt.Sprintf("Cookie: divvy-shop=%016x", u)).body
		}
		if share := got.share; share < 40 || share > 115 { // a quarter, and four standard deviations
			t.Errorf("%s: v2 got %d of 300", d.name, share)
		}
		if got.overridden != "v3v3" {
			t.Errorf("%s: who named v3 got %s", d.name, got.overridden)
		}
		if got.share = 0; i == 0 {
			first = got
		} else if got != first {
			t.Errorf("%s: got %+v\n%s: got %+v", d.name, got, doors[0].name, first)
		}
	}
}
