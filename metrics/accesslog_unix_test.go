//go:build unix

package metrics

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// pipe makes a named pipe and opens its reading end.
func pipe(t *testing.T) (path string, reader *os.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	return path, reader
}

// When who reads the log falls asleep, requests go on, memory is bounded, and
// every line is either read or counted as dropped.
func TestStalledReaderCostsLinesAndIsCounted(t *testing.T) {
	t.Parallel()
	path, reader := pipe(t)
	l := openLog(t, path)
	stop := run(t, l)
	// The pipe, the batch being written and the queue hold less than 20 MiB.
	o := &Observation{UserAgent: strings.Repeat("x", 16<<10)}
	observed := 0
	for ; observed < 2000; observed++ {
		l.Observe(o)
	}
	if l.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
	read := make(chan int)
	go func() {
		b, err := io.ReadAll(reader)
		if err != nil {
			t.Error(err)
		}
		read <- bytes.Count(b, []byte{'\n'})
	}()
	stop()
	if got := <-read + int(l.Dropped()); got != observed {
		t.Errorf("%d lines were read or dropped, want %d", got, observed)
	}
}

// Rotation does not wait for a write that does not end, and the write begins
// again in the new file.
func TestReopenWhileAWriteIsStuck(t *testing.T) {
	t.Parallel()
	path, _ := pipe(t)
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	for !errors.Is(err, syscall.EAGAIN) {
		_, err = syscall.Write(fd, make([]byte, 4096)) // until the pipe is full
	}
	l := openLog(t, path)
	stop := run(t, l)
	l.Observe(&Observation{Target: "/1"})
	for taken := false; !taken; runtime.Gosched() {
		l.mu.Lock()
		taken = l.queued == 0
		l.mu.Unlock()
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	stop()
	if got := targets(t, path); got != "/1" || l.Dropped() != 0 {
		t.Errorf("new file: got %q, %d dropped, want /1 and 0", got, l.Dropped())
	}
}

func TestRunDoesNotWaitForAReaderForever(t *testing.T) {
	t.Parallel()
	path, _ := pipe(t)
	l := openLog(t, path)
	l.Log = slog.New(slog.DiscardHandler)
	l.giveUp = time.Millisecond
	o := &Observation{UserAgent: strings.Repeat("x", 1<<20)} // more than a pipe holds
	l.Observe(o)
	run(t, l)()
	if got := l.Dropped(); got != 1 {
		t.Errorf("%d dropped, want 1", got)
	}
}

func TestPipeWithoutReaderIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewAccessLog(LogConfig{Format: "json", Output: path}); err == nil {
		t.Error("it was opened")
	}
}

// A full disk is reported when it begins and when it is over, not per line.
func TestWriteErrorsAreCountedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full to write to")
	}
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "access.log")
		if err := os.Symlink("/dev/full", path); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		l := openLog(t, path)
		l.Log = slog.New(slog.NewTextHandler(&log, nil))
		stop := run(t, l)
		for range 5 {
			l.Observe(&Observation{Target: "/lost"})
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if got := l.Dropped(); got != 5 {
			t.Errorf("%d dropped, want 5", got)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			l.Observe(&Observation{Target: "/ok"})
			time.Sleep(time.Second)
		}
		stop()
		if got := targets(t, path); got != "/ok /ok /ok /ok /ok" {
			t.Errorf("got %s", got)
		}
		for _, want := range []string{"access log cannot be written", "no space left on device", "access log is written again"} {
			if n := strings.Count(log.String(), want); n != 1 {
				t.Errorf("%q is in the log %d times, want once:\n%s", want, n, log.String())
			}
		}
	})
}

// After a line of which only a part could be written, the next begins anew.
func TestLineAfterATornOneCanBeRead(t *testing.T) {
	t.Parallel()
	path, reader := pipe(t)
	l := openLog(t, path)
	l.Log = slog.New(slog.DiscardHandler)
	l.Observe(&Observation{UserAgent: strings.Repeat("x", 1<<20)})
	if err := l.file.Load().SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	l.flush() // fills the pipe and gives up
	if err := l.file.Load().SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		b, err := io.ReadAll(reader)
		if err != nil {
			t.Error(err)
		}
		read <- string(b)
	}()
	l.Observe(&Observation{Target: "/whole"})
	run(t, l)()
	lines := strings.Split(<-read, "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], `"target":"/whole"`) || !strings.HasPrefix(lines[1], "{") {
		t.Errorf("%d lines, the second is %.100q", len(lines), lines[min(1, len(lines)-1)])
	}
	if got := l.Dropped(); got != 1 {
		t.Errorf("%d dropped, want 1: the torn one", got)
	}
}
