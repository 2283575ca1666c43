package config

import (
	"strings"
	"testing"
)

func TestWhatIsSaidOfImmutabilityIsChecked(t *testing.T) {
	t.Parallel()
	f := func(text string, want ...string) {
		t.Helper()
		_, err := Parse("divvy.toml", text)
		if err == nil && len(want) > 0 || err != nil && err.Error() != strings.Join(want, "\n") {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, strings.Join(want, "\n     "))
		}
	}
	f(`[immutable]
every = "0s"
[[service]]
name = "shop"
immutable = "require"
immutable_ignore = ["/srv/*", "*.db", "env:TASK_*"]
`)
	f(`[immutable]
every = "1ms"
[[service]]
name = "shop"
immutable = "always"
immutable_ignore = ["/"]
`,
		`divvy.toml:2: immutable.every: 1ms does not fit here: use 1s or more, or "0s" for never`,
		`divvy.toml:5: service shop: immutable: "always" is none of its values: use warn, require or off`,
		`divvy.toml:6: service shop: immutable_ignore: "/" is not a pattern: use a path such as /var/lib/app, a name such as *.pid, or env:NAME`,
	)
}
