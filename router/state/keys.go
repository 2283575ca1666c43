package state

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"divvy/router"
)

// Where the keys lie in their storage, and what is locked to change them. They
// are not in the document, which people may look at and copy.
const (
	keysKey  = "cookie-keys.json"
	keysLock = "cookie-keys"
)

// How keys come and go. A key signs for a month, and what it signed is known for
// longer than browsers keep a cookie. It does not sign before every proxy of the
// storage has had the time to hear of it.
const (
	keyLife    = 30 * 24 * time.Hour
	maxKeys    = 15
	keyQuiet   = time.Minute
	keysEvery  = 20 * time.Second
	idSize     = 4
	secretSize = 32
)

// secretKey is a key as it is stored.
type secretKey struct {
	ID      string    `json:"id"`
	Secret  []byte    `json:"secret"`
	Created time.Time `json:"created"`
}

// keyFile is what is stored: the newest key first.
type keyFile struct {
	Format int         `json:"format"`
	Keys   []secretKey `json:"keys"`
}

// Keys keeps the keys that cookies are signed with, makes the first, and a new
// one each month.
type Keys struct {
	Storage Storage
	Where   string // names the storage for people
	Changed func(*router.Keyring)
	Log     *slog.Logger

	mu       sync.Mutex // held while the storage is asked; guards what is below
	ring     string     // the identifiers of the keys that were published last, in their order
	known    keyFile    // as they were published last
	vanished bool       // they were not there when they were last looked for
	trouble  trouble
}

// Open reads the keys, and makes the first if there is none. It returns an error
// if there are some that cannot be used.
func (k *Keys) Open(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.refresh(ctx, time.Now())
}

// Rotate makes a new key. What the earlier ones signed is still known, unless
// forget is set: then the new one signs at once, and all that was kept of a
// user's version is kept no more.
func (k *Keys) Rotate(ctx context.Context, forget bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.change(ctx, func(f *keyFile) {
		if forget {
			f.Keys = nil
		}
		f.add(time.Now())
	})
}

// Problem says why the keys cannot be read at present, "" if they can.
func (k *Keys) Problem() string { return k.trouble.String() }

// Run makes a new key when it is time, and takes over those that other proxies
// have made, until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	return every(ctx, keysEvery, k.look)
}

func (k *Keys) look(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.trouble.looked(k.refresh(ctx, time.Now()), k.Log, "the keys of cookies", k.Where)
}

// refresh reads the keys, and makes one if there is none for now.
func (k *Keys) refresh(ctx context.Context, now time.Time) error {
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	f, err := k.load(ctx)
	if err != nil {
		return err
	}
	if k.vanished && len(f.Keys) > 0 {
		k.Log.Warn("the keys of cookies were taken away, writing those that are known", "where", k.Where)
		return k.change(ctx, func(*keyFile) {})
	}
	if f.due(now) {
		return k.change(ctx, func(f *keyFile) {
			if f.due(now) { // or another proxy was faster
				f.add(now)
			}
		})
	}
	k.publish(f, now)
	return nil
}

// change changes what is stored.
func (k *Keys) change(ctx context.Context, change func(*keyFile)) (err error) {
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	if err := k.Storage.Lock(ctx, keysLock); err != nil {
		return fmt.Errorf("keys of cookies in %s: %w", k.Where, err)
	}
	defer func() { err = errors.Join(err, k.Storage.Unlock(context.WithoutCancel(ctx), keysLock)) }()
	f, err := k.load(ctx)
	if err != nil {
		return err
	}
	change(&f)
	data, err := json.MarshalIndent(f, "", " ")
	if err == nil {
		err = k.Storage.Store(ctx, keysKey, data)
	}
	if err != nil {
		return fmt.Errorf("keys of cookies in %s: %w", k.Where, err)
	}
	k.publish(f, time.Now())
	return nil
}

func (k *Keys) load(ctx context.Context) (keyFile, error) {
	data, err := k.Storage.Load(ctx, keysKey)
	if k.vanished = errors.Is(err, fs.ErrNotExist); k.vanished {
		known := k.known // with it would go all that was signed
		known.Format = Format
		return known, nil
	}
	if err != nil {
		return keyFile{}, fmt.Errorf("keys of cookies in %s: %w", k.Where, err)
	}
	f := keyFile{}
	err = unmarshal(data, &f)
	if err == nil {
		err = f.validate()
	}
	if err != nil {
		return keyFile{}, fmt.Errorf("keys of cookies in %s: %s: %w; they are left as they are: restore them from a copy, or move them away for new ones", k.Where, keysKey, err)
	}
	return f, nil
}

func (f *keyFile) validate() error {
	for i, key := range f.Keys {
		if len(key.ID) != idSize || len(key.Secret) < secretSize {
			return fmt.Errorf("it is damaged: key %d has an identifier of %d bytes and a secret of %d, not %d and %d", i, len(key.ID), len(key.Secret), idSize, secretSize)
		}
	}
	return nil
}

// due reports whether a new key is needed.
func (f *keyFile) due(now time.Time) bool {
	return len(f.Keys) == 0 || now.Sub(f.Keys[0].Created) >= keyLife
}

// add puts a new key in front, and forgets the oldest of too many.
func (f *keyFile) add(now time.Time) {
	key := secretKey{ID: rand.Text()[:idSize], Secret: make([]byte, secretSize), Created: now.UTC()}
	rand.Read(key.Secret) // it cannot fail
	f.Format = Format
	f.Keys = append([]secretKey{key}, f.Keys[:min(len(f.Keys), maxKeys-1)]...)
}

// publish makes the keys known, that which is to sign in front: the newest of
// those that are old enough, or the oldest if none is. k.mu is held.
func (k *Keys) publish(f keyFile, now time.Time) {
	k.known = f
	signer := slices.IndexFunc(f.Keys, func(key secretKey) bool { return now.Sub(key.Created) >= keyQuiet })
	if signer < 0 {
		signer = len(f.Keys) - 1
	}
	var keys []router.Key
	ids := ""
	for _, key := range slices.Concat(f.Keys[signer:signer+1], f.Keys[:signer], f.Keys[signer+1:]) {
		keys = append(keys, router.Key{ID: key.ID, Secret: key.Secret})
		ids += key.ID
	}
	if ids != k.ring {
		k.ring = ids
		k.Changed(router.NewKeyring(keys))
	}
}
