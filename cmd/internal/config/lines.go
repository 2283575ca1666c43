package config

import (
	"fmt"
	"strings"
)

// lineIndex knows the line of every key of a file that stands at the beginning
// of one. The library keeps lines to itself, and one for all elements of an
// array of tables.
type lineIndex map[string]int

// of returns the line of a key, or of the table that it stands in; 0 if it is
// not known.
func (x lineIndex) of(path string) int {
	for path != "" {
		if n, ok := x[path]; ok {
			return n
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return 0
		}
		path = path[:i]
	}
	return 0
}

// indexLines finds the lines of a file's keys. The file must be valid TOML.
func indexLines(text string) lineIndex {
	x := lineIndex{}
	arrays := map[string]int{} // elements so far
	table, depth, multi := "", 0, ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case multi != "":
			if strings.Contains(line, multi) {
				multi = ""
			}
			continue
		case depth > 0:
			depth += brackets(line)
			continue
		case strings.HasPrefix(line, "[["):
			name := element(keyPath(strings.Trim(cutComment(line), "[] ")), arrays)
			table = fmt.Sprintf("%s[%d]", name, arrays[name])
			arrays[name]++
			x[table] = i + 1
			continue
		case strings.HasPrefix(line, "["):
			table = element(keyPath(strings.Trim(cutComment(line), "[] ")), arrays)
			x[table] = i + 1
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		x[strings.TrimPrefix(table+"."+keyPath(key), ".")] = i + 1
		for _, quotes := range []string{`"""`, `'''`} {
			if strings.Count(value, quotes) == 1 {
				multi = quotes
			}
		}
		depth = brackets(value)
	}
	return x
}

// element puts the index of the present element after each array of tables in
// a path: service.sticky becomes service[1].sticky.
func element(path string, arrays map[string]int) string {
	parts := strings.Split(path, ".")
	out := ""
	for i, p := range parts {
		out = strings.TrimPrefix(out+"."+p, ".")
		if n := arrays[out]; n > 0 && i < len(parts)-1 {
			out = fmt.Sprintf("%s[%d]", out, n-1)
		}
	}
	return out
}

// keyPath returns a key as it stands in a file without quotes and spaces.
func keyPath(key string) string {
	return strings.NewReplacer(`"`, "", `'`, "", " ", "", "\t", "").Replace(key)
}

func cutComment(line string) string {
	line, _, _ = strings.Cut(line, "#")
	return line
}

// brackets returns how many more brackets a line opens than it closes, outside
// strings and comments.
func brackets(line string) (n int) {
	var quote rune
	for _, c := range line {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#':
			return n
		case c == '[':
			n++
		case c == ']':
			n--
		}
	}
	return n
}
