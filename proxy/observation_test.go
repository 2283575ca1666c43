package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"divvy/metrics"
	"divvy/router"
)

func TestARequestIsObservedWhole(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		id := door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(201)
			fmt.Fprint(w, "created")
		})
		before := time.Now()
		door.is(door.post("/a%20b?c=d", "body", "User-Agent: tester", "Referer: http://there/"), 201, "created")
		o := door.observed()
		if o.Start.Before(before) || o.FirstByte <= 0 || o.Duration < o.FirstByte || o.Meter == nil || o.Backend == "" || o.RequestID == "" {
			t.Errorf("observed %+v", o)
		}
		o.Start, o.FirstByte, o.Duration, o.Meter, o.Backend, o.RequestID = time.Time{}, 0, 0, nil, "", ""
		want := metrics.Observation{
			Service: "shop", Version: named("v1"), ImageID: imageID("v1"), Container: id, Reason: "request", Attempts: 1,
			Method: "POST", Host: "shop.test", Target: "/a%20b?c=d", Proto: o.Proto, Scheme: door.scheme(),
			Status: 201, RequestBytes: 4, ResponseBytes: 7,
			Client: netip.MustParseAddr("127.0.0.1"), UserAgent: "tester", Referer: "http://there/",
		}
		if o != want {
			t.Errorf("got  %+v\nwant %+v", o, want)
		}
	})
}

func TestARequestIsObservedByItsReason(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {})
		door.origin("v2", func(w http.ResponseWriter, r *http.Request) {})
		door.configure(func(_ *Config, s *router.Config) {
			s.Weights = map[string]int{"v1": 1}
			s.Sticky.By = []string{"header:X-User", "query:user", "cookie:user", "header:Host"}
			s.Override.Networks = []string{"127.0.0.1"}
		})
		f := func(reason, version, target string, fields ...string) {
			t.Helper()
			door.get(target, fields...)
			if o := door.observed(); o.Reason != reason || o.Version != named(version) {
				t.Errorf("%s %q: %s by %s, want %s by %s", target, fields, o.Version, o.Reason, version, reason)
			}
		}
		f("unit", "v1", "/", "X-User: ann")
		f("unit", "v1", "/?user=ann")
		f("unit", "v1", "/", "Cookie: a=b; user=ann")
		f("unit", "v1", "/") // the host
		f("override", "v2", "/", "Divvy-Version: v2")
		f("override", "v2", "/", "Divvy-Version: v2", "X-User: ann")
		f("unit", "v1", "/", "Divvy-Version: v3")
		door.configure(func(_ *Config, s *router.Config) { s.Sticky.By = nil })
		f("request", "v1", "/", "X-User: ann")
	})
}

func TestTheCookieDecidesLikeTheUnitItNames(t *testing.T) {
	throughEveryDoor(t, func(t *testing.T, door *harness) {
		for _, v := range []string{"v1", "v2"} {
			door.origin(v, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, v) })
		}
		door.configure(func(_ *Config, s *router.Config) {
			s.Weights = map[string]int{"v1": 1, "v2": 1}
			s.Sticky.By = []string{"cookie"}
		})
		seen := map[string]bool{}
		for range 40 {
			a := door.get("/")
			seen[a.body] = true
			cookie := a.Header.Get("Set-Cookie")
			cookie, _, _ = strings.Cut(cookie, ";")
			door.is(door.get("/", "Cookie: "+cookie), 200, a.body)
			// Of two cookies it is unknown which divvy meant.
			if again := door.get("/", "Cookie: "+cookie+"; divvy-shop=0123456789abcdef"); again.Header.Get("Set-Cookie") == "" {
				t.Error("one of two cookies was believed")
			}
		}
		if len(seen) != 2 {
			t.Errorf("got %v", seen)
		}
	})
}

func TestTheMetricsCountWhatWasObserved(t *testing.T) {
	overEveryWire(t, func(t *testing.T, door *harness) {
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, "12345")
		})
		for range 3 {
			door.post("/", "123")
			door.observed()
		}
		r := door.request("GET", "/", nil)
		r.Host = "h"
		door.service.Hosts = []string{"shop.test"}
		door.publish()
		door.do(r)
		door.observed()
		got := door.scrape()
		for _, line := range []string{
			`divvy_requests_total{code="200",service="shop",version="v1@76317631"} 3`,
			`divvy_assignments_total{reason="request",service="shop",version="v1@76317631"} 3`,
			`divvy_request_bytes_total{service="shop",version="v1@76317631"} 9`,
			`divvy_response_bytes_total{service="shop",version="v1@76317631"} 15`,
			`divvy_request_duration_seconds_count{service="shop",version="v1@76317631"} 3`,
			`divvy_time_to_first_byte_seconds_count{service="shop",version="v1@76317631"} 3`,
			`divvy_unrouted_requests_total{code="404"} 1`,
		} {
			if !strings.Contains(got, line) {
				t.Errorf("the metrics lack %s", line)
			}
		}
	})
}
