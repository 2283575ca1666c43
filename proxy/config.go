package proxy

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Config is the configuration of the listeners and of what passes through
// them.
type Config struct {
	// HTTP and HTTPS are the addresses that are listened on, in clear and under
	// TLS, as those of Listeners are, which are further ones; "" for none.
	HTTP      string     `toml:"http"`
	HTTPS     string     `toml:"https"`
	Listeners []Listener `toml:"listener"`

	// HTTPSPort is the port by which clients reach HTTPS, if it is another than
	// that of the address; 0 if not.
	HTTPSPort int `toml:"https_port"`

	// H2C lets clients speak HTTP/2 at the address of HTTP, too, if they know
	// beforehand (RFC 9113 section 3.3).
	H2C bool `toml:"h2c"`

	// ReusePort lets other processes listen on the same ports (SO_REUSEPORT). It
	// holds for addresses that are opened from then on.
	ReusePort bool `toml:"reuse_port"`

	// TrustedProxies are the networks whose X-Forwarded-* and Forwarded fields
	// and request identifiers are believed, and Unix, if that is whoever connects
	// to a unix socket.
	TrustedProxies []string `toml:"trusted_proxies"`

	// RequestIDHeader is the field that carries the request's identifier to
	// the origin; "" sends none.
	RequestIDHeader string `toml:"request_id_header"`

	// ServedBy adds a Divvy-Served-By field to every answer, which names the
	// version, the image and the container.
	ServedBy bool `toml:"served_by"`

	// Via adds a Via field to requests and answers.
	Via bool `toml:"via"`

	// Attempts is how often a request is sent at most, each time to a backend
	// that it was not sent to before.
	Attempts int `toml:"attempts"`

	Limits   Limits   `toml:"limits"`
	Timeouts Timeouts `toml:"timeouts"`
}

// Limits bound what a client may send.
type Limits struct {
	Target int   `toml:"target"` // bytes of the request target; above it 414
	Header int   `toml:"header"` // bytes of request line and fields; above it 431
	Fields int   `toml:"fields"` // number of fields; above it 431
	Body   int64 `toml:"body"`   // bytes of a request's body; above it 413; 0 for no limit
}

// Timeouts bound how long each part of a request may take. Zero is no bound,
// where it is allowed.
type Timeouts struct {
	Header    time.Duration `toml:"header"`     // for a request's head to arrive
	Idle      time.Duration `toml:"idle"`       // for the next request on a connection
	Connect   time.Duration `toml:"connect"`    // for a connection to a backend
	Response  time.Duration `toml:"response"`   // from the end of the request to the head of the answer; 0 for no bound
	Stream    time.Duration `toml:"stream"`     // between two bytes of a body, in each direction; 0 for no bound
	HalfClose time.Duration `toml:"half_close"` // for the head of an answer to a client that has closed its side of the connection, and may be gone; 0 for no bound
	Tunnel    time.Duration `toml:"tunnel"`     // between two bytes of an upgraded connection; 0 for no bound
	Shutdown  time.Duration `toml:"shutdown"`   // for what is in flight when divvy stops
	Replace   time.Duration `toml:"replace"`    // for a new divvy to be ready that is to replace this one
}

// DefaultConfig returns the configuration of a file that says nothing.
func DefaultConfig() Config {
	return Config{
		HTTP:            ":80",
		TrustedProxies:  []string{},
		RequestIDHeader: "X-Request-ID",
		Attempts:        3,
		Limits:          Limits{Target: 16 << 10, Header: 64 << 10, Fields: 128},
		Timeouts: Timeouts{
			Header: 10 * time.Second, Idle: 3 * time.Minute, Connect: 5 * time.Second,
			Response: time.Minute, Stream: 5 * time.Minute, HalfClose: 5 * time.Second, Tunnel: time.Hour, Shutdown: 30 * time.Second, Replace: time.Minute,
		},
	}
}

// Validate returns all that is wrong with c, joined. Each problem begins with
// the key that it is about.
func (c *Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	problems = append(problems, c.validateListeners(), validatePeers("trusted_proxies", c.TrustedProxies))
	if h := c.RequestIDHeader; h != "" && !httpguts.ValidHeaderFieldName(h) {
		bad("request_id_header: %q is not the name of a header field", h)
	}
	if c.Attempts < 1 || c.Attempts > 10 {
		bad("attempts: %d is out of range: use 1 to 10", c.Attempts)
	}
	if c.Limits.Target < 256 || c.Limits.Target > c.Limits.Header {
		bad("limits.target: %d is out of range: use 256 to limits.header (%d)", c.Limits.Target, c.Limits.Header)
	}
	if c.Limits.Header < 1<<10 || c.Limits.Header > 1<<20 {
		bad("limits.header: %d is out of range: use 1024 to 1048576", c.Limits.Header)
	}
	if c.Limits.Fields < 8 || c.Limits.Fields > 10_000 {
		bad("limits.fields: %d is out of range: use 8 to 10000", c.Limits.Fields)
	}
	if c.Limits.Body < 0 {
		bad("limits.body: %d is negative: use a number of bytes, or 0 for no limit", c.Limits.Body)
	}
	t := &c.Timeouts
	for _, d := range []struct {
		key      string
		value    time.Duration
		optional bool
	}{
		{"header", t.Header, false}, {"idle", t.Idle, false}, {"connect", t.Connect, false}, {"shutdown", t.Shutdown, false}, {"replace", t.Replace, false},
		{"response", t.Response, true}, {"stream", t.Stream, true}, {"half_close", t.HalfClose, true}, {"tunnel", t.Tunnel, true},
	} {
		switch {
		case d.value < 0:
			bad("timeouts.%s: %v is negative", d.key, d.value)
		case d.value == 0 && !d.optional:
			bad("timeouts.%s: it cannot be switched off: use a duration such as \"10s\"", d.key)
		}
	}
	return errors.Join(problems...)
}
