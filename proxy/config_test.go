package proxy

import (
	"strings"
	"testing"
	"time"
)

func TestTheDefaultsAreValid(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongIsSaidAllAtOnce(t *testing.T) {
	c := Config{HTTP: "80", TrustedProxies: []string{"10.0.0.0/8", "ten"}, RequestIDHeader: "no name"}
	got := c.Validate()
	for _, want := range []string{
		`http: "80" is not an address to listen on`,
		`trusted_proxies: "ten" is not a network`,
		`request_id_header: "no name" is not the name of a header field`,
		"attempts: 0 is out of range", "limits.target: 0 is out of range", "limits.header: 0 is out of range",
		"timeouts.header: it cannot be switched off", "timeouts.idle: ", "timeouts.connect: ", "timeouts.shutdown: ",
	} {
		if got == nil || !strings.Contains("\n"+got.Error(), "\n"+want) {
			t.Errorf("%q is missing from\n%v", want, got)
		}
	}
}

func TestValidate(t *testing.T) {
	f := func(change func(*Config), want string) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(func(c *Config) { c.HTTP = "[::1]:8080" }, "")
	f(func(c *Config) { c.HTTP = ":0" }, "")
	f(func(c *Config) { c.HTTP = ":http" }, "http: ")
	f(func(c *Config) { c.HTTP = ":65536" }, "http: ")
	f(func(c *Config) { c.HTTP = "" }, "http: ")
	f(func(c *Config) { c.HTTPSPort = 65536 }, "https_port: ")
	listen := func(tls bool, protocols ...string) func(*Config) {
		return func(c *Config) { c.Listeners = []Listener{{Address: ":1", TLS: tls, Protocols: protocols}} }
	}
	f(listen(true, HTTP3, HTTP2), "")
	f(listen(true, "spdy"), "listener[0].protocols: ")
	f(listen(true, HTTP3), "listener[0].protocols: ")
	f(listen(false, HTTP3, HTTP11), "listener[0].protocols: ")
	f(func(c *Config) { c.Listeners = []Listener{{Address: ":1", Port: -1}} }, "listener[0].port: ")
	f(func(c *Config) { c.RequestIDHeader = "" }, "")
	f(func(c *Config) { c.TrustedProxies = []string{"::1", "192.0.2.1", "fd00::/8"} }, "")
	f(func(c *Config) { c.Attempts = 11 }, "attempts: ")
	f(func(c *Config) { c.Attempts = 1 }, "")
	f(func(c *Config) { c.Limits.Target = 255 }, "limits.target: ")
	f(func(c *Config) { c.Limits.Target = c.Limits.Header + 1 }, "limits.target: ")
	f(func(c *Config) { c.Limits.Header = 1<<20 + 1 }, "limits.header: ")
	f(func(c *Config) { c.Limits.Body = -1 }, "limits.body: ")
	f(func(c *Config) { c.Timeouts.Response, c.Timeouts.Stream, c.Timeouts.Tunnel = 0, 0, 0 }, "")
	f(func(c *Config) { c.Timeouts.Stream = -time.Second }, "timeouts.stream: -1s is negative")
	f(func(c *Config) { c.Timeouts.Idle = 0 }, "timeouts.idle: ")
}
