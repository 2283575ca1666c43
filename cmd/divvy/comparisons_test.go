package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheKeyOfFingerprintsOutlivesTheProgram(t *testing.T) {
	t.Parallel()
	c := quiet()
	c.State.Directory = t.TempDir()
	open := func() (key []byte, logged string) {
		var log bytes.Buffer
		p := newProgram(slog.New(slog.NewTextHandler(&log, nil)), new(slog.LevelVar), c)
		if err := p.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		return p.engines.key, log.String()
	}
	first, _ := open()
	second, logged := open()
	if !bytes.Equal(first, second) || len(first) != 32 || logged != "" {
		t.Errorf("the keys are %x and %x, logged %s", first, second, logged)
	}
	file := filepath.Join(c.State.Directory, "hash-key")
	if err := os.WriteFile(file, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	third, logged := open()
	if bytes.Equal(third, first) || len(third) != 32 || !strings.Contains(logged, "comparisons of containers begin anew") || !strings.Contains(logged, "restore it from a copy, or remove it") {
		t.Errorf("the key is %x, logged %s", third, logged)
	}
	if left, _ := os.ReadFile(file); string(left) != "damaged" {
		t.Errorf("the damaged one is %q", left)
	}
}

func TestAProxyHasAName(t *testing.T) {
	t.Parallel()
	if name := proxyName(); name == "" || len(name) > 63 || strings.ContainsAny(name, " /") {
		t.Errorf("got %q", name)
	}
}
