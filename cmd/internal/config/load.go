package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// problem is something wrong with a file, at a key.
type problem struct {
	path string // "server.limits.body", "service[0].weights.v1"; "" for the file as a whole
	text string
}

// maxFile bounds the size of a file.
const maxFile = 4 << 20

// Load reads a file. Everything that is wrong with it is reported together,
// each with its line, its key and what would be valid.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("config %s: it is larger than %d bytes", path, maxFile)
	}
	return Parse(filepath.Base(path), string(data))
}

// Parse reads a file's text; name stands for the file in errors.
func Parse(name, text string) (*Config, error) {
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%s:%d: %s", name, syntax.Position.Line, syntax.Message)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := Default()
	found := check("", tree, reflect.TypeFor[Config]())
	if len(found) == 0 {
		if _, err := toml.Decode(text, c); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		found = c.validate()
	}
	if len(found) > 0 {
		return nil, report(name, text, tree, found)
	}
	return c, nil
}

// split takes joined errors apart, each of which begins with its key.
func split(section string, err error) []problem {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []problem
		for _, e := range joined.Unwrap() {
			all = append(all, split(section, e)...)
		}
		return all
	}
	if section == "" {
		return []problem{{"", err.Error()}}
	}
	key, text, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		return []problem{{section, err.Error()}}
	}
	return []problem{{section + "." + key, text}}
}

// report makes one error of all problems, in the order of the file.
func report(name, text string, tree map[string]any, found []problem) error {
	lines := indexLines(text)
	slices.SortStableFunc(found, func(a, b problem) int { return lines.of(a.path) - lines.of(b.path) })
	var all []error
	for _, p := range found {
		where := name
		if n := lines.of(p.path); n > 0 {
			where = fmt.Sprintf("%s:%d", name, n)
		}
		if key := readable(p.path, tree); key != "" {
			where += ": " + key
		}
		all = append(all, fmt.Errorf("%s: %s", where, p.text))
	}
	return errors.Join(all...)
}

// readable returns a key as people say it: the service by its name.
func readable(path string, tree map[string]any) string {
	var i int
	if n, _ := fmt.Sscanf(path, "service[%d]", &i); n != 1 {
		return path
	}
	_, key, _ := strings.Cut(path, "]")
	who := fmt.Sprintf("service number %d", i+1)
	if list, ok := tree["service"].([]map[string]any); ok && i < len(list) {
		if name, ok := list[i]["name"].(string); ok && name != "" {
			who = "service " + name
		}
	}
	if key = strings.TrimPrefix(key, "."); key != "" {
		who += ": " + key
	}
	return who
}

// Validate returns what is wrong with a configuration that did not come from a
// file as it is: flags have changed it.
func (c *Config) Validate() error {
	var all []error
	for _, p := range c.validate() {
		all = append(all, fmt.Errorf("%s: %s", p.path, p.text))
	}
	return errors.Join(all...)
}
