package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// openLog returns a log in JSON to path.
func openLog(t *testing.T, path string) *AccessLog {
	t.Helper()
	l, err := NewAccessLog(LogConfig{Format: "json", Output: path})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// run runs l and returns the function that stops it and waits.
func run(t *testing.T, l *AccessLog) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	}
}

// targets returns the targets in the lines of a file.
func targets(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(b)) {
		var o struct{ Target string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Errorf("%s: %v: %q", path, err, line)
		}
		found = append(found, o.Target)
	}
	return strings.Join(found, " ")
}

func TestLinesAreWrittenInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "access.log")
		l := openLog(t, path)
		defer run(t, l)()
		f := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := targets(t, path); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		f("")
		l.Observe(&Observation{Target: "/1"})
		f("/1") // at once
		l.Observe(&Observation{Target: "/2"})
		l.Observe(&Observation{Target: "/3"})
		f("/1") // soon, together
		time.Sleep(pause)
		f("/1 /2 /3")
		time.Sleep(time.Minute)
		l.Observe(&Observation{Target: "/4"})
		f("/1 /2 /3 /4") // at once again
		for range queueLines / 2 {
			l.Observe(&Observation{Target: "/more"})
		}
		f("/1 /2 /3 /4" + strings.Repeat(" /more", queueLines/2)) // no waiting when it is half full
		time.Sleep(time.Minute)
		l.Observe(&Observation{Target: "/5"})
		synctest.Wait()
		l.Observe(&Observation{Target: "/6", UserAgent: strings.Repeat("x", queueBytes/2)})
		synctest.Wait()
		if got := targets(t, path); !strings.HasSuffix(got, " /5 /6") {
			t.Errorf("got %q at the end", got[max(0, len(got)-10):])
		}
	})
}

func TestFileIsAppendedTo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	for _, target := range []string{"/1", "/2"} {
		l := openLog(t, path)
		stop := run(t, l)
		l.Observe(&Observation{Target: target})
		stop()
	}
	if got := targets(t, path); got != "/1 /2" {
		t.Errorf("got %s", got)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got&0o137 != 0 {
		t.Errorf("mode %v lets others read, or execute", got)
	}
}

func TestEndWritesWhatIsQueued(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	l := openLog(t, path)
	for i := range 5000 {
		l.Observe(&Observation{Target: fmt.Sprint("/", i)})
	}
	run(t, l)()
	if got := strings.Count(targets(t, path), "/"); got != 5000 || l.Dropped() != 0 {
		t.Errorf("%d lines, %d dropped, want 5000 and 0", got, l.Dropped())
	}
	l.Observe(&Observation{Target: "/late"})
	if got := l.Dropped(); got != 1 {
		t.Errorf("after the end: %d dropped, want 1", got)
	}
	if err := l.Reopen(); err != nil {
		t.Errorf("Reopen after the end: %v", err)
	}
}

// The queue has two bounds, and a line that does not fit is counted.
func TestFullQueueDrops(t *testing.T) {
	t.Parallel()
	f := func(agent string, lines, want int) {
		t.Helper()
		l := openLog(t, filepath.Join(t.TempDir(), "access.log"))
		defer l.Close()
		for range lines {
			l.Observe(&Observation{UserAgent: agent})
		}
		if got := l.Dropped(); got != uint64(want) {
			t.Errorf("%d lines with %d bytes: %d dropped, want %d", lines, len(agent), got, want)
		}
		if len(l.queue) > queueBytes || l.queued > queueLines {
			t.Errorf("%d bytes and %d lines are queued", len(l.queue), l.queued)
		}
	}
	f("", queueLines, 0)
	f("", queueLines+3, 3)
	f(strings.Repeat("x", queueBytes/8), 10, 3) // seven, with their other fields, fit
	f(strings.Repeat("x", queueBytes), 1, 1)
}

func TestReopenAfterRename(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path, old := filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")
		l := openLog(t, path)
		stop := run(t, l)
		l.Observe(&Observation{Target: "/1"})
		synctest.Wait()
		if err := os.Rename(path, old); err != nil {
			t.Fatal(err)
		}
		l.Observe(&Observation{Target: "/2"}) // still goes to the old file
		time.Sleep(pause)
		synctest.Wait()
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
		l.Observe(&Observation{Target: "/3"})
		stop()
		if got := targets(t, old); got != "/1 /2" {
			t.Errorf("old file: got %s", got)
		}
		if got := targets(t, path); got != "/3" {
			t.Errorf("new file: got %s", got)
		}
	})
}

func TestReopenThatFailsKeepsTheOldFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l := openLog(t, filepath.Join(dir, "access.log"))
	stop := run(t, l)
	if err := os.Rename(dir, dir+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Reopen: got %v, want that the folder does not exist", err)
	}
	l.Observe(&Observation{Target: "/1"})
	stop()
	if got := targets(t, filepath.Join(dir+".1", "access.log")); got != "/1" {
		t.Errorf("got %s", got)
	}
}

// Many requests, many rotations: every line is whole and in one of the files.
func TestRotationUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	const goroutines, each, rotations = 4, 2000, 20
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	l := openLog(t, path)
	stop := run(t, l)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range each {
				l.Observe(&Observation{Target: "/", Status: i})
			}
		})
	}
	for i := range rotations {
		if err := os.Rename(path, fmt.Sprint(path, ".", i)); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	stop()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != rotations+1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	lines := 0
	for _, file := range files {
		lines += strings.Count(targets(t, file), "/")
	}
	if lines != goroutines*each || l.Dropped() != 0 {
		t.Errorf("%d lines, %d dropped, want %d and 0", lines, l.Dropped(), goroutines*each)
	}
}

func TestLogThatIsOff(t *testing.T) {
	t.Parallel()
	l, err := NewAccessLog(LogConfig{Format: "off", Output: "/does/not/exist/access.log"})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, l)
	l.Observe(full())
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
	stop()
	if got := l.Dropped(); got != 0 {
		t.Errorf("%d dropped, want 0", got)
	}
}

func TestFileThatCannotBeOpenedIsExplained(t *testing.T) {
	t.Parallel()
	_, err := NewAccessLog(LogConfig{Format: "common", Output: "/does/not/exist/access.log"})
	want := "access_log.output: open /does/not/exist/access.log: no such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSinksHandOnEveryObservation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	p, l := New(DefaultConfig()), openLog(t, path)
	var sink Sink = Sinks{p, l}
	stop := run(t, l)
	sink.Observe(&Observation{Target: "/1", Status: 404})
	stop()
	if got := targets(t, path); got != "/1" {
		t.Errorf("log: got %s", got)
	}
	if got, want := scrape(t, p, "divvy_unrouted"), "divvy_unrouted_requests_total{code=\"404\"} 1\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkAccessLogObserve(b *testing.B) {
	f := func(format string, observe func(b *testing.B, l *AccessLog)) {
		b.Run(format, func(b *testing.B) {
			l, err := NewAccessLog(LogConfig{Format: format, Output: os.DevNull})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error)
			go func() { done <- l.Run(ctx) }()
			b.ReportAllocs()
			observe(b, l)
			cancel()
			<-done
			b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
		})
	}
	one := func(b *testing.B, l *AccessLog) {
		o := full()
		for b.Loop() {
			l.Observe(o)
		}
	}
	many := func(b *testing.B, l *AccessLog) {
		b.RunParallel(func(pb *testing.PB) {
			o := full()
			for pb.Next() {
				l.Observe(o)
			}
		})
	}
	f("json", one)
	f("common", one)
	f("json", many)
}
