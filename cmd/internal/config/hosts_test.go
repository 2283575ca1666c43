package config

import (
	"strings"
	"testing"
)

func TestAHostNeedsNoNameWhereItsEndpointGivesOne(t *testing.T) {
	t.Parallel()
	f := func(text, want, problem string) {
		t.Helper()
		c, err := Parse("divvy.toml", text)
		if problem != "" {
			if err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("got %v, want %s", err, problem)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, h := range c.Docker.Hosts {
			names = append(names, h.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("hosts are called %q, want %q", got, want)
		}
	}
	const block = "[[docker.host]]\nendpoint = "
	f(block+"\"unix:///run/docker.sock\"\n", "docker", "")
	f(block+"\"unix:///run/docker.sock\"\n"+block+"\"ssh://docker2\"\n", "docker docker2", "")
	f(block+"\"unix:///a\"\n"+block+"\"unix:///b\"\nname = \"b\"\n", "docker b", "")

	const noName = `name: "" is not a name`
	f(block+"\"unix:///a\"\n"+block+"\"unix:///b\"\n", "", noName)
	f(block+"\"unix:///a\"\n"+block+"\"unix:///b\"\nname = \"docker\"\n", "", noName)
}
