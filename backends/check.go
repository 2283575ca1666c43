package backends

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Check is a question that a backend is asked again and again: a request to a
// path, the health protocol of gRPC, or a connection only. It is asked in the
// dialect of requests.
type Check struct {
	Path   string   `toml:"path"`   // what is asked for, query included; "" for no check
	Method string   `toml:"method"` // "GET", "HEAD", …
	Host   string   `toml:"host"`   // the Host field; "" for the backend's address
	Status []string `toml:"status"` // what passes: "204" or "200-399"
	Text   string   `toml:"text"`   // must be in the first 64 KiB of the body; "" for anything
	TCP    bool     `toml:"tcp"`    // connect only, without a path
	GRPC   bool     `toml:"grpc"`   // ask grpc.health.v1.Health, without a path
	Port   int      `toml:"port"`   // the container's; 0 for the one that requests go to

	GRPCService string `toml:"grpc_service"` // of which service; "" for the server as a whole

	Interval time.Duration `toml:"interval"` // from the end of one to the next, give or take a tenth
	Timeout  time.Duration `toml:"timeout"`  // for one, with its body
	Rise     int           `toml:"rise"`     // how many in a row pass until a backend that failed is back; a new one needs one
	Fall     int           `toml:"fall"`     // how many in a row fail until it is out
}

func defaultCheck() Check {
	return Check{
		Method: "GET", Status: []string{"200-399"},
		Interval: 10 * time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
	}
}

// Enabled reports whether there is anything to ask.
func (c *Check) Enabled() bool { return c.TCP || c.GRPC || c.Path != "" }

func (c *Check) validate(bad reporter) {
	if c.Port < 0 || c.Port > 65535 {
		bad("health.port: %d is not a port: use 1 to 65535, or 0 for the one that requests go to", c.Port)
	}
	for _, s := range c.Status {
		if _, _, ok := statusRange(s); !ok {
			bad("health.status: %q is not a status: use 204, or a range such as 200-399", s)
		}
	}
	switch {
	case c.TCP && c.GRPC:
		bad("health.grpc: a connection asks nothing: use tcp or grpc")
	case c.TCP:
		c.validateOther(bad, "tcp", "a connection", "makes a connection and no request")
	case c.GRPC:
		c.validateOther(bad, "grpc", "the health protocol of gRPC", "has a request of its own")
	}
	if c.GRPCService != "" && !c.GRPC {
		bad("health.grpc_service: it is asked for by the health protocol of gRPC only: set grpc = true, or no grpc_service")
	}
	if !c.Enabled() {
		return
	}
	if c.Interval < 100*time.Millisecond {
		bad("health.interval: %v is too short: use 100ms or more", c.Interval)
	}
	if c.Timeout <= 0 {
		bad("health.timeout: %v is no time to answer in: use a duration such as \"2s\"", c.Timeout)
	}
	if c.Rise < 1 {
		bad("health.rise: %d is out of range: use 1 or more", c.Rise)
	}
	if c.Fall < 1 {
		bad("health.fall: %d is out of range: use 1 or more", c.Fall)
	}
	if c.Path == "" {
		return
	}
	if u, err := url.ParseRequestURI(c.Path); err != nil || u.Host != "" || !strings.HasPrefix(c.Path, "/") {
		bad("health.path: %q is not a path: it begins with /", c.Path)
	}
	if _, err := http.NewRequest(c.Method, "http://backend/", nil); err != nil || c.Method == "" {
		bad("health.method: %q is not a method: use GET or HEAD", c.Method)
	}
	if c.Method == http.MethodHead && c.Text != "" {
		bad("health.text: an answer to HEAD has no body to find it in: use method = \"GET\", or no text")
	}
	if strings.ContainsAny(c.Host, "/ @\r\n") {
		bad("health.host: %q is not a host: use a name such as shop.example.com", c.Host)
	}
	if len(c.Status) == 0 {
		bad("health.status: nothing would pass: use 200-399")
	}
}

// validateOther reports what is said of a request where another is made, or none.
// What stands at its default was not said.
func (c *Check) validateOther(bad reporter, key, it, does string) {
	if c.Path != "" {
		bad("health.%s: %s asks for no path: use %[1]s or path", key, it)
		return
	}
	usual := defaultCheck()
	for _, k := range []struct {
		key  string
		said bool
	}{
		{"method", c.Method != "" && c.Method != usual.Method},
		{"host", c.Host != "" && c.TCP},
		{"status", len(c.Status) > 0 && !slices.Equal(c.Status, usual.Status)},
		{"text", c.Text != ""},
	} {
		if k.said {
			bad("health.%s: %s %s: use path in place of %[2]s, or no %[1]s", k.key, key, does)
		}
	}
}

// statusRange reads "204" or "200-399".
func statusRange(s string) (low, high int, ok bool) {
	from, to, both := strings.Cut(s, "-")
	if !both {
		to = from
	}
	low, err := strconv.Atoi(strings.TrimSpace(from))
	high, err2 := strconv.Atoi(strings.TrimSpace(to))
	return low, high, err == nil && err2 == nil && low >= 100 && low <= high && high <= 599
}

// passes reports whether an answer with this status does.
func (c *Check) passes(status int) bool {
	return slices.ContainsFunc(c.Status, func(s string) bool {
		low, high, ok := statusRange(s)
		return ok && status >= low && status <= high
	})
}

// String returns what is asked, for people.
func (c *Check) String() string {
	switch {
	case c.TCP:
		return "a connection"
	case c.GRPC && c.GRPCService != "":
		return "gRPC health of " + c.GRPCService
	case c.GRPC:
		return "gRPC health"
	}
	return c.Method + " " + c.Path
}

// equal is asked for every backend whenever any changes, so it does not reflect.
func (c *Check) equal(o *Check) bool {
	return c == o || c.Path == o.Path && c.Method == o.Method && c.Host == o.Host && slices.Equal(c.Status, o.Status) &&
		c.Text == o.Text && c.TCP == o.TCP && c.GRPC == o.GRPC && c.GRPCService == o.GRPCService && c.Port == o.Port &&
		c.Interval == o.Interval && c.Timeout == o.Timeout && c.Rise == o.Rise && c.Fall == o.Fall
}

// verdict is what a series of checks says: what it said before, until enough in
// a row say otherwise. Before one has passed it says nothing.
type verdict struct {
	passed  bool // one has
	failing bool
	row     int    // how many in a row contradict
	why     string // why the last one failed, "" if it passed
}

// note adds the result of a check.
func (v *verdict) note(err error, c *Check) {
	if v.why = ""; err != nil {
		v.why = err.Error()
	}
	switch passed := err == nil; {
	case !v.passed:
		v.passed = passed
	case passed != v.failing:
		v.row = 0
	default:
		v.row++
		if passed && v.row >= c.Rise || !passed && v.row >= c.Fall {
			v.failing, v.row = !passed, 0
		}
	}
}
