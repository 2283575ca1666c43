//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package state

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks a file, which it creates if there is none, or returns errLocked
// if another holds the lock. It does not wait.
//
// The lock belongs to the open file, not to the process: two that open the file
// exclude each other within one process as well, and the kernel gives the lock
// back when the process dies.
func tryLock(path string) (unlock func() error, err error) {
	// For writing, because NFS gives exclusive locks only on such files.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	return func() error {
		// To close it is not enough: a process that is just being started has a
		// copy of the open file until it runs its program.
		return errors.Join(flock(f, syscall.LOCK_UN), f.Close())
	}, nil
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
}
