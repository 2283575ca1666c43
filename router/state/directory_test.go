package state

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatIsStoredIsLoaded(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: filepath.Join(t.TempDir(), "not", "yet")}
	f := func(key, value string) {
		t.Helper()
		mustStore(t, d, key, []byte(value))
		// Another Directory stands for another process.
		if got := mustLoad(t, &Directory{Path: d.Path}, key); string(got) != value {
			t.Errorf("%s: loaded %q, want %q", key, got, value)
		}
	}
	f("a", "one")
	f("a", "")
	f("a", "another one")
	f("certs/example.com/A_b-c.json", "deep")
	f("a.tmp", "an ordinary name")
	f("...", "an odd name")
}

func TestNothingIsLoadedWhereNothingWasStored(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: filepath.Join(t.TempDir(), "none")}
	f := func(key string) {
		t.Helper()
		if value, err := d.Load(t.Context(), key); value != nil || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %q, %v; want fs.ErrNotExist", key, value, err)
		}
	}
	f("a")
	f("a/b")
	if _, err := os.Stat(d.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("loading created the directory")
	}
	mustStore(t, d, "b", []byte("b"))
	f("a")
	mustLock(t, d, "a") // is no key
	f("a")
}

func TestNamesThatCouldLeaveTheDirectoryOrMeetItsOwnFilesAreRefused(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: filepath.Join(t.TempDir(), "d")}
	f := func(name string) {
		t.Helper()
		for doing, err := range map[string]error{
			"storing": d.Store(t.Context(), name, nil),
			"loading": failure(d.Load(t.Context(), name)),
			"locking": d.Lock(t.Context(), name),
		} {
			if err == nil || !strings.Contains(err.Error(), "not valid") {
				t.Errorf("%s %q: got %v, want that the name is not valid", doing, name, err)
			}
		}
	}
	for _, name := range []string{
		"", ".", "..", "../a", "a/..", "a/../b", "./a", "a/.", "/", "/a", "a/", "a//b",
		`a\b`, `..\a`, "C:a", "a b", "a\x00", "a\n", "ä", "a~1", "*", "a.lock", ".lock", "a.lock/b",
	} {
		f(name)
	}
	if _, err := os.Stat(d.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a name that is not valid left a trace")
	}
	if err := new(Directory).Store(t.Context(), "a", nil); err == nil {
		t.Error("stored without a path")
	}
}

func TestErrorsAreSentencesThatNameThePathOnce(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: filepath.Join(t.TempDir(), "d")}
	ended, end := context.WithCancel(t.Context())
	end()
	f := func(err error, want string) {
		t.Helper()
		if want = "state directory " + d.Path + ": " + want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	f(failure(d.Load(ended, "a")), `loading "a": context canceled`)
	f(d.Store(ended, "a", nil), `storing "a": context canceled`)
	f(d.Lock(ended, "a"), `locking "a": context canceled`)
	f(d.Unlock(ended, "a"), `unlocking "a": the lock is not held`)
	f(d.Store(t.Context(), "a", make([]byte, maxValue+1)), `storing "a": the value has 67108865 bytes; 67108864 are allowed`)
	mustStore(t, d, "big", nil)
	if err := os.Truncate(filepath.Join(d.Path, "big"), maxValue+1); err != nil {
		t.Fatal(err)
	}
	f(failure(d.Load(t.Context(), "big")), `loading "big": the value has 67108865 bytes; 67108864 are allowed`)
	if runtime.GOOS == "linux" { // other systems have other words
		f(failure(d.Load(t.Context(), "a")), `loading "a": open: no such file or directory`)
		mustStore(t, d, "folder/a", nil)
		f(d.Store(t.Context(), "folder", nil), `storing "folder": rename: file exists`)
		f(d.Store(t.Context(), "big/a", nil), `storing "big/a": open: not a directory`)
	}
}

func TestOnlyTheUserCanReadWhatIsStored(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	d := &Directory{Path: filepath.Join(t.TempDir(), "d")}
	mustStore(t, d, "certs/a", nil)
	mustLock(t, d, "a")
	f := func(name string, want fs.FileMode) {
		t.Helper()
		info, err := os.Stat(filepath.Join(d.Path, name))
		if err != nil {
			t.Error(err)
		} else if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: mode %o, want %o", name, got, want)
		}
	}
	f(".", 0o700)
	f("certs", 0o700)
	f("certs/a", 0o600)
	if locksHaveFiles(t) {
		f("a.lock", 0o600)
	}
}

func TestAStoreThatFailsLeavesTheOldAndNothingElse(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: t.TempDir()}
	mustStore(t, d, "a/b", []byte("old"))
	if err := d.Store(t.Context(), "a", []byte("new")); err == nil {
		t.Error("stored in place of a folder")
	}
	if got := mustLoad(t, d, "a/b"); string(got) != "old" {
		t.Errorf("loaded %q", got)
	}
	if left := temporaries(t, d); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestAStoreRemovesWhatACrashLeftOfTheSameKeyMoreThanAnHourAgo(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: t.TempDir()}
	put := func(name string, age time.Duration) {
		t.Helper()
		file, then := filepath.Join(d.Path, name), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, then, then)); err != nil {
			t.Fatal(err)
		}
	}
	put("a~1", 2*time.Hour)
	put("a~2", 59*time.Minute) // maybe in use
	put("a~3", -time.Hour)     // by a clock that differs
	put("ab~1", 2*time.Hour)   // another key's
	put("a.lock", 2*time.Hour)
	mustStore(t, d, "a", nil)
	if got := strings.Join(temporaries(t, d), " "); got != "ab~1 a~2 a~3" {
		t.Errorf("left %s", got)
	}
	if _, err := os.Stat(filepath.Join(d.Path, "a.lock")); err != nil {
		t.Errorf("the file of a lock was removed: %v", err)
	}
}

func TestStoresOfOneKeyAtTheSameTimeLeaveOneOfTheValues(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d := &Directory{Path: path}
	mustStore(t, d, "a", sealed(10))
	var writers sync.WaitGroup
	var left atomic.Int32
	for i := range 4 {
		left.Add(1)
		writers.Go(func() {
			defer left.Add(-1)
			d := &Directory{Path: path}
			for range 25 {
				mustStore(t, d, "a", sealed(10+i*10_000))
			}
		})
	}
	for left.Load() > 0 {
		if got := mustLoad(t, d, "a"); !isSealed(got) {
			t.Errorf("loaded %d bytes that are not whole", len(got))
			break
		}
	}
	writers.Wait()
	if left := temporaries(t, d); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestALockIsHandedOnWithinADirectoryAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &Directory{Path: t.TempDir()}
		mustLock(t, d, "a")
		start, got := time.Now(), make(chan time.Duration)
		for range 3 {
			go func() {
				mustLock(t, d, "a")
				got <- time.Since(start)
				mustUnlock(t, d, "a")
			}()
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		mustUnlock(t, d, "a")
		for range 3 {
			if after := <-got; after != time.Minute {
				t.Errorf("got the lock after %v, want 1m", after)
			}
		}
	})
}

func TestALockIsGotFromAnotherDirectorySoonAfterItIsFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		holder, waiter := &Directory{Path: path}, &Directory{Path: path}
		mustLock(t, holder, "a")
		start, got := time.Now(), make(chan time.Duration)
		go func() {
			mustLock(t, waiter, "a")
			got <- time.Since(start)
		}()
		mustLock(t, waiter, "b") // is another lock
		if after := time.Since(start); after != 0 {
			t.Errorf("got a free lock after %v", after)
		}
		time.Sleep(time.Minute)
		mustUnlock(t, holder, "a")
		if after := <-got; after < time.Minute || after > time.Minute+50*time.Millisecond {
			t.Errorf("got the lock after %v, want 1m and at most 50ms more", after)
		}
		mustUnlock(t, waiter, "a")
		mustLock(t, holder, "a")
	})
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		holder, other := &Directory{Path: path}, &Directory{Path: path}
		mustLock(t, holder, "a")
		f := func(d *Directory) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			if err := d.Lock(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the context's error", err)
			}
			if after := time.Since(start); after != time.Minute {
				t.Errorf("waited for %v, want 1m", after)
			}
		}
		f(holder)
		f(other)
		f(other) // nor does it wait for the one that gave up
		mustUnlock(t, holder, "a")
		mustLock(t, other, "a")
		mustUnlock(t, other, "a")
		mustLock(t, holder, "a")
	})
}

func TestUnlockingWhatIsNotHeldIsAnError(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d, other := &Directory{Path: path}, &Directory{Path: path}
	f := func(d *Directory, name string) {
		t.Helper()
		if err := d.Unlock(t.Context(), name); err == nil {
			t.Errorf("unlocked %s", name)
		}
	}
	f(d, "a")
	mustLock(t, d, "a")
	f(d, "b")
	f(other, "a")
	mustUnlock(t, d, "a")
	f(d, "a")
}

func TestALockIsUnlockedOnlyOnce(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: t.TempDir()}
	for range 100 {
		mustLock(t, d, "a")
		var all sync.WaitGroup
		var times atomic.Int32
		for range 2 {
			all.Go(func() {
				if d.Unlock(t.Context(), "a") == nil {
					times.Add(1)
				}
			})
		}
		all.Wait()
		if got := times.Load(); got != 1 {
			t.Fatalf("unlocked %d times", got)
		}
	}
}

// A process that is being started has copies of all open files for a moment.
func TestALockIsFreeOnceItIsUnlockedEvenWhileProcessesAreStarted(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	var starts sync.WaitGroup
	var over atomic.Bool
	starts.Go(func() {
		defer over.Store(true)
		for range 50 {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			_ = cmd.Process.Kill() // the start is what counts
			_ = cmd.Wait()
		}
	})
	for d := (&Directory{Path: path}); !over.Load(); {
		mustLock(t, d, "a")
		mustUnlock(t, d, "a")
		isFree(t, d, "a")
	}
	starts.Wait()
}

// Goroutines, Directories and processes load a number, add one and store it.
// None is lost if no two do so at the same time.
func TestALockExcludesGoroutinesDirectoriesAndProcesses(t *testing.T) {
	const directories, goroutines, rounds = 2, 5, 8
	const each = directories * goroutines * rounds
	count := func(path string) {
		var all sync.WaitGroup
		for range directories {
			d := &Directory{Path: path}
			for range goroutines {
				all.Go(func() {
					for range rounds {
						mustLock(t, d, "number")
						n, _ := strconv.Atoi(string(mustLoad(t, d, "number")))
						mustStore(t, d, "number", []byte(strconv.Itoa(n+1)))
						mustUnlock(t, d, "number")
					}
				})
			}
		}
		all.Wait()
	}
	if path, ok := child(); ok {
		count(path)
		return
	}
	t.Parallel()
	d := &Directory{Path: t.TempDir()}
	mustStore(t, d, "number", []byte("0"))

	want := each
	var all sync.WaitGroup
	if locksHaveFiles(t) {
		for range 2 {
			want += each
			all.Go(func() {
				if out, err := again(t, d.Path).CombinedOutput(); err != nil {
					t.Errorf("the child: %v\n%s", err, out)
				}
			})
		}
	}
	count(d.Path)
	all.Wait()
	if got := string(mustLoad(t, d, "number")); got != strconv.Itoa(want) {
		t.Errorf("counted to %s, want %d", got, want)
	}
}

// A process that stores a small and a large document in turn, each under a
// lock, is killed over and over, at random moments.
func TestAProcessThatIsKilledLeavesAWholeValueAndNoLock(t *testing.T) {
	const small, large = 10, 200 << 10
	if path, ok := child(); ok {
		d := &Directory{Path: path}
		for start, size := time.Now(), small; time.Since(start) < time.Minute; size = small + large - size {
			mustLock(t, d, "a")
			mustStore(t, d, "a", sealed(size))
			mustUnlock(t, d, "a")
			if t.Failed() {
				return
			}
			os.Stdout.WriteString(".")
		}
		t.Fatal("nobody killed the child")
	}
	t.Parallel()
	const victims, kills = 4, 55
	var all sync.WaitGroup
	found := map[int]*atomic.Int32{small: {}, large: {}} // values, by size
	var inTheMiddle atomic.Int32                         // kills that left a temporary file
	for range victims {
		d := &Directory{Path: t.TempDir()}
		mustStore(t, d, "a", sealed(small))
		all.Go(func() {
			for n := range kills {
				killAfterRandomTime(t, again(t, d.Path))
				value := mustLoad(t, d, "a")
				if found[len(value)] == nil || !isSealed(value) {
					t.Errorf("kill %d: loaded %d bytes that are not whole", n, len(value))
					return
				}
				found[len(value)].Add(1)
				isFree(t, d, "a")
			}
			left := temporaries(t, d)
			inTheMiddle.Add(int32(len(left)))
			for _, name := range left {
				hoursAgo := time.Now().Add(-2 * time.Hour)
				if err := os.Chtimes(filepath.Join(d.Path, name), hoursAgo, hoursAgo); err != nil {
					t.Error(err)
				}
			}
			mustStore(t, d, "a", nil)
			if left := temporaries(t, d); len(left) > 0 {
				t.Errorf("hours later there are still %v", left)
			}
		})
	}
	all.Wait()
	t.Logf("%d kills: left %d small and %d large documents and %d temporary files",
		victims*kills, found[small].Load(), found[large].Load(), inTheMiddle.Load())
	if found[small].Load() == 0 || found[large].Load() == 0 || inTheMiddle.Load() == 0 {
		t.Error("the moments were not random: they must leave both documents and some temporary files")
	}
}

// killAfterRandomTime starts a child and kills it a few milliseconds after it
// has written a dot or two. It must not write anything else.
func killAfterRandomTime(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	cmd.Stderr = cmd.Stdout
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	first := make([]byte, 1+rand.N(2))
	_, err = io.ReadFull(out, first)
	time.Sleep(rand.N(4 * time.Millisecond)) // nothing waits for this; it is the moment
	_ = cmd.Process.Kill()
	rest, _ := io.ReadAll(out)
	_ = cmd.Wait()
	if said := string(first) + string(rest); err != nil || strings.Trim(said, ".") != "" {
		t.Errorf("the child: %v\n%s", err, said)
	}
}

const childOf = "DIVVY_TEST_STATE_CHILD" // in the environment of a child: its directory

// again returns a command that runs the same test as a child, in a process of
// its own.
func again(t *testing.T, path string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), childOf+"="+path)
	return cmd
}

// child reports whether this process is a child, and its directory.
func child() (path string, ok bool) { return os.LookupEnv(childOf) }

// sealed returns size bytes of which the first four are a checksum of the
// others.
func sealed(size int) []byte {
	doc := make([]byte, size)
	for i := range doc {
		doc[i] = byte(size + i*i)
	}
	binary.BigEndian.PutUint32(doc, crc32.ChecksumIEEE(doc[4:]))
	return doc
}

func isSealed(doc []byte) bool {
	return len(doc) >= 4 && binary.BigEndian.Uint32(doc) == crc32.ChecksumIEEE(doc[4:])
}

func mustStore(t *testing.T, d *Directory, key string, value []byte) {
	t.Helper()
	if err := d.Store(t.Context(), key, value); err != nil {
		t.Error(err)
	}
}

func mustLoad(t *testing.T, d *Directory, key string) []byte {
	t.Helper()
	value, err := d.Load(t.Context(), key)
	if err != nil {
		t.Error(err)
	}
	return value
}

// mustLock gets a lock, or gives up where it can only be that nobody unlocks it.
func mustLock(t *testing.T, d *Directory, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := d.Lock(ctx, name); err != nil {
		t.Error(err)
	}
}

func mustUnlock(t *testing.T, d *Directory, name string) {
	t.Helper()
	if err := d.Unlock(t.Context(), name); err != nil {
		t.Error(err)
	}
}

// isFree gets and gives back a lock that nobody may hold or wait for.
func isFree(t *testing.T, d *Directory, name string) {
	t.Helper()
	unlock, err := tryLock(filepath.Join(d.Path, name+".lock"))
	if err == nil {
		err = unlock()
	}
	if err != nil {
		t.Errorf("the lock %s is not free: %v", name, err)
	}
}

func failure(_ []byte, err error) error { return err }

// temporaries returns the names of temporary files in the folder itself.
func temporaries(t *testing.T, d *Directory) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.Path, "*~*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		files[i] = filepath.Base(file)
	}
	return files
}

// locksHaveFiles reports whether this system locks files, and so excludes
// other processes.
func locksHaveFiles(t *testing.T) bool {
	t.Helper()
	d := &Directory{Path: t.TempDir()}
	mustLock(t, d, "a")
	defer mustUnlock(t, d, "a")
	_, err := os.Stat(filepath.Join(d.Path, "a.lock"))
	return err == nil
}
