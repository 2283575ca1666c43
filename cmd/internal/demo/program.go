package demo

import (
	"context"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Program returns the files that an image needs to run this program and that
// has nothing else in it: where each stands in the image, and its path here.
// The program is at /divvy. cleanup removes what was built for it.
//
// A static Linux program needs nothing else. One that is linked dynamically,
// as under `go run`, takes its loader and libraries along. Elsewhere it is
// built from source, which must be where the command was given.
func Program(ctx context.Context) (files map[string]string, cleanup func(), err error) {
	if runtime.GOOS != "linux" {
		return build(ctx)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("finding this program: %w", err)
	}
	files = map[string]string{"/divvy": self}
	loader, err := loaderOf(self)
	if err != nil {
		return nil, nil, fmt.Errorf("finding what this program needs: %w", err)
	}
	if loader != "" {
		libraries, err := librariesOf(ctx, loader, self)
		if err != nil {
			return nil, nil, fmt.Errorf("finding what this program needs: %w", err)
		}
		for _, path := range append(libraries, loader) {
			files[path] = path
		}
	}
	return files, func() {}, nil
}

// loaderOf returns the program that loads the program at path, "" if it is
// static.
func loaderOf(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			name, err := io.ReadAll(p.Open())
			return strings.TrimRight(string(name), "\x00"), err
		}
	}
	return "", nil
}

// librariesOf asks a loader which libraries a program needs. It answers in
// lines such as "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f…)".
func librariesOf(ctx context.Context, loader, program string) ([]string, error) {
	out, err := exec.CommandContext(ctx, loader, "--list", program).Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", loader, err)
	}
	var paths []string
	for line := range strings.Lines(string(out)) {
		if _, path, ok := strings.Cut(line, "=> "); ok {
			path, _, _ = strings.Cut(strings.TrimSpace(path), " (")
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// build builds a static Linux program.
func build(ctx context.Context) (files map[string]string, cleanup func(), err error) {
	dir, err := os.MkdirTemp("", "divvy-demo-")
	if err != nil {
		return nil, nil, fmt.Errorf("building a static program: %w", err)
	}
	cleanup = func() { os.RemoveAll(dir) }
	path := filepath.Join(dir, "divvy")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "divvy/cmd/divvy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		cleanup()
		return nil, nil, fmt.Errorf("building a static program: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return map[string]string{"/divvy": path}, cleanup, nil
}
