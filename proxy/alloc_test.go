package proxy

import (
	"testing"

	"divvy/metrics/stats"
	"divvy/router"
)

// A request over connections that stay open costs no allocation, on neither
// side. It does not run beside other tests, whose allocations it would count.
func TestTheFastPathAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	f := func(name, request string, change func(*Config, *router.Config)) {
		t.Run(name, func(t *testing.T) {
			door := newHarness(t, openHTTP1)
			door.proxy.Sink = door.meters
			door.serveBytes("v1", 100)
			door.serveBytes("v2", 100)
			door.configure(func(c *Config, s *router.Config) {
				s.Weights = map[string]int{"v1": 90, "v2": 10}
				change(c, s)
			})
			r := door.judged(true)
			exchange := door.again(t, 100, request)
			for range 100 {
				exchange() // until everything has its size
			}
			if n := testing.AllocsPerRun(500, exchange); n != 0 {
				t.Errorf("%v allocations, want 0", n)
			}
			if c := tellCounts(r, stats.Stable).requests + tellCounts(r, stats.Candidate).requests; c < 600 {
				t.Errorf("%d requests were counted", c)
			}
		})
	}
	get := "GET /a?b=c HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: divvy-shop=0123456789abcdef\r\n"
	f("plain", get+"\r\n", func(*Config, *router.Config) {})
	f("sticky", get+"\r\n", func(_ *Config, s *router.Config) { s.Sticky.By = []string{"header:X-User", "query:u", "cookie"} })
	f("named", get+"\r\n", func(c *Config, _ *router.Config) { c.ServedBy, c.Via = true, true })
	f("short body", "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\n\r\nbody", func(*Config, *router.Config) {})
}
