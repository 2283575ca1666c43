package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	if err := DefaultLogConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestDefaultsAreNotShared(t *testing.T) {
	t.Parallel()
	DefaultConfig().Buckets[0] = 99
	if got := DefaultConfig().Buckets[0]; got != .001 {
		t.Errorf("a caller changed the default to %v", got)
	}
}

func TestConfigFromFile(t *testing.T) {
	t.Parallel()
	c := DefaultConfig()
	_, err := toml.Decode("retention = \"1h\"\nnative_histograms = false\nbuckets = [0.1, 1]", &c)
	if err != nil {
		t.Fatal(err)
	}
	if c.Retention != time.Hour || c.NativeHistograms || len(c.Buckets) != 2 {
		t.Errorf("got %+v", c)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// Each problem names its key, what was found and what would be valid.
func TestWrongConfigIsExplained(t *testing.T) {
	t.Parallel()
	f := func(change func(*Config), want string) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	f(func(c *Config) { c.Retention = 0 },
		"retention: 0s is too short; give at least 1s")
	f(func(c *Config) { c.Buckets = nil; c.NativeHistograms = false },
		"buckets: none given; give at least one or set native_histograms = true")
	f(func(c *Config) { c.Buckets = nil }, "")
	f(func(c *Config) { c.Buckets = []float64{1, 1} },
		"buckets: 1 after 1; give finite seconds above zero in ascending order")
	f(func(c *Config) { c.Buckets = []float64{0, 1} },
		"buckets: 0 after 0; give finite seconds above zero in ascending order")
	f(func(c *Config) {
		c.Buckets = nil
		for i := range 51 {
			c.Buckets = append(c.Buckets, float64(i+1))
		}
	}, "buckets: 51 given; give at most 50")
	f(func(c *Config) { c.Retention = -time.Second; c.Buckets = []float64{2, 1} },
		"retention: -1s is too short; give at least 1s\n"+
			"buckets: 1 after 2; give finite seconds above zero in ascending order")
}

func TestWrongLogConfigIsExplained(t *testing.T) {
	t.Parallel()
	f := func(format, output string, want ...string) {
		t.Helper()
		got := ""
		if err := (LogConfig{format, output}).Validate(); err != nil {
			got = err.Error()
		}
		if got != strings.Join(want, "\n") {
			t.Errorf("%q to %q:\n got %s\nwant %s", format, output, got, want)
		}
	}
	f("json", "stdout")
	f("common", "/var/log/divvy/access.log")
	f("off", "")
	f("xml", "stderr", `format: "xml" is no format; write "json", "common" or "off"`)
	f("", "",
		`format: "" is no format; write "json", "common" or "off"`,
		`output: it is empty; write "stdout", "stderr" or the path of a file`)
}
