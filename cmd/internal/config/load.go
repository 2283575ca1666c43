package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
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
	if len(tree) == 0 {
		// More likely it is being written than meant.
		return nil, fmt.Errorf("%s: it says nothing", name)
	}
	c := Default()
	found := check("", tree, reflect.TypeFor[Config]())
	rest, err := without(text, found)
	if err == nil {
		c.Services = defaultServices(tree)
		_, err = toml.Decode(rest, c)
		c.Docker.nameHosts()
	}
	if err != nil {
		return nil, errors.Join(report(name, text, tree, found), fmt.Errorf("%s: %w", name, err))
	}
	// What does not fit is left out, and what remains is judged too, but for what
	// may only come of the gap: that two services are alike.
	fits := len(found) == 0
	for _, p := range slices.Concat(c.validate(), c.reveal(), c.loadFiles()) {
		known := slices.ContainsFunc(found, func(f problem) bool { return f.path == p.path })
		if fits || p.path != "" && !known {
			found = append(found, p)
		}
	}
	if len(found) > 0 {
		return nil, report(name, text, tree, found)
	}
	return c, nil
}

// loadFiles reads the files that services name.
func (c *Config) loadFiles() (all []problem) {
	for i := range c.Services {
		all = append(all, split(fmt.Sprintf("service[%d]", i), c.Services[i].Load())...)
	}
	return all
}

// defaultServices returns as many services as a file has, so that it is decoded
// over their defaults: elements of a list would begin as zero.
func defaultServices(tree map[string]any) []Service {
	list, _ := tree["service"].([]map[string]any)
	var all []Service
	for range list {
		all = append(all, DefaultService())
	}
	return all
}

// without returns a text without the keys that the problems are about.
func without(text string, found []problem) (string, error) {
	if len(found) == 0 {
		return text, nil
	}
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		return "", err
	}
	for _, p := range found {
		remove(tree, p.path)
	}
	var out strings.Builder
	err := toml.NewEncoder(&out).Encode(tree)
	return out.String(), err
}

// remove removes the key at a path, such as service[0].weights.v1.4, whose last
// part may have dots itself.
func remove(table map[string]any, path string) {
	delete(table, path)
	for i := range path {
		if path[i] != '.' {
			continue
		}
		key, rest := path[:i], path[i+1:]
		name, index := key, 0
		if n, _ := fmt.Sscanf(key[strings.IndexByte(key+"[", '['):], "[%d]", &index); n == 1 {
			name = key[:strings.IndexByte(key, '[')]
		}
		switch v := table[name].(type) {
		case map[string]any:
			remove(v, rest)
		case []map[string]any:
			if index < len(v) {
				remove(v[index], rest)
			}
		}
	}
}

// AdminOf returns what a file says of the admin listener, with the tokens. The
// file need not be valid otherwise: whoever asks how divvy does may do so because
// of that. Without a file it is the default.
func AdminOf(path string) (Admin, error) {
	c := &Config{Admin: Default().Admin}
	data, err := os.ReadFile(path)
	if err != nil {
		return c.Admin, nil
	}
	only := struct{ Admin *Admin }{&c.Admin}
	if _, err := toml.Decode(string(data), &only); err != nil {
		return Default().Admin, nil
	}
	var problems []error
	for _, p := range c.reveal() {
		problems = append(problems, fmt.Errorf("%s: %s", p.path, p.text))
	}
	return c.Admin, errors.Join(problems...)
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

// readable returns a key as people say it: the service or the host by its name.
func readable(path string, tree map[string]any) string {
	list, who := tree["service"], "service"
	rest, ok := strings.CutPrefix(path, "service[")
	if !ok {
		docker, _ := tree["docker"].(map[string]any)
		list, who = docker["host"], "docker host"
		rest, ok = strings.CutPrefix(path, "docker.host[")
	}
	index, key, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(index)
	if !ok || err != nil {
		return path
	}
	who = fmt.Sprintf("%s %s", who, cmp.Or(nameOf(list, i), fmt.Sprintf("number %d", i+1)))
	if key = strings.TrimPrefix(key, "."); key != "" {
		who += ": " + key
	}
	return who
}

// nameOf returns the name of the i-th of a list of tables, "" if it has none.
func nameOf(list any, i int) string {
	tables, _ := list.([]map[string]any)
	if i >= len(tables) {
		return ""
	}
	name, _ := tables[i]["name"].(string)
	return name
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
