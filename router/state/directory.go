package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	maxValue = 64 << 20 // bytes that a value may have

	// A temporary file this old belongs to nobody: its process has died, or has
	// been stopped for so long that its Store may as well fail.
	abandoned = time.Hour

	// Between two tries to get a lock that another process holds.
	firstWait, longestWait = time.Millisecond, 50 * time.Millisecond
)

// Directory is a Storage in a folder, for all processes that see the folder. A
// key is a file, and a word of a key with a slash after it is a folder:
//
//	state.json            the value of the key state.json
//	state.json~184467440  the next value, until it is whole; then it is renamed
//	state.lock            the lock state: held while a process has it locked
//	certs/                where the keys and locks are that start with certs/
//
// What it creates only its user can read. A value has at most 64 MiB.
//
// A lock ends with the process that holds it, by the kernel's hand and at once
// (flock; see tryLock for the systems that have none). On NFS, Linux passes the
// lock on to the server, so that machines exclude one another, unless the folder
// is mounted with nolock, local_lock=flock or local_lock=all: then each machine
// locks for itself.
//
// Its methods may be called at the same time. It must not be copied.
type Directory struct {
	Path string // created when first written to

	mu    sync.Mutex       // guards turns and what they hold
	turns map[string]*turn // by the name of a lock: whose turn it is here
}

// A turn is had by one caller of Lock at a time, who alone then competes with
// other processes, and with other Directories in this one.
type turn struct {
	over   chan struct{} // closed when the next one may begin
	unlock func() error  // nil unless the lock is held
}

var _ Storage = (*Directory)(nil)

// Store implements Storage. The value is on the disk when Store returns.
//
// A crash may leave a temporary file, which does no harm. A Store of the same
// key removes it after an hour, because a younger one may be in use.
func (d *Directory) Store(ctx context.Context, key string, value []byte) (err error) {
	defer d.explain(&err, "storing", key)
	file, err := d.file(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(value) > maxValue {
		return tooLarge(int64(len(value)))
	}
	return replace(file, value)
}

// Load implements Storage.
func (d *Directory) Load(ctx context.Context, key string) (value []byte, err error) {
	defer d.explain(&err, "loading", key)
	file, err := d.file(key)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return read(file)
}

// Lock implements Storage. Who waits for another goroutine that uses the same
// Directory is woken when it can go on; all others are found out by asking
// every 50 ms or more often, so under constant use they may wait for long.
//
// The file of a lock is never removed. If it were, a process that opened it
// before and locks it after would hold a file that nobody else can see, while
// the next one creates a new file and holds that.
func (d *Directory) Lock(ctx context.Context, name string) (err error) {
	defer d.explain(&err, "locking", name)
	file, err := d.file(name)
	if err != nil {
		return err
	}
	t, err := d.takeTurn(ctx, name)
	if err != nil {
		return err
	}
	unlock, err := waitForLock(ctx, file+".lock")
	if err != nil {
		d.endTurn(name, t)
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t.unlock = unlock
	return nil
}

// Unlock implements Storage. It does not wait, and works after ctx has ended.
// After an error of the system the lock is not held either.
func (d *Directory) Unlock(_ context.Context, name string) (err error) {
	defer d.explain(&err, "unlocking", name)
	d.mu.Lock()
	t := d.turns[name]
	if t == nil || t.unlock == nil {
		d.mu.Unlock()
		return errors.New("the lock is not held")
	}
	unlock := t.unlock
	t.unlock = nil // of two calls only one succeeds
	d.mu.Unlock()
	defer d.endTurn(name, t)
	return unlock()
}

// word is what stands between the slashes of a key. The files of locks and the
// temporary ones have names that no key can have, by ".lock" and "~".
var word = regexp.MustCompile(`^[A-Za-z0-9._@-]+$`)

func isWord(part string) bool {
	return word.MatchString(part) && part != "." && part != ".." && !strings.HasSuffix(part, ".lock")
}

// file returns the path of a key's file, or of a lock's without ".lock". It is
// always below d.Path.
func (d *Directory) file(key string) (string, error) {
	if d.Path == "" {
		return "", errors.New("the directory has no path")
	}
	for part := range strings.SplitSeq(key, "/") {
		if !isWord(part) {
			return "", errors.New(`the name is not valid; use A-Z, a-z, 0-9, ".", "_", "-" and "@", in one word or several with "/" between them, none of which is "." or ".." or ends in ".lock"`)
		}
	}
	local, err := filepath.Localize(key) // Windows forbids more: NUL, COM1
	return filepath.Join(d.Path, local), err
}

// takeTurn waits until nobody else who uses d has or wants the lock.
func (d *Directory) takeTurn(ctx context.Context, name string) (*turn, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d.mu.Lock()
		other := d.turns[name]
		if other == nil {
			t := &turn{over: make(chan struct{})}
			if d.turns == nil {
				d.turns = make(map[string]*turn)
			}
			d.turns[name] = t
			d.mu.Unlock()
			return t, nil
		}
		d.mu.Unlock()
		select {
		case <-other.over:
		case <-ctx.Done():
		}
	}
}

func (d *Directory) endTurn(name string, t *turn) {
	d.mu.Lock()
	delete(d.turns, name)
	d.mu.Unlock()
	close(t.over)
}

// errLocked means that somebody else holds a lock.
var errLocked = errors.New("locked by another")

// waitForLock tries until it gets the lock in a file: flock can wait without an
// end or not at all, but not until a context ends.
func waitForLock(ctx context.Context, file string) (unlock func() error, err error) {
	if err := makeFolder(filepath.Dir(file)); err != nil {
		return nil, err
	}
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		unlock, err := tryLock(file)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// replace makes value the contents of a file, at once and for good. The value
// must be on the disk before the name is, or a crash of the machine could leave
// a name without the value; and the name before we return.
func replace(file string, value []byte) error {
	folder, base := filepath.Split(file)
	if err := makeFolder(filepath.Clean(folder)); err != nil {
		return err
	}
	removeAbandoned(folder, base+"~")
	temporary, err := os.CreateTemp(folder, base+"~*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(value)
	if err == nil {
		err = temporary.Sync()
	}
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		_ = os.Remove(temporary.Name()) // if it stays it does no harm
		return err
	}
	return syncFolder(folder)
}

// removeAbandoned removes temporary files that crashes left. Those who have a
// name of their own by os.CreateTemp need no lock, but the age of a file must
// tell whether it is in use. Should one be lost that was, its Store fails and
// the old value stays.
func removeAbandoned(folder, prefix string) {
	entries, _ := os.ReadDir(folder) // if it fails, so will the Store
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(folder, e.Name())) // another may have done so
		}
	}
}

func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxValue {
		return nil, tooLarge(info.Size())
	}
	value, err := io.ReadAll(io.LimitReader(f, maxValue+1))
	if err != nil {
		return nil, err
	}
	if len(value) > maxValue { // it grew
		return nil, tooLarge(int64(len(value)))
	}
	return value, nil
}

func tooLarge(size int64) error {
	return fmt.Errorf("the value has %d bytes; %d are allowed", size, maxValue)
}

// makeFolder creates a folder, and those above it, for good.
func makeFolder(folder string) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	parent := filepath.Dir(folder)
	if parent == folder {
		return nil
	}
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// syncFolder waits until the names in a folder are on the disk. Some file
// systems cannot do that, nor can Windows: there, what was stored last may be
// lost with the power, but what was stored before it is not.
func syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// explain makes a sentence of an error, and leaves nil alone. The errors of
// package os repeat the path, which the sentence already has.
func (d *Directory) explain(err *error, doing, key string) {
	if *err == nil {
		return
	}
	cause := *err
	if e, ok := errors.AsType[*fs.PathError](cause); ok {
		cause = fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	if e, ok := errors.AsType[*os.LinkError](cause); ok {
		cause = fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	*err = fmt.Errorf("state directory %s: %s %q: %w", d.Path, doing, key, cause)
}
