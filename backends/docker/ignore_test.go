package docker

import (
	"strings"
	"testing"
)

func TestIgnoredPaths(t *testing.T) {
	t.Parallel()
	f := func(path string, want bool, more ...string) {
		t.Helper()
		if got := append(DefaultIgnore(), more...).Path(path); got != want {
			t.Errorf("%s with %q: ignored is %v, want %v", path, more, got, want)
		}
	}
	f("/tmp", true)
	f("/tmp/a/b", true)
	f("/tmpfile", false)
	f("/app/tmp", false)
	f("/var", false)
	f("/var/lib/app", false)
	f("/var/log/app/today", true)
	f("/var/run/app.sock", true)
	f("/app/server.pid", true)
	f("/app/old.log/2024", true)
	f("/app/log", false)
	f("/", false)
	f("/app/data/x", true, "/app/data")
	f("/app/data/x", true, "/app/data/")
	f("/app/database", false, "/app/data")
	f("/app/v1/cache/x", true, "/app/*/cache")
	f("/app/v1/v2/cache", false, "/app/*/cache")
	f("/app/lib/__pycache__/x.pyc", true, "__pycache__")
	f("/app/lib/x.sock", true, "*.sock")
	f("/app/TMP", false, "env:TMP")
}

func TestIgnoredVariables(t *testing.T) {
	t.Parallel()
	i := Ignore{"/PATH", "*", "env:SLOT", "env:NODE_*"}
	for name, want := range map[string]bool{"SLOT": true, "SLOTS": false, "NODE_ID": true, "PATH": false} {
		if got := i.Variable(name); got != want {
			t.Errorf("%s: ignored is %v, want %v", name, got, want)
		}
	}
}

func TestPatternsThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	f := func(entry string, want bool) {
		t.Helper()
		err := Ignore{entry}.Validate()
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "use a path such as /var/lib/app") {
			t.Errorf("%q: %v", entry, err)
		}
	}
	for _, entry := range append(DefaultIgnore(), "/a/*/b", "env:A", "env:A_*", "__pycache__", "/app/*", "/etc", "*.so.*") {
		f(entry, true)
	}
	for _, entry := range []string{"", "/", "a/b", "[", "/a/[", "env:", "env:[", "*", "**", "/*", "/*/", "/*/*", "?*", "/???"} {
		f(entry, false)
	}
}

func TestNamesCannotConfuseTheirReader(t *testing.T) {
	t.Parallel()
	f := func(in, want string) {
		t.Helper()
		if got := plain(in); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("/app/größe", "/app/größe")
	f("/app\n/etc", `"/app\n/etc"`)
	f("/app\x1b[2J", `"/app\x1b[2J"`)
	f("/app\xff", `"/app\xff"`)
	f(strings.Repeat("ö", 100), strings.Repeat("ö", 60)+"…")
}
