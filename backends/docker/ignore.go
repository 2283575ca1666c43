package docker

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ignore says which differences between a container and its image, and between
// two containers, count for nothing. Its entries are of three kinds:
//
//	/var/lib/app/*.db   a path, and all below it; * and ? stand for anything but a slash
//	*.pid               a name, wherever it is, and all below it
//	env:TASK_*          variables of the environment
type Ignore []string

// DefaultIgnore returns what is ignored in any case: where programs write while
// they run, and what the engine puts into containers.
func DefaultIgnore() Ignore {
	return Ignore{
		"/tmp", "/run", "/var/run", "/var/tmp", "/var/log", "/var/cache", "/dev", "/proc", "/sys", "*.pid", "*.log",
	}
}

// environmentPrefix begins the entries about variables.
const environmentPrefix = "env:"

// Validate returns what is wrong with an entry.
func (i Ignore) Validate() error {
	for _, entry := range i {
		pattern := strings.TrimPrefix(entry, environmentPrefix)
		_, err := path.Match(pattern, "")
		relative := !strings.HasPrefix(pattern, "/") && strings.Contains(pattern, "/")
		if err != nil || relative || pattern == "" || pattern == "/" {
			return fmt.Errorf("%q is not a pattern: use %s", entry, patterns)
		}
		if (Ignore{entry}).everything() {
			return fmt.Errorf("%q covers everything, so that nothing would be checked: use %s", entry, patterns)
		}
	}
	return nil
}

// patterns are what entries may be, for people.
const patterns = "a path such as /var/lib/app, a name such as *.pid, or env:NAME"

// everything reports whether nothing is left that counts, not even what has so
// little in common as these paths.
func (i Ignore) everything() bool {
	return !slices.ContainsFunc([]string{"/etc/passwd", "/usr/lib/x.so.1", "/app/Main-2"}, func(p string) bool { return !i.Path(p) })
}

// Path reports whether what happens at a path counts for nothing.
func (i Ignore) Path(p string) bool {
	for ; p != "/" && p != "." && p != ""; p = path.Dir(p) {
		for _, entry := range i {
			name := path.Base(p)
			if strings.HasPrefix(entry, "/") {
				name = p
			}
			if ok, _ := path.Match(strings.TrimRight(entry, "/"), name); ok {
				return true
			}
		}
	}
	return false
}

// Variable reports whether it counts for nothing that a variable of the
// environment differs.
func (i Ignore) Variable(name string) bool {
	return slices.ContainsFunc(i, func(entry string) bool {
		pattern, ok := strings.CutPrefix(entry, environmentPrefix)
		matches, _ := path.Match(pattern, name)
		return ok && matches
	})
}

// hasVariables reports whether there is an entry about variables at all.
func (i Ignore) hasVariables() bool {
	return slices.ContainsFunc(i, func(entry string) bool { return strings.HasPrefix(entry, environmentPrefix) })
}

// longest is how long a name may be that is shown.
const longest = 120

// plain returns a name as it can be shown: what runs in a container chooses its
// names, and may mean to confuse whoever reads them.
func plain(name string) string {
	if len(name) > longest {
		name = strings.ToValidUTF8(name[:longest], "") + "…"
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return strconv.Quote(name)
	}
	return name
}
