package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAReportTakesThePlaceOfTheOneBefore(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "out.html")
	write := func(path, text string) error { return writeWhole(path, []byte(text)) }
	f := func(path, want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	for _, text := range []string{"one", "two"} {
		if err := write(path, text); err != nil {
			t.Fatal(err)
		}
		f(path, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("it is %v, %v", info, err)
	}
	// A link stays one.
	link := filepath.Join(folder, "link.html")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := write(link, "three"); err != nil {
		t.Fatal(err)
	}
	f(path, "three")
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link leads to %s, %v", to, err)
	}
	// What cannot be written leaves nothing.
	for path, want := range map[string]string{folder: "it is a folder", filepath.Join(folder, "no", "out.html"): "no such file or directory"} {
		if err := write(path, "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("there are %v, %v", left, err)
	}
}
