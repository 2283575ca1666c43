//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package state

import (
	"path/filepath"
	"sync"
)

// locked has the paths of the locks that this process holds. It stands in for
// the table that the kernel keeps elsewhere, of which there is also only one.
var locked sync.Map

// tryLock returns errLocked if another in this process holds the lock of that
// path. It does not wait, and it creates no file.
//
// It does not exclude other processes, because this system has no flock: here a
// directory must not be shared.
func tryLock(path string) (unlock func() error, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, taken := locked.LoadOrStore(path, nil); taken {
		return nil, errLocked
	}
	return func() error { locked.Delete(path); return nil }, nil
}
