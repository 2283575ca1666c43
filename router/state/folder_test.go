package state

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"
)

func TestWhatIsDeletedIsGoneAndWhatIsNotThereCanBeDeleted(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: filepath.Join(t.TempDir(), "d")}
	f := func(key string, want ...string) {
		t.Helper()
		if err := d.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
		got, err := d.List(t.Context(), "", true)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("after deleting %s there are %v, want %v", key, got, want)
		}
	}
	f("a")
	for _, key := range []string{"a", "b/a", "b/c/a", "b/c/b@example.com", "d/a"} {
		mustStore(t, d, key, nil)
	}
	mustLock(t, d, "d/lock")
	f("none/at/all", "a", "b", "b/a", "b/c", "b/c/a", "b/c/b@example.com", "d", "d/a")
	f("a/below/a/value", "a", "b", "b/a", "b/c", "b/c/a", "b/c/b@example.com", "d", "d/a")
	f("b/c/a", "a", "b", "b/a", "b/c", "b/c/b@example.com", "d", "d/a")
	f("b", "a", "d", "d/a")
	f("d", "a", "d") // a lock is in it
	f("a", "d")
	if err := d.Unlock(t.Context(), "d/lock"); err != nil {
		t.Error("the lock was lost: ", err)
	}
}

func TestAListHasKeysAndNoFilesOfTheDirectoryItself(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: t.TempDir()}
	f := func(folder string, recursive bool, want ...string) {
		t.Helper()
		got, err := d.List(t.Context(), folder, recursive)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %v, %v; want %v", folder, got, err, want)
		}
	}
	f("", true)
	for _, key := range []string{"b/c/d", "b/a", "a"} {
		mustStore(t, d, key, nil)
	}
	mustLock(t, d, "b/lock")
	f("", false, "a", "b")
	f("", true, "a", "b", "b/a", "b/c", "b/c/d")
	f("b", false, "b/a", "b/c")
	f("b/c", true, "b/c/d")
	for _, none := range []string{"none", "a", "a/b"} {
		if _, err := d.List(t.Context(), none, false); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want fs.ErrNotExist", none, err)
		}
	}
	if _, err := d.List(t.Context(), "../b", false); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that the name is not valid", err)
	}
}

func TestOfAKeyItIsKnownWhetherItIsThereAndAValue(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: t.TempDir()}
	mustStore(t, d, "b/a", []byte("four"))
	f := func(key string, terminal bool, size int64) {
		t.Helper()
		got, err := d.Stat(t.Context(), key)
		if err != nil || got.Key != key || got.IsTerminal != terminal || got.Size != size || got.Modified.IsZero() || !d.Exists(t.Context(), key) {
			t.Errorf("got %+v, %v; want terminal %v and size %d", got, err, terminal, size)
		}
	}
	f("b", false, 0)
	f("b/a", true, 4)
	for _, none := range []string{"a", "b/c", "b/a/c"} {
		if _, err := d.Stat(t.Context(), none); !errors.Is(err, fs.ErrNotExist) || d.Exists(t.Context(), none) {
			t.Errorf("%s: got %v, want fs.ErrNotExist", none, err)
		}
	}
}
