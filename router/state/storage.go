package state

import (
	"context"
	"time"
)

// Storage is what certmagic calls Storage and Locker, with the same signatures
// (but that KeyInfo is ours, of the same fields), so that one place holds the
// state and the certificates. It must be safe for use by many goroutines, and
// what one process stores the others must be able to load.
//
// Keys and names of locks are words of the characters A-Z, a-z, 0-9, ".", "_",
// "-" and "@", with slashes between them. The two do not meet: there may be a
// key and a lock of the same name. A key is a value or a folder of other keys;
// folders are there as long as there is a key in them, or longer.
type Storage interface {
	// Store puts value at key in place of what was there. Whoever loads the
	// key, at any moment and after a crash at any moment, gets the old value or
	// the new one, whole. When Store has returned nil, the new value stays; when
	// it returned an error it may be either. Store may block for as long as the
	// medium takes, even if ctx ends meanwhile. It does not keep value.
	Store(ctx context.Context, key string, value []byte) error

	// Load returns the value at key, which belongs to the caller, or an error
	// that is fs.ErrNotExist (errors.Is) if there is none. It needs no lock.
	Load(ctx context.Context, key string) ([]byte, error)

	// Delete removes the value at key, or all that is below it if it is a
	// folder. That there is none is no error. When Delete has returned nil, the
	// value does not come back, whatever crashes; of a folder, an error may
	// leave a part.
	Delete(ctx context.Context, key string) error

	// Exists reports whether there is a value at key or a folder. It reports
	// false, too, if that cannot be found out.
	Exists(ctx context.Context, key string) bool

	// List returns the keys in a folder, in any order, each whole, as Load takes
	// it: values and folders, and with recursive what is in those, too. "" is
	// the folder of all. It returns an error that is fs.ErrNotExist if there is
	// no such folder. What is stored or deleted meanwhile may be there or not.
	List(ctx context.Context, folder string, recursive bool) ([]string, error)

	// Stat returns what is known of a key, or an error that is fs.ErrNotExist.
	Stat(ctx context.Context, key string) (KeyInfo, error)

	// Lock blocks until nobody else holds the lock, in whichever process or
	// machine that shares the storage, or until ctx ends; then it returns ctx's
	// error and the lock is not held. Once got, the lock stays until Unlock,
	// whatever becomes of ctx. A process that dies loses its locks; how soon is
	// up to the storage. Locks cannot be nested: who asks again for one that it
	// holds waits for itself. No order is promised among those who wait.
	//
	// A lock guards nothing by itself: it keeps out those who ask for it.
	Lock(ctx context.Context, name string) error

	// Unlock gives back what Lock got, on the same Storage. To give back what
	// is not held is an error.
	Unlock(ctx context.Context, name string) error
}

// KeyInfo is what is known of a key. The fields are those of certmagic's.
type KeyInfo struct {
	Key        string
	Modified   time.Time // when it was stored last
	Size       int64     // bytes of the value; nothing for a folder
	IsTerminal bool      // it has a value, and is no folder
}
